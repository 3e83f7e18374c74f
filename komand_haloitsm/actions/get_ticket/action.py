from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import GetTicketInput, GetTicketOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.insightconnect.errors import HaloITSMError
from komand_haloitsm.util.insightconnect.inputs import given_flag, required_id
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import comment_output, ticket_output


class GetTicket(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="get_ticket",
            description=Component.DESCRIPTION,
            input=checked_once(GetTicketInput()),
            output=checked_once(GetTicketOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        ticket_id = required_id(params, Input.TICKET_ID)
        include_details = given_flag(params, Input.INCLUDE_DETAILS, default=True)
        try:
            ticket = self.connection.client.get_ticket(ticket_id, include_details=include_details)
        except HaloITSMError as error:
            if error.kind != "not_found":
                raise
            return {Output.TICKET: {}, Output.FOUND: False}
        output = {Output.TICKET: ticket_output(ticket, self.connection.client), Output.FOUND: True}
        if not given_flag(params, Input.INCLUDE_COMMENTS, default=False):
            return output
        comments = self.connection.client.list_comments(ticket_id)
        return {**output, Output.COMMENTS: [comment_output(comment) for comment in comments]}
