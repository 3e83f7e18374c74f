import insightconnect_plugin_runtime
import time
from .schema import TicketUpdatedInput, TicketUpdatedOutput, Input, Output, Component

# Custom imports below


class TicketUpdated(insightconnect_plugin_runtime.Trigger):

    def __init__(self):
        super(self.__class__, self).__init__(
            name="ticket_updated",
            description=Component.DESCRIPTION,
            input=TicketUpdatedInput(),
            output=TicketUpdatedOutput(),
        )

    def run(self, params={}):
        # START INPUT BINDING - DO NOT REMOVE - ANY INPUTS BELOW WILL UPDATE WITH YOUR PLUGIN SPEC AFTER REGENERATION
        interval = params.get(Input.INTERVAL)
        status_changed = params.get(Input.STATUS_CHANGED)
        ticket_id = params.get(Input.TICKET_ID)
        webhook_port = params.get(Input.WEBHOOK_PORT)
        # END INPUT BINDING - DO NOT REMOVE

        while True:
            # TODO: Implement trigger functionality
            self.send(
                {
                    Output.EVENT_ID: None,
                    Output.PREVIOUS_STATUS_ID: None,
                    Output.TICKET: None,
                }
            )
            time.sleep(5)
