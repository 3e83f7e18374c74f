"""What the variables of templates stand for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from . import template
from .project import Settings

Row = Mapping[str, Any]

# The columns of rows that variables are made of.
READ = frozenset(
    "asset host_name ip os vulnerability title cves cvss risk kev epss vpr "
    "solution solution_name solution_fix solution_type solution_url solution_estimate".split()
)


class Project(Protocol):
    """What texts tell of a project. ``scanned`` is when its source was read, ``link`` leads to its page."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def slug(self) -> str:
        """Its name in references and links."""

    @property
    def settings(self) -> Settings:
        """Its settings."""

    @property
    def scanned(self) -> datetime | None:
        """When its source was read."""

    @property
    def link(self) -> str:
        """The address of its page."""


def values(project: Project, rows: Sequence[Row], severity: str, due: str) -> dict[str, str]:
    """The variables' values. ``rows`` are the findings that the text is about, ``due`` its ticket's date in words."""
    first: Row = rows[0] if rows else {}
    hosts = sorted({row.get("host_name") or row.get("ip") or row["asset"] for row in rows})
    cves = sorted({cve for row in rows for cve in row.get("cves") or []})
    worst = max((row.get("cvss") or 0.0 for row in rows), default=0.0)
    top = next((row for row in rows if (row.get("cvss") or 0.0) == worst), first)
    assets = {row["asset"] for row in rows}
    risk = f"{sum(row.get('risk') or 0.0 for row in rows):.0f}"
    return {
        "PROJ_NAME": project.name,
        "PROJ_ID": project.slug,
        "PROJ_OWNER": project.settings.owner or "nobody",
        "PROJ_PRIORITY": project.settings.priority,
        "PROJ_DUE_DATE": project.settings.due.isoformat() if project.settings.due else "no date",
        "SOL_NAME": str(first.get("solution_name") or first.get("title") or first.get("solution") or ""),
        "SOL_ID": str(first.get("solution") or ""),
        "SOL_FIX": str(first.get("solution_fix") or ""),
        "SOL_TYPE": str(first.get("solution_type") or ""),
        "SOL_URL": str(first.get("solution_url") or ""),
        "SOL_ESTIMATE": str(first.get("solution_estimate") or ""),
        "SOL_COUNT": str(len({row["solution"] for row in rows})),
        "SOL_RISK_SCORE": risk,
        "SOL_RISK_REDUCTION": risk,
        "RISK_SCORE": risk,
        "DEVICE": hosts[0] if len(assets) == 1 else "",
        "ASSET_COUNT": str(len(assets)),
        "ASSET_NAME_LIST": template.listed(hosts),
        "ASSET_IP_LIST": template.listed(sorted({row["ip"] for row in rows if row.get("ip")})),
        "ASSET_OS_LIST": template.listed(sorted({row["os"] for row in rows if row.get("os")})),
        "VULN_COUNT": str(len(rows)),
        "VULN_LIST": template.listed(sorted({row.get("title") or row["vulnerability"] for row in rows})),
        "CVE_LIST": template.listed(cves),
        "TOP_CVE": (sorted(top.get("cves") or []) or [""])[0],
        "TOP_CVSS": f"{worst:.1f}" if worst else "",
        "TOP_VPR": _highest(rows, "vpr"),
        "TOP_EPSS": _highest(rows, "epss"),
        "KEV": "yes" if any(row.get("kev") for row in rows) else "",
        "SEVERITY": severity,
        "DUE_DATE": due,
        "SCAN_DATE": project.scanned.date().isoformat() if project.scanned else "",
        "LINK": project.link,
    }


def _highest(rows: Sequence[Row], column: str) -> str:
    """The highest value of a column, "" where no row has it."""
    return str(max((row[column] for row in rows if row.get(column) is not None), default=""))
