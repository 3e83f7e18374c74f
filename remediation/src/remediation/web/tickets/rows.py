"""The list of tickets of all projects."""

from __future__ import annotations

from ...domain.status import Status
from ...store.listing import Column, Filter, Listing

_YES_NO = (("yes", "yes"), ("no", "no"))

TICKETS = Listing(
    name="tickets",
    rows="store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id "
    "WHERE ticket.halo_id IS NOT NULL",
    key="ticket.id",
    columns=(
        Column("number", "Number", "ticket.halo_id", "text", "ticket.halo_id", "bigint"),
        Column("title", "Title", "ticket.title"),
        Column("status", "Status", "nullif(ticket.status, '')"),
        Column("project", "Project", "project.name", order='lower(project.name) COLLATE "C"', order_type="text"),
        Column("assigned", "Assigned", "ticket.assigned", shown=False),
        Column("due", "Due", "ticket.note->>'due'", shown=False),
        Column("devices", "Assets", "cardinality(ticket.assets)", "number", "cardinality(ticket.assets)", "int"),
        Column(
            "changed",
            "Last change",
            "ticket.halo_changed",
            "time",
            "coalesce(ticket.halo_changed, '-infinity')",
            "timestamptz",
        ),
        Column("created", "Made", "ticket.created", "time", "ticket.created", "timestamptz", shown=False),
        Column("slug", "Short name of the project", "project.slug", shown=False),
    ),
    filters=(
        Filter(
            "words",
            "Title or number",
            "strpos(lower(ticket.title), lower(%(words)s)) > 0 OR ticket.halo_id::text = %(words)s",
        ),
        Filter(
            "status", "Status", "ticket.status = ANY(%(status)s)", "choices", [(one.value, one.value) for one in Status]
        ),
        Filter("project", "Project", "strpos(lower(project.name), lower(%(project)s)) > 0"),
        Filter(
            "missing",
            "Missing in HaloITSM",
            "(ticket.note ? 'missing') = (%(missing)s = 'yes')",
            "choice",
            _YES_NO,
            True,
        ),
        Filter(
            "kind",
            "Kind",
            "ticket.kind = %(kind)s",
            "choice",
            (("parent", "of a project"), ("child", "of findings")),
            True,
        ),
    ),
    order="-number",
)
