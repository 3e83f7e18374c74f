"""The log of alerts: each message, to whom it went, and what became of it."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import named
from ..listing.listed import listed
from ..roles import VIEWER, needs

STATES = (("planned", "waits"), ("about", "is being sent"), ("done", "sent"), ("failed", "given up"))
_STATE = " ".join(f"WHEN '{state}' THEN '{word}'" for state, word in STATES)
SENT = Listing(
    name="alerts",
    rows="store_alertmessage AS message JOIN store_alertrule AS rule ON rule.id = message.rule_id WHERE true",
    key="message.id",
    columns=(
        Column("made", "Made", "message.made", "time", "message.id", "bigint"),
        Column("rule", "Rule", "rule.name"),
        Column(
            "to",
            "To",
            "CASE message.recipient WHEN 'webhook' THEN 'webhook' WHEN 'halo' THEN 'HaloITSM ticket'"
            " ELSE substr(message.recipient, 6) END",
        ),
        Column("count", "Alerts", "message.count", "number"),
        Column("state", "State", f"CASE message.state {_STATE} END"),
        Column("at", "Last tried", "message.at", "time"),
        Column("tries", "Tries", "message.tries", "number"),
        Column("next", "Next try", "CASE WHEN message.state = 'planned' THEN message.due END", "time", shown=False),
        Column("said", "What became of it", "message.said"),
    ),
    filters=(
        Filter("rule", "Rule", "message.rule_id = %(rule)s::bigint", "choice", named(models.AlertRule)),
        Filter("state", "State", "message.state = %(state)s", "choice", STATES),
        Filter("to", "To", "strpos(lower(message.recipient), lower(%(to)s)) > 0"),
    ),
    order="-made",
)


@needs(VIEWER)
@require_safe
def sent(request: HttpRequest) -> HttpResponseBase:
    """The list, the newest first."""
    return listed(request, SENT, "alerts/sent.html", cell="audit/cell.html", empty="No message was made yet.")
