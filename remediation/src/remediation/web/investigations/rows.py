"""The list of investigations that are known, with what stands for each in HaloITSM."""

from __future__ import annotations

from ...domain.investigation import State
from ...domain.investigation_settings import PRIORITIES
from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import YES_NO, named
from ..tickets.rows import HALO_STATUS

_RANKS = " ".join(f"WHEN '{word}' THEN {len(PRIORITIES) - place}" for place, word in enumerate(PRIORITIES))


def investigations() -> Listing:
    """The list."""
    return Listing(
        name="investigations",
        rows="store_investigation AS investigation "
        "JOIN store_investigationsource AS source ON source.id = investigation.source_id "
        "LEFT JOIN store_ticket AS ticket ON ticket.id = investigation.ticket_id "
        "LEFT JOIN store_project AS project ON project.id = source.project_id "
        "LEFT JOIN store_connection AS connection ON connection.id = project.connection_id WHERE true",
        key="investigation.id",
        columns=(
            Column("title", "Title", "investigation.title"),
            Column("state", "Status", "investigation.state"),
            Column(
                "priority",
                "Priority",
                "investigation.priority",
                order=f"CASE investigation.priority {_RANKS} ELSE 0 END",
                order_type="int",
            ),
            Column("assignee", "Assigned", "investigation.assignee"),
            Column("number", "Ticket", "ticket.halo_id", "text", "coalesce(ticket.halo_id, -1)", "bigint"),
            HALO_STATUS,
            Column(
                "agreed",
                "In step",
                "investigation.agreed_at",
                "time",
                "coalesce(investigation.agreed_at, '-infinity')",
                "timestamptz",
            ),
            Column("created", "Opened", "investigation.created", "time", "investigation.created", "timestamptz"),
            Column("seen", "Read", "investigation.seen", "time", "investigation.seen", "timestamptz", shown=False),
            Column("source", "Organisation", "source.name", shown=False),
            Column("tags", "Tags", "investigation.tags", "texts", shown=False),
            Column("ticket", "Number of its page", "ticket.id", shown=False),
            Column("asked_by", "Asked for by", "investigation.asked_by", shown=False),
        ),
        filters=(
            Filter(
                "words",
                "Title or RRN",
                "strpos(lower(investigation.title), lower(%(words)s)) > 0 OR investigation.rrn = %(words)s",
            ),
            Filter(
                "state",
                "Status",
                "investigation.state = ANY(%(state)s)",
                "choices",
                [(one.value, one.value.capitalize()) for one in State],
            ),
            Filter(
                "priority",
                "Priority",
                "investigation.priority = ANY(%(priority)s)",
                "choices",
                [(one, one.capitalize()) for one in PRIORITIES],
            ),
            Filter(
                "ticket",
                "Has a ticket",
                "(ticket.halo_id IS NOT NULL) = (%(ticket)s = 'yes')",
                "choice",
                YES_NO,
            ),
            Filter(
                "source",
                "Organisation",
                "source.id = %(source)s::bigint",
                "choice",
                named(models.InvestigationSource),
                more=True,
            ),
            Filter("tag", "Tag", "%(tag)s = ANY(investigation.tags)", more=True),
        ),
        order="-created",
    )
