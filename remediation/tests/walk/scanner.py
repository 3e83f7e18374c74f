"""A scanner as a source: what is on the assets, what its scans have seen of it, and its snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, Proof, Snapshot

Pair = tuple[str, str]
GOOD, WEAK = 4, 1


@dataclass
class Machine:
    """``has`` is the truth, ``seen`` what the last scan saw, which ``started`` then with these credentials."""

    has: set[str] = field(default_factory=set)
    seen: dict[str, datetime] = field(default_factory=dict)
    scan: str | None = None
    started: datetime | None = None
    credentials: int | None = None


class Scanner:
    """Verbs change the truth; a scan looks at it. Vulnerabilities with an even number are seen without credentials."""

    def __init__(self, solutions: dict[str, str]) -> None:
        self.solutions = dict(solutions)
        self.machines: dict[str, Machine] = {}
        self.excepted: set[Pair] = set()
        self._scans = 0

    def scan(self, assets: set[str], started: datetime, credentials: int) -> None:
        """A scan of some assets that takes half an hour."""
        self._scans += 1
        for name in assets & set(self.machines):
            machine = self.machines[name]
            visible = {one for one in machine.has if credentials == GOOD or int(one[1:]) % 2 == 0}
            machine.seen = dict.fromkeys(visible, started)
            machine.scan, machine.started, machine.credentials = str(self._scans), started, credentials

    def snapshot(self, taken: datetime) -> Snapshot:
        """What the console would report: an excepted finding is not in it."""
        findings: list[dict[str, Any]] = []
        for name, machine in self.machines.items():
            for vulnerability, last in machine.seen.items():
                if (name, vulnerability) in self.excepted:
                    continue
                solution = self.solutions[vulnerability]
                findings.append(
                    {
                        "asset": name,
                        "vulnerability": vulnerability,
                        "title": f"Title of {vulnerability}",
                        "severity": "high",
                        "cvss": 8.0,
                        "risk": 100.0,
                        "cves": [],
                        "solution": solution,
                        "solution_name": f"Apply {solution}",
                        "instances": 1,
                        "first_found": last,
                        "last_found": last,
                    }
                )
        hosts = [{"asset": name, "host_name": f"{name}.corp.example"} for name in self.machines]
        covered = [
            {
                "asset": name,
                "scan": machine.scan,
                "scan_started": machine.started,
                "scan_finished": machine.started + timedelta(minutes=30) if machine.started else None,
                "assessed": machine.started,
                "credentials": machine.credentials,
            }
            for name, machine in self.machines.items()
        ]
        exceptions = [
            {
                "asset": asset,
                "vulnerability": vulnerability,
                "exception": f"{asset}/{vulnerability}",
                "status": "approved",
            }
            for asset, vulnerability in self.excepted
            if asset in self.machines
        ]
        frames = [
            pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema, orient="row")
            for rows, schema in ((findings, FINDINGS), (hosts, ASSETS), (covered, COVERAGE), (exceptions, EXCEPTIONS))
        ]
        return Snapshot(taken, Proof.SCAN, *frames, rows=len(findings))
