"""The list of tickets of all projects."""

from __future__ import annotations

from ...domain.status import ENDED, Status
from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import YES_NO, named

# Of a connection and a ticket: the name of Halo's status, its number where the name is not known.
HALO_STATUS = Column(
    "halo_status",
    "In HaloITSM",
    "coalesce(connection.settings->'halo_statuses'->>(ticket.halo_status_id::text), ticket.halo_status_id::text)",
)
_ENDED = ", ".join(f"'{status.value}'" for status in Status if status in ENDED)
# The tickets of what is looked up first, by their indexes. These compare as the database does by itself.
_TOLD_OF = """ticket.id IN (
    SELECT told.id FROM {of} JOIN store_project AS its ON its.source_id = {name}.source_id
    JOIN store_ticket AS told ON told.project_id = its.id AND told.{column} @> ARRAY[{key} COLLATE "default"]
    WHERE {where}
)"""
_DEVICE = _TOLD_OF.format(
    of="store_asset AS asset",
    name="asset",
    column="assets",
    key="asset.asset",
    where="strpos(lower(asset.host_name), lower(%(device)s)) > 0 OR asset.ip = %(device)s OR asset.asset = %(device)s",
)
_CVE = _TOLD_OF.format(
    of="store_searchedvulnerability AS known",
    name="known",
    column="vulnerabilities",
    key="known.vulnerability",
    where="known.cves @> ARRAY[upper(%(cve)s)]",
)


def tickets() -> Listing:
    """The list."""
    return Listing(
        name="tickets",
        rows="store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id "
        "JOIN store_connection AS connection ON connection.id = project.connection_id WHERE ticket.halo_id IS NOT NULL",
        key="ticket.id",
        columns=(
            Column("title", "Title", "ticket.title"),
            Column("number", "Number", "ticket.halo_id", "text", "ticket.halo_id", "bigint"),
            Column("status", "Status", "nullif(ticket.status, '')"),
            HALO_STATUS,
            Column("project", "Project", "project.name", order='lower(project.name) COLLATE "C"', order_type="text"),
            Column("assigned", "Assigned", "ticket.assigned"),
            Column("due", "Due", "ticket.due", "day", "coalesce(ticket.due, 'infinity')", "date"),
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
            Column(
                "said",
                "Left alone",
                "coalesce('detached by ' || (ticket.note->>'detached'), 'paused by ' || (ticket.note->>'paused'))",
                shown=False,
            ),
            Column("slug", "Short name of the project", "project.slug", shown=False),
            Column("reference", "Reference", "ticket.reference", shown=False),
        ),
        filters=(
            Filter(
                "words",
                "Title or number",
                "strpos(lower(ticket.title), lower(%(words)s)) > 0 OR ticket.halo_id::text = %(words)s",
            ),
            Filter(
                "status",
                "Status",
                "ticket.status = ANY(%(status)s)",
                "choices",
                [(one.value, one.value) for one in Status],
            ),
            Filter(
                "project",
                "Project",
                "project.id = %(project)s::bigint",
                "choice",
                named(models.Project),
            ),
            Filter("number", "Number in HaloITSM", "ticket.halo_id = %(number)s", "number", more=True),
            Filter("reference", "Reference", "ticket.reference = %(reference)s", more=True),
            Filter("device", "Device", _DEVICE),
            Filter("cve", "CVE", _CVE),
            Filter("settled", "Settled", f"(ticket.status IN ({_ENDED})) = (%(settled)s = 'yes')", "choice", YES_NO),
            Filter(
                "missing",
                "Missing in HaloITSM",
                "(ticket.note ? 'missing') = (%(missing)s = 'yes')",
                "choice",
                YES_NO,
                True,
            ),
            Filter(
                "retyped",
                "Of another type in HaloITSM",
                "(ticket.note ? 'retyped') = (%(retyped)s = 'yes')",
                "choice",
                YES_NO,
                True,
            ),
            Filter(
                "said",
                "Left alone",
                "ticket.note ? %(said)s",
                "choice",
                (("paused", "paused"), ("detached", "detached")),
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
