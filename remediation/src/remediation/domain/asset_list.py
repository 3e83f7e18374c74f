"""The findings of a ticket as a file for a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from .plan import digest
from .template import LONGEST_LIST
from .ticket import Finding

HEADER = ("asset", "host", "vulnerability", "title", "state", "scan", "scan_started")


def is_long(findings: Iterable[Finding]) -> bool:
    """Whether there are more assets than a text names."""
    return len({finding.asset for finding in findings}) > LONGEST_LIST


def attachment(findings: Sequence[Finding]) -> dict[str, str]:
    """``name`` and ``text`` of the list. The same list has the same name."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(HEADER)
    # There are far fewer moments than findings.
    moments = {one.scan_started for one in findings}
    started = {moment: f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "" for moment in moments}
    for one in findings:
        told = (one.asset, one.host, one.vulnerability, one.title, one.state, one.scan or "", started[one.scan_started])
        lines.writerow([harmless(cell) for cell in told])
    return {"name": f"assets-{digest(text.getvalue())}.csv", "text": text.getvalue()}


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: scanners repeat what hosts call themselves."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
