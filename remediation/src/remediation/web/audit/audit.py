"""The page of the audit: who did what, to what, and what was changed by it."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from ...store.listing import Column, Filter, Listing
from ..listing.listed import listed
from ..roles import APPROVER, needs

AUDIT = Listing(
    name="audit",
    rows="store_auditentry AS entry",
    key="entry.id",
    columns=(
        Column("at", "When", "entry.at", "time", "entry.id", "bigint"),
        Column("who", "Who", "entry.who"),
        Column("what", "What", "entry.what"),
        Column("of", "Of", 'entry."of"'),
        Column("detail", "What changed", "nullif(entry.detail, '{}')::text"),
    ),
    filters=(
        Filter("who", "Who", "entry.who = %(who)s"),
        Filter("what", "What", "strpos(lower(entry.what), lower(%(what)s)) > 0"),
        Filter("of", "Of", 'strpos(lower(entry."of"), lower(%(of)s)) > 0'),
        Filter("days", "In the last days", "entry.at >= now() - make_interval(secs => %(days)s * 86400)", "number"),
    ),
    order="-at",
)


@needs(APPROVER)
@require_safe
def audit(request: HttpRequest) -> HttpResponseBase:
    """The list, the newest first. Nothing in it can be changed: the database refuses that."""
    return listed(request, AUDIT, "audit/audit.html", cell="audit/cell.html", empty="Nobody has changed anything yet.")
