from typing import Any

from .schema import TicketStatusChangedInput, TicketStatusChangedOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.events.decide import EventPolicy, decide_status_changed, has_moved
from komand_haloitsm.util.insightconnect.inputs import given_flag, given_id
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.trigger import EventTrigger


class TicketStatusChanged(EventTrigger):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="ticket_status_changed",
            description=Component.DESCRIPTION,
            input=checked_once(TicketStatusChangedInput()),
            output=checked_once(TicketStatusChangedOutput()),
        )

    def run(self, params: dict[str, Any] = {}) -> None:
        new_status_id = given_id(params, Input.NEW_STATUS_ID)
        policy = EventPolicy(
            decide=lambda seen, now, watermark, actions, origin: decide_status_changed(
                seen, now, watermark, actions, origin, new_status_id=new_status_id
            ),
            needs_actions=lambda seen, now, watermark, _: has_moved(seen, now, watermark),
            ticket_id=given_id(params, Input.TICKET_ID),
            needs_every_action=True,
            skips_own_changes=given_flag(params, Input.SKIP_OWN_CHANGES, default=True),
        )
        self.watch(
            params,
            policy,
            lambda event, ticket: {Output.EVENT_ID: event.event_id, Output.TICKET: ticket, **event.outputs},
        )
