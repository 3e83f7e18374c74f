from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import AssignTicketInput, AssignTicketOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.insightconnect.inputs import given_flag, given_id, required_id
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import ticket_output


class AssignTicket(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="assign_ticket",
            description=Component.DESCRIPTION,
            input=checked_once(AssignTicketInput()),
            output=checked_once(AssignTicketOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        ticket = self.connection.client.assign_ticket(
            required_id(params, Input.TICKET_ID),
            agent_id=given_id(params, Input.AGENT_ID),
            team_id=given_id(params, Input.TEAM_ID),
            notify=given_flag(params, Input.NOTIFY, default=True),
        )
        return {Output.TICKET: ticket_output(ticket, self.connection.client), Output.SUCCESS: True}
