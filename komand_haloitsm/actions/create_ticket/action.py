from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import CreateTicketInput, CreateTicketOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.halo.tickets.fields import with_additional
from komand_haloitsm.util.insightconnect.errors import plugin_exceptions
from komand_haloitsm.util.insightconnect.inputs import (
    given_files,
    given_ids,
    given_object,
    given_objects,
    given_text,
    required_id,
    required_text,
)
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import attachments_output, ticket_output


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
        with plugin_exceptions():
            fields = with_additional(fields, given_object(params, Input.ADDITIONAL_FIELDS))
        # A production client of HaloITSM sends it so that the instance's own rules do run on the new ticket.
        fields.setdefault("dont_do_rules", False)
        files = given_files(params, Input.ATTACHMENTS)
        more = {"attachments": files} if files else {}
        client, reference = self.connection.client, given_text(params, Input.EXTERNAL_REFERENCE)
        if reference is None:
            ticket, created = client.create_ticket(fields, **more), True
        else:
            ticket, created = client.create_ticket_once(fields, reference, **more)
        output = {Output.TICKET: ticket_output(ticket, client), Output.SUCCESS: True, Output.CREATED: created}
        others = {
            Output.DUPLICATES: list(getattr(ticket, "duplicates", ())),
            Output.DIFFERING_FIELDS: list(getattr(ticket, "differing", ())),
            Output.ATTACHMENTS: attachments_output(getattr(ticket, "attachments", ())),
        }
        return {**output, **{name: value for name, value in others.items() if value}}
