"""The world that Tenable looks at, with a verb for each thing that can happen in it. In memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

SEVERITIES = ("info", "low", "medium", "high", "critical")


@dataclass(frozen=True)
class Asset:
    """``fqdn``, ``hostname`` and ``mac`` may be absent. One that is not tracked has another UUID in each scan."""

    uuid: str
    fqdn: str | None
    hostname: str | None
    ipv4: str
    mac: str | None
    systems: tuple[str, ...]
    tracked: bool


@dataclass(frozen=True)
class Plugin:
    """``severity`` from 0, info, to 4, critical. ``epss`` from 0 to 100."""

    number: int
    name: str
    family: str
    severity: int
    cvss3: float | None = None
    cvss2: float | None = None
    vpr: float | None = None
    epss: float | None = None
    exploit: bool = False
    cves: tuple[str, ...] = ()
    solution: str = "n/a"


@dataclass(frozen=True)
class Finding:
    """What Tenable knows of an asset, a plugin, a port and a protocol."""

    state: str
    first_found: datetime
    last_found: datetime
    scan: str
    scan_started: datetime
    last_fixed: datetime | None = None
    resurfaced: datetime | None = None


# An asset's UUID, a plugin's number, a port and a protocol.
Key = tuple[str, int, int, str]


class World:
    """Assets, plugins, what is really there, and what scans have seen. Each verb takes place at ``now`` and moves it on
    by a minute; a scan moves it to its end. What a scan has not seen yet is in no export."""

    def __init__(self) -> None:
        self.now = datetime.now(timezone.utc).replace(microsecond=0)
        self.assets: dict[str, Asset] = {}
        self.plugins: dict[int, Plugin] = {}
        self.findings: dict[Key, Finding] = {}
        self._present: set[Key] = set()
        # By asset and plugin: ACCEPTED or RECASTED, the severity, the comment.
        self._rules: dict[tuple[str, int], tuple[str, int, str]] = {}
        self._lock = threading.RLock()

    def add_asset(
        self,
        fqdn: str | None,
        ipv4: str,
        hostname: str | None = None,
        mac: str | None = None,
        systems: Sequence[str] = ("Linux Kernel 6.1",),
        tracked: bool = True,
    ) -> str:
        """Discover an asset; its UUID."""
        with self._lock:
            uuid = str(uuid4())
            self.assets[uuid] = Asset(uuid, fqdn, hostname, ipv4, mac, tuple(systems), tracked)
            self._minute()
            return uuid

    def add_plugin(self, number: int, name: str, family: str, severity: int, **more: Any) -> None:
        """Know a plugin. ``more``: what Plugin has beside these."""
        with self._lock:
            self.plugins[number] = Plugin(number, name, family, severity, **more)
            self._minute()

    def find(self, asset: str, plugin: int, port: int = 0, protocol: str = "TCP") -> None:
        """Make an asset have, or have again, what a plugin looks for; the next scan sees it."""
        if asset not in self.assets or plugin not in self.plugins:
            raise LookupError("Tenable knows no such asset or plugin")
        with self._lock:
            self._present.add((asset, plugin, port, protocol))
            self._minute()

    def fix(self, asset: str, plugin: int, port: int | None = None) -> None:
        """Take what a plugin looks for off an asset, on one port or on all; the next scan sees it."""
        with self._lock:
            gone = {key for key in self._present if key[:2] == (asset, plugin) and port in (None, key[2])}
            if not gone:
                raise LookupError("the asset has no such finding")
            self._present -= gone
            self._minute()

    def accept(self, asset: str, plugin: int, comment: str = "") -> None:
        """Accept a risk. That it shows at once is a guess."""
        self._rule(asset, plugin, "ACCEPTED", self.plugins[plugin].severity, comment)

    def recast(self, asset: str, plugin: int, severity: int, comment: str = "") -> None:
        """Grade a finding anew, from 0 to 4. That it shows at once is a guess."""
        self._rule(asset, plugin, "RECASTED", severity, comment)

    def withdraw(self, asset: str, plugin: int) -> None:
        """End the acceptance or recast of a finding."""
        with self._lock:
            del self._rules[asset, plugin]
            self._minute()

    def scan(self, assets: Sequence[str] | None = None, minutes: int = 30, ports: Sequence[int] | None = None) -> str:
        """Scan assets and ports, all by default; the scan's UUID. Official: what is missing becomes FIXED, what comes
        back REOPENED. That all of it has the time of the scan's end is a guess."""
        with self._lock:
            started, scan = self.now, str(uuid4())
            self.now += timedelta(minutes=minutes)
            order = {uuid: place for place, uuid in enumerate(self.assets)}
            for key in sorted(self._present | self.findings.keys(), key=lambda key: (order[key[0]], key[1:])):
                if (assets is None or key[0] in assets) and (ports is None or key[2] in ports):
                    self.findings[key] = self._seen(key, scan, started)
            return scan

    def _seen(self, key: Key, scan: str, started: datetime) -> Finding:
        known, is_there = self.findings.get(key), key in self._present
        if known is None:
            return Finding("OPEN", self.now, self.now, scan, started)
        if is_there and known.state == "FIXED":
            return replace(
                known, state="REOPENED", last_found=self.now, resurfaced=self.now, scan=scan, scan_started=started
            )
        if is_there:
            return replace(known, last_found=self.now, scan=scan, scan_started=started)
        return known if known.state == "FIXED" else replace(known, state="FIXED", last_fixed=self.now)

    def exported(self, key: Key) -> dict[str, Any]:
        """A finding as an export has it. Official: names and kinds, and that what is empty is absent."""
        asset, plugin, finding = self.assets[key[0]], self.plugins[key[1]], self.findings[key]
        kind, severity, comment = self._rules.get(key[:2], ("NONE", plugin.severity, ""))
        return _without_empty(
            {
                "asset": {
                    "uuid": asset.uuid,
                    "fqdn": asset.fqdn,
                    "hostname": asset.hostname or asset.fqdn or asset.ipv4,
                    "ipv4": asset.ipv4,
                    "mac_address": asset.mac,
                    "operating_system": list(asset.systems),
                    "tracked": asset.tracked,
                    "network_id": "00000000-0000-0000-0000-000000000000",
                },
                "plugin": {
                    "id": plugin.number,
                    "name": plugin.name,
                    "description": f"{plugin.name} was found on the remote host.",
                    "family": plugin.family,
                    "solution": plugin.solution,
                    "cvss3_base_score": plugin.cvss3,
                    "cvss_base_score": plugin.cvss2,
                    "vpr": {"score": plugin.vpr},
                    "epss_score": plugin.epss,
                    "exploit_available": plugin.exploit,
                    "cve": list(plugin.cves),
                    "risk_factor": SEVERITIES[plugin.severity],
                },
                "port": {"port": key[2], "protocol": key[3], "service": "www" if key[2] in (80, 443) else None},
                "scan": {"uuid": finding.scan, "started_at": _stamp(finding.scan_started)},
                "severity": SEVERITIES[severity],
                "severity_id": severity,
                "severity_default_id": plugin.severity,
                "severity_modification_type": kind,
                "recast_reason": comment,
                "state": finding.state,
                "first_found": _stamp(finding.first_found),
                "last_found": _stamp(finding.last_found),
                "last_fixed": _stamp(finding.last_fixed),
                "resurfaced_date": _stamp(finding.resurfaced),
                "output": "Invented output.",
                "source": "NESSUS",
            }
        )

    def _rule(self, asset: str, plugin: int, kind: str, severity: int, comment: str) -> None:
        with self._lock:
            self._rules[asset, plugin] = (kind, severity, comment)
            self._minute()

    def _minute(self) -> None:
        self.now += timedelta(minutes=1)


def _stamp(moment: datetime | None) -> str | None:
    return moment and moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _without_empty(thing: dict[str, Any]) -> dict[str, Any]:
    inner = {name: _without_empty(value) if isinstance(value, dict) else value for name, value in thing.items()}
    return {name: value for name, value in inner.items() if value is not None and value not in ("", [], {})}
