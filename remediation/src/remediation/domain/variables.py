"""What the variables of templates stand for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from . import template
from .project import Settings

Row = Mapping[str, Any]
Columns = Mapping[str, Sequence[Any]]
"""The cells of findings by the names in READ, in the same order in all; None is what is not known."""

# The columns of rows that variables are made of.
READ = (
    *("asset", "host_name", "ip", "os", "vulnerability", "title", "cves", "cvss", "risk", "kev", "epss", "vpr"),
    *("solution", "solution_name", "solution_fix", "solution_type", "solution_url", "solution_estimate"),
)


def columns_of(rows: Sequence[Row]) -> Columns:
    """The columns of rows."""
    return {name: [row.get(name) for row in rows] for name in READ}


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


def values(project: Project, findings: Columns, severity: str, due: str) -> dict[str, str]:
    """The variables' values. ``findings`` are those that the text is about, ``due`` its ticket's date in words."""
    first = {name: cells[0] if cells else None for name, cells in findings.items()}
    asset, host, ip = (findings[name] for name in ("asset", "host_name", "ip"))
    hosts = sorted({one or other or last for one, other, last in zip(host, ip, asset)})
    cves = {cve for told in findings["cves"] for cve in told or []}
    scores = [score or 0.0 for score in findings["cvss"]]
    worst = max(scores, default=0.0)
    top = findings["cves"][scores.index(worst)] if scores else None
    titles = {title or key for title, key in zip(findings["title"], findings["vulnerability"])}
    assets = len(set(asset))
    risk = f"{sum(filter(None, findings['risk'])):.0f}"
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
        "SOL_COUNT": str(len(set(findings["solution"]))),
        "SOL_RISK_SCORE": risk,
        "SOL_RISK_REDUCTION": risk,
        "RISK_SCORE": risk,
        "DEVICE": hosts[0] if assets == 1 else "",
        "ASSET_COUNT": str(assets),
        "ASSET_NAME_LIST": template.listed(hosts),
        "ASSET_IP_LIST": template.listed(sorted(set(filter(None, ip)))),
        "ASSET_OS_LIST": template.listed(sorted(set(filter(None, findings["os"])))),
        "VULN_COUNT": str(len(asset)),
        "VULN_LIST": template.listed(sorted(titles)),
        "CVE_LIST": template.listed(sorted(cves)),
        "TOP_CVE": min(top or [""]),
        "TOP_CVSS": f"{worst:.1f}" if worst else "",
        "TOP_VPR": _highest(findings["vpr"]),
        "TOP_EPSS": _highest(findings["epss"]),
        "KEV": "yes" if any(findings["kev"]) else "",
        "SEVERITY": severity,
        "DUE_DATE": due,
        "SCAN_DATE": project.scanned.date().isoformat() if project.scanned else "",
        "LINK": project.link,
    }


def _highest(cells: Sequence[Any]) -> str:
    """The highest value of a column, "" where it has none."""
    return str(max((cell for cell in cells if cell is not None), default=""))
