from typing import Any

from .schema import TicketUpdatedInput, TicketUpdatedOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.events.decide import decide_updated, has_moved
from komand_haloitsm.util.events.loop import Rule
from komand_haloitsm.util.events.trigger import EventTrigger
from komand_haloitsm.util.inputs import given_flag, given_id
from komand_haloitsm.util.schemas import checked_once


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
        rule = Rule(
            decide=lambda seen, now, baseline, actions: decide_updated(
                seen, now, baseline, actions, status_changed=status_changed
            ),
            # Without a last look only the ticket's actions tell whether its status was another.
            needs_actions=lambda seen, now, baseline: status_changed and not seen and has_moved(seen, now, baseline),
            ticket_id=given_id(params, Input.TICKET_ID),
        )
        self.watch(
            params,
            rule,
            lambda event, ticket: {Output.EVENT_ID: event.event_id, Output.TICKET: ticket, **event.outputs},
        )
