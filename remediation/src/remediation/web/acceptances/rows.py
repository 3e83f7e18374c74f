"""The list of accepted risks: those that hold first, in the order in which they end, then those that ended last."""

from __future__ import annotations

from datetime import date, timedelta

from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import named

# So long before its end an acceptance is marked.
SOON = timedelta(days=14)
STATES = ("ends soon", "holds", "withdrawn", "ended")
_STATE = """CASE WHEN accepted.withdrawn IS NOT NULL THEN 'withdrawn' WHEN accepted.expires < %(today)s THEN 'ended'
    WHEN accepted.expires < %(soon)s THEN 'ends soon' ELSE 'holds' END"""
_DAYS = "(accepted.expires - date '2000-01-01')"
# Higher than the days of any date that a person gives.
_PLACE = f"CASE WHEN {_STATE} IN ('holds', 'ends soon') THEN {_DAYS} ELSE 20000000 - {_DAYS} END"
_WHAT = """concat_ws(', ',
    'vulnerability ' || coalesce(known.title, accepted.vulnerability),
    'solution ' || coalesce(solution.name, accepted.solution),
    'device ' || coalesce(asset.host_name, asset.ip, accepted.asset))"""


def acceptances(today: date) -> Listing:
    """The list, as it is on a day."""
    return Listing(
        name="acceptances",
        rows="""store_riskacceptance AS accepted
            JOIN store_source AS source ON source.id = accepted.source_id
            LEFT JOIN store_asset AS asset
                ON asset.source_id = accepted.source_id AND asset.asset = accepted.asset
            LEFT JOIN store_vulnerability AS known
                ON known.source_id = accepted.source_id AND known.vulnerability = accepted.vulnerability
            LEFT JOIN store_solution AS solution
                ON solution.source_id = accepted.source_id AND solution.solution = accepted.solution""",
        key="accepted.id",
        columns=(
            Column("what", "What is accepted", _WHAT),
            Column("until", "Until and on", "accepted.expires", "day", _PLACE, "int"),
            Column("state", "State", _STATE),
            Column("reason", "Why", "accepted.reason"),
            Column("approver", "By", "accepted.approver"),
            Column("source", "Source", "source.name"),
            Column("since", "Accepted", "accepted.accepted", "time", "accepted.accepted", "timestamptz", shown=False),
        ),
        filters=(
            Filter("words", "What or why", f"strpos(lower({_WHAT} || ' ' || accepted.reason), lower(%(words)s)) > 0"),
            Filter("state", "State", f"{_STATE} = ANY(%(state)s)", "choices", [(name, name) for name in STATES]),
            Filter("approver", "By", "accepted.approver = %(approver)s"),
            Filter(
                "source",
                "Source",
                "accepted.source_id = %(source)s::bigint",
                "choice",
                named(models.Source),
            ),
        ),
        order="until",
        given={"today": today, "soon": today + SOON},
    )
