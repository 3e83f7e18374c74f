"""The list of vulnerabilities: one row for what one source says of one vulnerability, as long as a device has it."""

from __future__ import annotations

from collections.abc import Mapping


from ...domain.project import DUE_DAYS
from ...domain.snapshot import SEVERITIES
from ...service_day import service_day
from ...store import models
from ...store.addressed import ADDRESSED_VULNERABILITIES
from ...store.counts import ACCEPTED
from ...store.enriched import ENRICHED, EPSS
from ...store.listing import Column, Filter, Listing
from ..listing.choices import YES_NO, named

# By its own row, one after the other: few have a CVE, and more are expected of the index, for which all would be read.
_CVE = """vulnerability.id = ANY(ARRAY(
    SELECT (
        SELECT found.id FROM store_vulnerability AS found
        WHERE found.source_id = searched.source_id AND found.vulnerability = searched.vulnerability
    ) FROM store_searchedvulnerability AS searched WHERE searched.cves @> ARRAY[upper(%(cve)s)]
))"""
# As the index on it has it.
_WORDS = """(vulnerability.source_id, vulnerability.vulnerability) IN (
    SELECT searched.source_id, searched.vulnerability FROM store_searchedvulnerability AS searched
    WHERE to_tsvector('simple'::regconfig, COALESCE(COALESCE(searched.title, searched.vulnerability), ''))
        @@ to_tsquery('simple', %(words)s)
)"""
# Whether a ticket tells of it. All are looked up at once: one by one takes minutes where most have none.
_TOLD = """((vulnerability.source_id, vulnerability.vulnerability) IN (
    SELECT project.source_id, unnest(ticket.vulnerabilities)
    FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    WHERE ticket.halo_id IS NOT NULL AND project.source_id IS NOT NULL
))"""
# Whether somebody has called it done somewhere, and no scan has judged that.
_ADDRESSED = f"((vulnerability.source_id, vulnerability.vulnerability) IN ({ADDRESSED_VULNERABILITIES}))"
# On which device a finding is, by how its name begins or by its whole address.
_ON_DEVICE = r"""vulnerability.id IN (
    SELECT found.id FROM store_asset AS asset
    JOIN store_finding AS finding ON finding.source_id = asset.source_id AND finding.asset = asset.asset
        AND finding.state IN ('open', 'unconfirmed')
    JOIN store_vulnerability AS found ON found.source_id = finding.source_id
        AND found.vulnerability = finding.vulnerability
    WHERE asset.host_name ILIKE replace(replace(replace(%(device)s, '\', '\\'), '%%', '\%%'), '_', '\_') || '%%' OR asset.ip = %(device)s
)"""
# What is open on one device, by its number, and not accepted there.
_OF_DEVICE = f"""vulnerability.id IN (
    SELECT found.id FROM store_asset AS asset
    JOIN store_finding AS finding ON finding.source_id = asset.source_id AND finding.asset = asset.asset
        AND finding.state IN ('open', 'unconfirmed')
    JOIN store_vulnerability AS found ON found.source_id = finding.source_id
        AND found.vulnerability = finding.vulnerability
    WHERE asset.device_id = least(greatest(%(device_number)s, 0), 1e15)::bigint AND NOT {ACCEPTED}
)"""  # nosec B608: a constant
# Compared as the index on tickets is.
_TICKETS = """(
    SELECT count(*) FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    WHERE project.source_id = vulnerability.source_id AND ticket.halo_id IS NOT NULL
      AND ticket.vulnerabilities @> ARRAY[vulnerability.vulnerability COLLATE "default"]
)"""


# By the number that the index has.
_RANKS = " ".join(f"WHEN '{name}' THEN {len(SEVERITIES) - 1 - place}" for place, name in enumerate(SEVERITIES))
# Whether it has one of the severities that are asked for.
GRADED = (
    f"rank = ANY(ARRAY(SELECT CASE named {_RANKS} END"  # nosec B608: constants
    " FROM unnest(%(severity)s::text[]) AS named))"
)
# Of which date a feed is.
_DAY = "(SELECT day FROM store_feed WHERE name = '{}')"
# What CISA sets for the worst of its CVEs, with the date of the catalogue.
_KEV = f"""CASE WHEN kev THEN 'due ' || kev_due || CASE WHEN kev_ransomware THEN ', ransomware known' ELSE '' END
    || ' (CISA, ' || {_DAY.format("kev")} || ')' END"""
_EPSS_BY = f"""CASE WHEN epss IS NOT NULL THEN 'the source'
    WHEN feed_epss IS NOT NULL THEN 'FIRST, ' || {_DAY.format("epss")} END"""

_ENRICHMENT = "enrichment.vulnerability_id"
# Looked up first where they are wanted: they are few, and the list would be gone through for them from its begin.
_IN_KEV = """(
    %(kev)s = 'yes' AND vulnerability.id = ANY(ARRAY(SELECT vulnerability_id FROM store_enrichment WHERE kev))
    OR %(kev)s = 'no' AND NOT kev
)"""


def score(name: str, title: str, *, shown: bool = False) -> Column:
    """A column with a score that a source may not tell."""
    return Column(name, title, name, "number", f"coalesce({name}, -1.0)", shown=shown)


def vulnerabilities(days: Mapping[str, int], *, is_graded: bool = False) -> Listing:
    """The list. ``days``: after how many days a finding is due, by severity. ``is_graded``: the grade is shown without
    being chosen."""
    cases = " ".join(f"WHEN '{name}' THEN %(due_{name})s" for name in SEVERITIES)
    due = f"oldest + make_interval(days => CASE severity {cases} ELSE %(due_none)s END)"
    return Listing(
        name="vulnerabilities",
        rows=f"{ENRICHED} WHERE alive > 0",
        key="vulnerability.id",
        columns=(
            Column("title", "Vulnerability", "coalesce(title, vulnerability)"),
            Column("severity", "Severity", "severity", "severity", "rank", "int"),
            Column("graded", "Graded", "graded", "severity", "graded_rank", "int", is_graded),
            Column("cves", "CVEs", "cves", "texts"),
            score("cvss", "CVSS", shown=True),
            score("vpr", "VPR"),
            Column(
                "kev",
                "KEV",
                _KEV,
                order="coalesce(kev_due, '0001-01-01'::date)",
                order_type="date",
                order_key=_ENRICHMENT,
            ),
            Column("kev_due", "KEV due", "kev_due", "day", shown=False),
            Column("epss", "EPSS", EPSS, "number", f"coalesce({EPSS}, -1.0)", order_key=_ENRICHMENT),
            Column("epss_by", "EPSS by", _EPSS_BY),
            score("risk", "Risk"),
            Column("exploits", "Exploits", "exploits", "number", shown=False),
            Column("alive", "Devices", "alive", "number", "alive", "int"),
            Column("oldest", "First found", "oldest", "day", "oldest", "timestamptz"),
            Column("newest", "Last new device", "newest", "day", "newest", "timestamptz", False),
            Column("due", "Due", due, "day"),
            Column("tickets", "Tickets", _TICKETS, "number"),
            Column(
                "source",
                "Source",
                "(SELECT name FROM store_source WHERE store_source.id = vulnerability.source_id)",
                shown=False,
            ),
        ),
        filters=(
            Filter("cve", "CVE", _CVE),
            Filter("words", "Words of the title", _WORDS, "words"),
            Filter("device", "On device (name begins with)", _ON_DEVICE),
            Filter("device_number", "Number of the device", _OF_DEVICE, "number", more=True),
            Filter(
                "severity",
                "Severity",
                GRADED,
                "choices",
                [(name, name.capitalize()) for name in SEVERITIES],
            ),
            Filter(
                "graded",
                "Graded",
                GRADED.replace("rank =", "graded_rank =").replace("%(severity)s", "%(graded)s"),
                "choices",
                [(name, name.capitalize()) for name in SEVERITIES],
                True,
            ),
            Filter("least_cvss", "CVSS from", "cvss >= %(least_cvss)s", "number", more=True),
            Filter("least_vpr", "VPR from", "vpr >= %(least_vpr)s", "number", more=True),
            Filter("least_epss", "EPSS from", f"{EPSS} >= %(least_epss)s", "number", more=True),
            Filter("kev", "In KEV", _IN_KEV, "choice", YES_NO),
            Filter("exploit", "Exploit known", "(exploits > 0) = (%(exploit)s = 'yes')", "choice", YES_NO, True),
            Filter("new", "New in the last days", "newest >= now() - make_interval(secs => %(new)s * 86400)", "number"),
            Filter("overdue", "Overdue", f"({due} < now()) = (%(overdue)s = 'yes')", "choice", YES_NO),
            Filter("ticket", "With a ticket", f"{_TOLD} = (%(ticket)s = 'yes')", "choice", YES_NO),
            Filter("addressed", "Addressed", f"{_ADDRESSED} = (%(addressed)s = 'yes')", "choice", YES_NO),
            Filter("chosen", "Chosen", "vulnerability.id = ANY(%(chosen)s)", "rows"),
            Filter("source", "Source", "source_id = %(source)s::bigint", "choice", named(models.Source)),
        ),
        order="-severity",
        given={**{f"due_{name}": days[name] for name in SEVERITIES}, "today": service_day()},
    )


# The service's setting.
DUE = "due_days"


def due_days() -> dict[str, int]:
    """After how many days a finding is due that is in no project: what an administrator has set, else as usual."""
    row = models.Setting.objects.filter(name=DUE).first()
    return {**DUE_DAYS, **(row.value if row else {})}
