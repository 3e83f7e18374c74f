import insightconnect_plugin_runtime
import time
from .schema import TicketCreatedInput, TicketCreatedOutput, Input, Output, Component

# Custom imports below


class TicketCreated(insightconnect_plugin_runtime.Trigger):

    def __init__(self):
        super(self.__class__, self).__init__(
            name="ticket_created",
            description=Component.DESCRIPTION,
            input=TicketCreatedInput(),
            output=TicketCreatedOutput(),
        )

    def run(self, params={}):
        # START INPUT BINDING - DO NOT REMOVE - ANY INPUTS BELOW WILL UPDATE WITH YOUR PLUGIN SPEC AFTER REGENERATION
        interval = params.get(Input.INTERVAL)
        priority_id = params.get(Input.PRIORITY_ID)
        tickettype_id = params.get(Input.TICKETTYPE_ID)
        webhook_port = params.get(Input.WEBHOOK_PORT)
        # END INPUT BINDING - DO NOT REMOVE

        while True:
            # TODO: Implement trigger functionality
            self.send(
                {
                    Output.EVENT_ID: None,
                    Output.TICKET: None,
                }
            )
            time.sleep(5)
