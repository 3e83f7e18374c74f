from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import CloseTicketInput, CloseTicketOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.insightconnect.inputs import given_id, given_text, required_id
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import ticket_output


class CloseTicket(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="close_ticket",
            description=Component.DESCRIPTION,
            input=checked_once(CloseTicketInput()),
            output=checked_once(CloseTicketOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        ticket = self.connection.client.close_ticket(
            required_id(params, Input.TICKET_ID),
            status_id=given_id(params, Input.CLOSED_STATUS_ID),
            resolution=given_text(params, Input.RESOLUTION),
        )
        return {Output.TICKET: ticket_output(ticket, self.connection.client), Output.SUCCESS: True}
