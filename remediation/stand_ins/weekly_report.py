"""A weekly report as a second scanner writes it: some of the same machines and CVEs, and one of its own."""

from __future__ import annotations

import csv
import io

from stand_ins.estate import FIXES, Estate, flaws

HEADER = ("Hostname", "IP Address", "CVE", "Severity", "VPR", "CVSS", "Vulnerability Name", "Solution", "First Seen")


def weekly_report(estate: Estate) -> str:
    """The report as CSV. VPR is invented, as all else."""
    known = {flaw.key: (fix, flaw) for fix in FIXES for flaw in flaws(fix)}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for name, key in sorted(estate.found):
        fix, flaw = known[key]
        if flaw.cves and name.startswith(("web", "vpn", "db")):
            severity = "Critical" if flaw.score >= 9 else "High" if flaw.score >= 7 else "Medium"
            writer.writerow(
                (name, "", flaw.cves[0], severity, round(flaw.score * 0.93, 1), flaw.cvss, flaw.title, fix.summary, "")
            )
    writer.writerow(
        (
            "printer7.corp.example",
            "203.0.113.250",
            "CVE-2026-49999",
            "High",
            6.7,
            7.4,
            "Printer: stack overflow",
            "Update the firmware",
            "",
        )
    )
    return text.getvalue()
