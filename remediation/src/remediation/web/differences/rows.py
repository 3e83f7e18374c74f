"""The list of what changed: a row for each finding. It is to be asked for in ``store.differences.differences``."""

from __future__ import annotations

from ...domain.difference import WORDS
from ...domain.snapshot import SEVERITIES
from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import named

_KINDS = " ".join(f"WHEN '{kind.value}' THEN '{word}'" for kind, word in WORDS.items())
_SOLUTION = """(SELECT coalesce(name, solution) FROM store_solution AS known
    WHERE known.source_id = changed.source_id AND known.solution = changed.{})"""
# Constants of the program's.
_MOVED = f"""CASE
    WHEN changed.kind <> 'moved' THEN NULL
    WHEN asset_before IS NOT NULL THEN 'from asset ' || (SELECT asset FROM store_asset WHERE id = asset_before)
    ELSE 'from ' || coalesce({_SOLUTION.format("solution_before")}, 'no solution')
END"""  # nosec B608
_ASSET = "coalesce(asset.host_name, asset.ip, asset.asset)"

_ROWS = """changed_finding AS changed
    JOIN store_vulnerability AS vulnerability ON vulnerability.id = changed.vulnerability_id
    JOIN store_asset AS asset ON asset.id = changed.asset_id WHERE changed.kind IS NOT NULL"""


def changed() -> Listing:
    """The list."""
    return Listing(
        name="differences",
        rows=_ROWS,
        key="changed.id",
        columns=(
            Column("title", "Vulnerability", "coalesce(vulnerability.title, vulnerability.vulnerability)"),
            Column("kind", "What", f"CASE changed.kind {_KINDS} END"),
            Column("severity", "Severity", "vulnerability.severity", "severity", "changed.rank", "int"),
            Column("cves", "CVEs", "vulnerability.cves", "texts"),
            Column("name", "Device", _ASSET, order=f'lower({_ASSET}) COLLATE "C"', order_type="text"),
            Column("owner", "Owner", "asset.owner_tags", "texts"),
            Column("solution", "Solution", _SOLUTION.format("solution")),
            Column("moved", "Moved", _MOVED),
            Column("source", "Source", "(SELECT name FROM store_source WHERE id = changed.source_id)", shown=False),
            Column("device", "Number of the device", "changed.device_id", shown=False),
            Column("vulnerability", "Number of the vulnerability", "changed.vulnerability_id", shown=False),
        ),
        filters=(
            Filter(
                "kind",
                "What",
                "changed.kind = ANY(%(kind)s)",
                "choices",
                [(kind.value, word) for kind, word in WORDS.items()],
            ),
            Filter(
                "severity",
                "Severity",
                "coalesce(vulnerability.severity, 'none') = ANY(%(severity)s)",
                "choices",
                [(name, name.capitalize()) for name in SEVERITIES],
            ),
            Filter("device", "Device", f"strpos(lower({_ASSET}), lower(%(device)s)) > 0 OR asset.ip = %(device)s"),
            Filter("owner", "Owner", "asset.owner_tags @> ARRAY[%(owner)s]"),
            Filter("source", "Source", "changed.source_id = %(source)s::bigint", "choice", named(models.Source)),
        ),
        order="-severity",
    )
