from typing import Any

from .schema import TicketUpdatedInput, TicketUpdatedOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.events.decide import EventPolicy, decide_updated, has_moved
from komand_haloitsm.util.insightconnect.inputs import given_flag, given_id
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.trigger import EventTrigger


class TicketUpdated(EventTrigger):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="ticket_updated",
            description=Component.DESCRIPTION,
            input=checked_once(TicketUpdatedInput()),
            output=checked_once(TicketUpdatedOutput()),
        )

    def run(self, params: dict[str, Any] = {}) -> None:
        status_changed = given_flag(params, Input.STATUS_CHANGED, default=False)
        policy = EventPolicy(
            decide=lambda seen, now, watermark, actions, origin: decide_updated(
                seen, now, watermark, actions, origin, status_changed=status_changed
            ),
            # A ticket that was never seen has no last status: then only
            # the ticket's actions tell whether its status was another.
            needs_actions=lambda seen, now, watermark, origin: (
                has_moved(seen, now, watermark) and (origin.own_agent is not None or (status_changed and seen is None))
            ),
            ticket_id=given_id(params, Input.TICKET_ID),
            skips_own_changes=given_flag(params, Input.SKIP_OWN_CHANGES, default=True),
        )
        self.watch(
            params,
            policy,
            lambda event, ticket: {Output.EVENT_ID: event.event_id, Output.TICKET: ticket, **event.outputs},
        )
