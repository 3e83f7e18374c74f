"""The estate that the service looks at, in memory, with a verb for each thing that can happen in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

# An asset by its id or its host name.
Asset = str


@dataclass(frozen=True)
class Instance:
    """One place of a vulnerability on an asset."""

    vulnerability: str
    port: int | None
    protocol: str | None


@dataclass
class Seen:
    """What scans have seen of an instance. ``gone``: when a scan did not see it any more."""

    instance: Instance
    solutions: tuple[str, ...]
    status: str
    first: datetime
    last: datetime
    gone: datetime | None = None
    back: datetime | None = None


@dataclass
class Machine:
    """An asset: what is there, and what scans have seen. ``facts`` are told as they stand here."""

    facts: dict[str, Any]
    tags: list[tuple[str, str]]
    present: dict[Instance, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    scan: tuple[datetime, datetime] | None = None


class Estate:
    """Assets, vulnerabilities and solutions. Each verb takes place at ``now`` and moves it on by a minute; a scan moves
    it to its end. What a scan has not seen is not told."""

    def __init__(self) -> None:
        self.now = datetime.now(timezone.utc).replace(microsecond=0)
        self.machines: dict[str, Machine] = {}
        # Vulnerabilities as the service tells them, by id; solutions likewise.
        self.vulnerabilities: dict[str, dict[str, Any]] = {}
        self.solutions: dict[str, dict[str, str]] = {}
        self._direct: dict[str, tuple[str, ...]] = {}
        self.lock = threading.RLock()

    def add_solution(self, key: str, summary: str, fix: str, kind: str = "rollup") -> None:
        """Know a solution. Seen live: its type is rollup, patch or workaround, in lower case."""
        with self._verb():
            self.solutions[key] = {
                "solution_id": key, "solution_summary": summary, "solution_fix": fix, "solution_type": kind
            }  # fmt: skip

    def add_vulnerability(
        self,
        key: str,
        title: str,
        severity: str = "severe",
        solutions: Sequence[str] = (),
        cves: Sequence[str] = (),
        cvss3: float | None = None,
        cvss2: float | None = None,
        **told: Any,
    ) -> None:
        """Know a vulnerability. ``told`` is told of it as it stands here, such as severity_score, risk_score."""
        with self._verb():
            self._direct[key] = tuple(solutions)
            self.vulnerabilities[key] = {
                **{"id": key, "title": title, "severity": severity, "severity_score": 5, "risk_score": 100.0},
                **{"description": "Invented.", "cves": ",".join(cves), "exploits": [], "malware_kits": []},
                # Official example: a score that there is not is 0 or null, and its vector is null.
                **{"cvss_v3_score": cvss3 or 0.0, "cvss_v3_vector": cvss3 and "CVSS:3.1/AV:N"},
                **{"cvss_v2_score": cvss2 or 0.0, "cvss_v2_vector": cvss2 and "(AV:N/AC:L/Au:N/C:C/I:C/A:C)"},
                **told,
            }

    def add_asset(
        self,
        host_name: str | None,
        ip: str,
        mac: str | None = None,
        os: str = "Ubuntu Linux 22.04",
        tags: Sequence[tuple[str, str]] = (("SITE", "HQ"),),
    ) -> str:
        """Discover an asset, not yet assessed, with tags as (type, name). Its id, like a UUID, in order of creation."""
        with self._verb():
            number = len(self.machines) + 1
            key = f"{number:08d}-0000-4000-8000-000000000000-default-asset-{number}"
            facts = {"host_name": host_name, "ip": ip, "mac": mac, "os_description": os}
            self.machines[key] = Machine({name: value for name, value in facts.items() if value}, list(tags))
        return key

    def tag(self, asset: Asset, kind: str, name: str) -> None:
        """Give an asset a tag: SITE, OWNER, CRITICALITY, LOCATION or CUSTOM."""
        with self._verb():
            self.machine(asset).tags.append((kind, name))

    def rename(self, asset: Asset, host_name: str) -> None:
        """Give an asset another host name, which is told at once."""
        with self._verb():
            self.machine(asset).facts["host_name"] = host_name

    def remove_asset(self, asset: Asset) -> None:
        """Delete an asset with all that is known of it."""
        with self._verb():
            del self.machines[self.asset_id(asset)]

    def find(
        self,
        asset: Asset,
        vulnerability: str,
        port: int | None = None,
        protocol: str | None = None,
        solutions: Sequence[str] | None = None,
        status: str = "VULNERABLE_EXPL",
    ) -> None:
        """Make an asset have a vulnerability, which the next scan sees. Solutions are the vulnerability's unless told;
        each is told in an object of its own."""
        with self._verb():
            place = Instance(vulnerability, port, protocol)
            chosen = self._direct[vulnerability] if solutions is None else tuple(solutions)
            self.machine(asset).present[place] = (chosen, status)

    def patch(self, asset: Asset, vulnerability: str) -> None:
        """Take a vulnerability off an asset for good, wherever it has it."""
        with self._verb():
            present = self.machine(asset).present
            gone = [place for place in present if place.vulnerability == vulnerability]
            if not gone:
                raise LookupError("the asset has no such vulnerability")
            for place in gone:
                del present[place]

    def scan(self, assets: Sequence[Asset] | None = None) -> None:
        """Scan assets, all by default. It starts at ``now``, ends half an hour later, and moves the clock there."""
        with self.lock:
            begin, end = self.now, self.now + timedelta(minutes=30)
            for machine in self.machines.values() if assets is None else map(self.machine, assets):
                machine.scan = (begin, end)
                _look(machine, end)
            self.now = end

    def asset_id(self, asset: Asset) -> str:
        """The id of an asset."""
        if asset in self.machines:
            return asset
        for key, machine in self.machines.items():
            if machine.facts.get("host_name") == asset:
                return key
        raise LookupError("the service knows no such asset")

    def machine(self, asset: Asset) -> Machine:
        """An asset by its id or its host name."""
        return self.machines[self.asset_id(asset)]

    @contextmanager
    def _verb(self) -> Iterator[None]:
        with self.lock:
            yield
            self.now += timedelta(minutes=1)


def _look(machine: Machine, end: datetime) -> None:
    open_ones = {one.instance: one for one in machine.seen if one.gone is None}
    for place, one in open_ones.items():
        if place not in machine.present:
            one.gone = end
    for place, (solutions, status) in machine.present.items():
        if place in open_ones:
            open_ones[place].last = end
            open_ones[place].solutions, open_ones[place].status = solutions, status
            continue
        was_there = [one.first for one in machine.seen if one.instance == place]
        first, back = (min(was_there), end) if was_there else (end, None)
        machine.seen.append(Seen(place, solutions, status, first, end, back=back))
