"""Texts of tickets and comments out of templates. Pure; a template cannot execute anything."""

from __future__ import annotations

import difflib
import re
from string import Template
from typing import Mapping

VARIABLES = frozenset(
    "PROJ_NAME PROJ_ID PROJ_OWNER PROJ_PRIORITY PROJ_DUE_DATE SOL_NAME SOL_ID SOL_FIX SOL_RISK_SCORE SOL_TYPE "
    "ASSET_COUNT ASSET_NAME_LIST ASSET_IP_LIST ASSET_OS_LIST VULN_COUNT TOP_CVE TOP_CVSS VULN_LIST RISK_SCORE "
    "SOL_COUNT SOL_ESTIMATE SOL_URL SOL_RISK_REDUCTION CVE_LIST TOP_VPR TOP_EPSS KEV DUE_DATE DEVICE SEVERITY "
    "SCAN_DATE LINK".split()
)
LONGEST_SUMMARY = 255
LONGEST_LIST = 20

PARENT_SUMMARY = "$PROJ_NAME: $SOL_COUNT solutions on $ASSET_COUNT assets"
PARENT_DETAILS = (
    "Remediation project $PROJ_NAME, owned by $PROJ_OWNER, due $PROJ_DUE_DATE.\n\n$VULN_COUNT open findings."
)
CHILD_SUMMARY = "$SOL_NAME ($ASSET_COUNT assets, $SEVERITY)"
CHILD_DETAILS = (
    "$SOL_NAME\n\n$SOL_FIX\n\nSeverity: $SEVERITY. Risk: $RISK_SCORE. Due: $DUE_DATE.\n\n"
    "Assets ($ASSET_COUNT): $ASSET_NAME_LIST\n\nVulnerabilities ($VULN_COUNT): $VULN_LIST\n\nCVEs: $CVE_LIST"
)
# What has happened, in words: all that a comment says unless its template says more.
NEWS = frozenset({"NEWS"})
COMMENT = "$NEWS"

# Names in square brackets, as in [hostname], with the variables that they stand for. In capitals they are the same.
# Each variable has its own name in small letters as well: ``named``.
ALIASES: Mapping[str, str] = {
    "host": "ASSET_NAME_LIST",
    "hostname": "ASSET_NAME_LIST",
    "hostnames": "ASSET_NAME_LIST",
    "host_name": "ASSET_NAME_LIST",
    "hostname_list": "ASSET_NAME_LIST",
    "device_name": "ASSET_NAME_LIST",
    "asset_name": "ASSET_NAME_LIST",
    "ip": "ASSET_IP_LIST",
    "ip_address": "ASSET_IP_LIST",
    "ip_addresses": "ASSET_IP_LIST",
    "ip_list": "ASSET_IP_LIST",
    "os": "ASSET_OS_LIST",
    "operating_system": "ASSET_OS_LIST",
    "device_count": "ASSET_COUNT",
    "cve": "TOP_CVE",
    "cve_id": "TOP_CVE",
    "cves": "CVE_LIST",
    "cve_ids": "CVE_LIST",
    "vpr": "TOP_VPR",
    "vpr_score": "TOP_VPR",
    "cvss": "TOP_CVSS",
    "cvss_score": "TOP_CVSS",
    "epss": "TOP_EPSS",
    "epss_score": "TOP_EPSS",
    "known_exploited": "KEV",
    "risk": "RISK_SCORE",
    "due": "DUE_DATE",
    "vulnerability": "VULN_LIST",
    "vulnerabilities": "VULN_LIST",
    "vulnerability_name": "VULN_LIST",
    "vulnerability_title": "VULN_LIST",
    "vulnerability_list": "VULN_LIST",
    "vulnerability_count": "VULN_COUNT",
    "finding_count": "VULN_COUNT",
    "solution": "SOL_NAME",
    "solution_name": "SOL_NAME",
    "solution_id": "SOL_ID",
    "solution_count": "SOL_COUNT",
    "solution_url": "SOL_URL",
    "remediation": "SOL_FIX",
    "remediation_steps": "SOL_FIX",
    "estimate": "SOL_ESTIMATE",
    "estimated_time": "SOL_ESTIMATE",
    "project": "PROJ_NAME",
    "project_name": "PROJ_NAME",
    "owner": "PROJ_OWNER",
}
# One letter is left to lists with [x] in them.
_BRACKETED = re.compile(r"\[([A-Za-z][A-Za-z0-9_]+)\]")


def check(text: str, *, more: frozenset[str] = frozenset()) -> None:
    """Raises ValueError for a template with an unknown variable, with the nearest known name.

    ``more``: variables that this template alone may use, and has to.
    """
    template = Template(text)
    if not template.is_valid():
        raise ValueError("A $ in the template is followed by no name. Write $$ for a dollar sign.")
    used = template.get_identifiers()
    for name in used:
        if name not in VARIABLES | more:
            near = difflib.get_close_matches(name.upper(), sorted(VARIABLES | more), 1, 0)
            raise ValueError(f"There is no variable ${name}. The nearest is ${near[0]}.")
    if missing := sorted(more - set(used)):
        raise ValueError(f"The template has no ${missing[0]}.")


def named(name: str) -> str | None:
    """The variable that a name in brackets stands for, None where it stands for none."""
    known = ALIASES.get(name.lower())
    return known or (name.upper() if name.upper() in VARIABLES else None)


def check_with_brackets(text: str) -> None:
    """As ``check``, for a template that has names in brackets as well. Raises ValueError for an unknown one, with the
    nearest known name. What has a space in its brackets is no name."""
    check(text)
    for name in _BRACKETED.findall(text):
        if named(name) is None:
            known = sorted({*ALIASES, *(one.lower() for one in VARIABLES)})
            near = difflib.get_close_matches(name.lower(), known, 1, 0)
            raise ValueError(f"There is no name [{name}]. The nearest is [{near[0]}].")


def without_brackets(text: str) -> str:
    """A template whose names in brackets are variables, for ``fill``. Other brackets stay as they are."""
    return _BRACKETED.sub(lambda found: f"${{{known}}}" if (known := named(found[1])) else found[0], text)


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template with its variables filled in; those without a value are empty."""
    return Template(text).safe_substitute({name: "" for name in VARIABLES} | dict(values))


def summary(text: str) -> str:
    """One line of at most 255 characters, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= LONGEST_SUMMARY:
        return line
    cut = line[: LONGEST_SUMMARY - 3]
    return (cut.rsplit(" ", 1)[0] if " " in cut[LONGEST_SUMMARY // 2 :] else cut) + "..."


def listed(items: list[str], most: int = LONGEST_LIST) -> str:
    """Names with commas between them, and how many more there are."""
    shown = ", ".join(items[:most])
    return f"{shown} ... and {len(items) - most} more" if len(items) > most else shown
