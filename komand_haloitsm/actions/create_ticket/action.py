from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import CreateTicketInput, CreateTicketOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.insightconnect.inputs import given_ids, given_objects, given_text, required_id, required_text
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import ticket_output


class CreateTicket(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="create_ticket",
            description=Component.DESCRIPTION,
            input=checked_once(CreateTicketInput()),
            output=checked_once(CreateTicketOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        fields = {
            "summary": required_text(params, Input.SUMMARY),
            "details": required_text(params, Input.DETAILS),
            "tickettype_id": required_id(params, Input.TICKETTYPE_ID),
            # A production client of HaloITSM sends it so that the instance's own rules do run on the new ticket.
            "dont_do_rules": False,
            **given_ids(
                params,
                Input.PRIORITY_ID,
                Input.STATUS_ID,
                Input.CATEGORY_ID,
                Input.AGENT_ID,
                Input.TEAM_ID,
                Input.SITE_ID,
                Input.USER_ID,
                Input.CLIENT_ID,
                Input.PARENT_ID,
            ),
        }
        customfields = given_objects(params, Input.CUSTOMFIELDS)
        if customfields is not None:
            fields["customfields"] = customfields
        client, reference = self.connection.client, given_text(params, Input.EXTERNAL_REFERENCE)
        if reference is None:
            ticket, created = client.create_ticket(fields), True
        else:
            ticket, created = client.create_ticket_once(fields, reference)
        output = {Output.TICKET: ticket_output(ticket, client), Output.SUCCESS: True, Output.CREATED: created}
        duplicates = list(getattr(ticket, "duplicates", ()))
        return {**output, Output.DUPLICATES: duplicates} if duplicates else output
