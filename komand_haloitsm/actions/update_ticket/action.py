from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import UpdateTicketInput, UpdateTicketOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.halo.tickets.fields import with_additional
from komand_haloitsm.util.insightconnect.errors import plugin_exceptions
from komand_haloitsm.util.insightconnect.inputs import (
    given_ids,
    given_line,
    given_object,
    given_objects,
    given_text,
    required_id,
)
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import ticket_output


class UpdateTicket(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="update_ticket",
            description=Component.DESCRIPTION,
            input=checked_once(UpdateTicketInput()),
            output=checked_once(UpdateTicketOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        ticket_id = required_id(params, Input.TICKET_ID)
        others: dict[str, Any] = {
            "summary": given_line(params, Input.SUMMARY),
            "details": given_text(params, Input.DETAILS),
            "customfields": given_objects(params, Input.CUSTOMFIELDS),
        }
        changes: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
        changes.update(
            given_ids(
                params,
                Input.STATUS_ID,
                Input.PRIORITY_ID,
                Input.AGENT_ID,
                Input.TEAM_ID,
                Input.CATEGORY_ID,
                Input.USER_ID,
                Input.SITE_ID,
                Input.CLIENT_ID,
                Input.TICKETTYPE_ID,
            )
        )
        with plugin_exceptions():
            changes = with_additional(changes, given_object(params, Input.ADDITIONAL_FIELDS))
        ticket = self.connection.client.update_ticket(ticket_id, changes)
        output = {Output.TICKET: ticket_output(ticket, self.connection.client), Output.SUCCESS: True}
        differing = list(getattr(ticket, "differing", ()))
        return {**output, Output.DIFFERING_FIELDS: differing} if differing else output
