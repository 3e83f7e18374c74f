from typing import Any

from .schema import TicketCreatedInput, TicketCreatedOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.events.decide import decide_created
from komand_haloitsm.util.events.loop import Rule
from komand_haloitsm.util.events.trigger import EventTrigger
from komand_haloitsm.util.inputs import given_id
from komand_haloitsm.util.schemas import checked_once


class TicketCreated(EventTrigger):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="ticket_created",
            description=Component.DESCRIPTION,
            input=checked_once(TicketCreatedInput()),
            output=checked_once(TicketCreatedOutput()),
        )

    def run(self, params: dict[str, Any] = {}) -> None:
        filters = {
            "tickettype_id": given_id(params, Input.TICKETTYPE_ID),
            "priority_id": given_id(params, Input.PRIORITY_ID),
        }
        rule = Rule(decide=lambda seen, now, baseline, _: decide_created(seen, now, baseline, **filters))
        self.watch(params, rule, lambda event, ticket: {Output.EVENT_ID: event.event_id, Output.TICKET: ticket})
