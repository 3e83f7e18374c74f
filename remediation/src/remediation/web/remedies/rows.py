"""The list of remedies, and that of the devices of one."""

from __future__ import annotations


from ...domain.snapshot import SEVERITIES
from ...service_day import service_day
from ...store import models
from ...store.counts import ACCEPTED
from ...store.enriched import ENRICHED, EPSS
from ...store.listing import Column, Filter, Listing
from ..listing.choices import YES_NO, named

# The worst that is known of its vulnerabilities.
_OF = f"""(
    SELECT {{}} FROM {ENRICHED}
    WHERE vulnerability.source_id = remedy.source_id AND vulnerability.vulnerability = ANY(remedy.vulnerabilities)
)"""  # nosec B608: constants
_KEV = _OF.format("coalesce(bool_or(kev), false)")
# The worst first: any critical one before all high ones, and so on.
_WORST = "(remedy.critical::float8 * 1e12 + remedy.high::float8 * 1e8 + remedy.medium::float8 * 1e4 + remedy.low)"
_TITLE = """coalesce(
    (SELECT name FROM store_solution AS known
     WHERE known.source_id = remedy.source_id AND known.solution = remedy.remedy),
    (SELECT title FROM store_vulnerability AS known
     WHERE known.source_id = remedy.source_id AND known.vulnerability = remedy.remedy),
    remedy.remedy
)"""
_RISK = "coalesce(remedy.risk, -1.0)"
# Shown without being chosen: by these the worst are told.
_SHOWN = SEVERITIES[:2]


def remedies() -> Listing:
    """The list: those that remove most risk first or, where no source tells of risks, the worst findings."""
    tells_risk = models.Remedy.objects.filter(risk__gt=0).exists()
    return Listing(
        name="remedies",
        rows="""store_remedy AS remedy
            JOIN (SELECT source_id, sum(risk) AS risk FROM store_remedy GROUP BY source_id) AS total USING (source_id)
            WHERE true""",
        key="remedy.id",
        columns=(
            Column("title", "Solution", _TITLE),
            Column("risk", "Risk removed", "round(remedy.risk)::bigint", "number", _RISK),
            Column(
                "share", "Share of its source's risk, %", "round(100 * remedy.risk / nullif(total.risk, 0))", "number"
            ),
            Column("findings", "Findings", "remedy.findings", "number"),
            *(Column(name, name.capitalize(), f"remedy.{name}", "number", shown=name in _SHOWN) for name in SEVERITIES),
            Column("worst", "Findings, worst first", "remedy.findings", "number", _WORST, shown=not tells_risk),
            Column("assets", "Devices", "remedy.assets", "number", "remedy.assets", "int"),
            Column("owners", "Owners", "remedy.owners", "texts"),
            Column("epss", "Highest EPSS", _OF.format(f"max({EPSS})"), "number"),
            Column("kev", "In KEV", _KEV, "flag"),
            Column("source", "Source", "(SELECT name FROM store_source WHERE id = remedy.source_id)", shown=False),
        ),
        filters=(
            Filter("words", "Words of the solution", f"strpos(lower({_TITLE}), lower(%(words)s)) > 0"),
            Filter("owner", "Owner", "remedy.owners @> ARRAY[%(owner)s]"),
            Filter("kev", "In KEV", f"{_KEV} = (%(kev)s = 'yes')", "choice", YES_NO),
            Filter("source", "Source", "remedy.source_id = %(source)s::bigint", "choice", named(models.Source)),
        ),
        order="-risk" if tells_risk else "-worst",
    )


def devices_of(row: models.Remedy) -> Listing:
    """The assets on which it removes something that counts."""
    return Listing(
        name="devices of a remedy",
        rows=f"""(
            SELECT asset, count(*) AS findings, min(first_found) AS oldest FROM store_finding AS finding
            WHERE source_id = %(source)s AND vulnerability = ANY(%(vulnerabilities)s)
              AND coalesce(solution, vulnerability) = %(remedy)s
              AND state IN ('open', 'unconfirmed') AND NOT {ACCEPTED}
            GROUP BY asset
        ) AS found JOIN store_asset AS asset USING (asset) WHERE asset.source_id = %(source)s""",  # nosec B608
        key="asset.id",
        columns=(
            Column("name", "Device", "coalesce(asset.host_name, asset.ip, asset.asset)"),
            Column("device", "Number of the device", "asset.device_id", shown=False),
            Column("ip", "Address", "asset.ip"),
            Column("findings", "Findings", "found.findings", "number", "found.findings", "int"),
            Column("oldest", "First found", "found.oldest", "day"),
            Column("owner", "Owner", "asset.owner_tags", "texts"),
        ),
        filters=(Filter("owner", "Owner", "asset.owner_tags @> ARRAY[%(owner)s]"),),
        order="-findings",
        given={
            "source": row.source_id,
            "remedy": row.remedy,
            "vulnerabilities": row.vulnerabilities,
            "today": service_day(),
        },
    )
