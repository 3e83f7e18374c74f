from typing import Any

from .schema import TicketCreatedInput, TicketCreatedOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.events.decide import EventPolicy, decide_created
from komand_haloitsm.util.insightconnect.inputs import given_id
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.trigger import EventTrigger


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
        policy = EventPolicy(decide=lambda seen, now, watermark, *_: decide_created(seen, now, watermark, **filters))
        self.watch(params, policy, lambda event, ticket: {Output.EVENT_ID: event.event_id, Output.TICKET: ticket})
