from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import SearchTicketsInput, SearchTicketsOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.halo.tickets.filters import TicketFilter
from komand_haloitsm.util.insightconnect.inputs import given_date, given_flag, given_id, given_number, given_text
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import ticket_output


class SearchTickets(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="search_tickets",
            description=Component.DESCRIPTION,
            input=checked_once(SearchTicketsInput()),
            output=checked_once(SearchTicketsOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        wanted = TicketFilter(
            summary_contains=given_text(params, Input.SUMMARY_CONTAINS),
            status_id=given_id(params, Input.STATUS_ID),
            agent_id=given_id(params, Input.AGENT_ID),
            team_id=given_id(params, Input.TEAM_ID),
            priority_id=given_id(params, Input.PRIORITY_ID),
            created_after=given_date(params, Input.CREATED_AFTER),
            created_before=given_date(params, Input.CREATED_BEFORE),
            tickettype_id=given_id(params, Input.TICKETTYPE_ID),
            client_id=given_id(params, Input.CLIENT_ID),
            user_id=given_id(params, Input.USER_ID),
            open_only=given_flag(params, Input.OPEN_ONLY, default=False),
        )
        max_results = given_number(params, Input.MAX_RESULTS, default=50, lowest=1, highest=10_000)
        reference = given_text(params, Input.EXTERNAL_REFERENCE)
        tickets = self.connection.client.search_tickets(wanted, max_results=max_results, reference=reference)
        described = [ticket_output(ticket, self.connection.client) for ticket in tickets]
        return {Output.TICKETS: described, Output.COUNT: len(described)}
