import insightconnect_plugin_runtime
import time
from .schema import TicketStatusChangedInput, TicketStatusChangedOutput, Input, Output, Component

# Custom imports below


class TicketStatusChanged(insightconnect_plugin_runtime.Trigger):

    def __init__(self):
        super(self.__class__, self).__init__(
            name="ticket_status_changed",
            description=Component.DESCRIPTION,
            input=TicketStatusChangedInput(),
            output=TicketStatusChangedOutput(),
        )

    def run(self, params={}):
        # START INPUT BINDING - DO NOT REMOVE - ANY INPUTS BELOW WILL UPDATE WITH YOUR PLUGIN SPEC AFTER REGENERATION
        interval = params.get(Input.INTERVAL)
        new_status_id = params.get(Input.NEW_STATUS_ID)
        ticket_id = params.get(Input.TICKET_ID)
        webhook_port = params.get(Input.WEBHOOK_PORT)
        # END INPUT BINDING - DO NOT REMOVE

        while True:
            # TODO: Implement trigger functionality
            self.send(
                {
                    Output.EVENT_ID: None,
                    Output.NEW_STATUS_ID: None,
                    Output.OLD_STATUS_ID: None,
                    Output.TICKET: None,
                }
            )
            time.sleep(5)
