"""An invented company's machines over four weeks: what is found on them, and what people do about it.

All names, numbers and texts are made up. The same seed gives the same world.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from stand_ins.insightvm_console import Console

DEVICES = 60
WINDOWS, LINUX, CISCO = "Microsoft Windows Server 2022", "Ubuntu Linux 22.04", "Cisco IOS XE 17.9.4"


class Group(NamedTuple):
    """Machines of one purpose: the stem of their names, how many, system, owner, criticality, sites and network."""

    stem: str
    count: int
    system: str
    owner: str
    criticality: str
    sites: tuple[str, ...]
    network: str


GROUPS = (
    Group("web", 10, LINUX, "web-team", "High", ("DMZ",), "192.0.2"),
    Group("vpn", 2, CISCO, "network-team", "Very High", ("DMZ",), "192.0.2"),
    Group("mail", 3, WINDOWS, "messaging-team", "High", ("DMZ", "HQ"), "192.0.2"),
    Group("db", 8, LINUX, "dba-team", "Very High", ("HQ",), "198.51.100"),
    Group("app", 14, WINDOWS, "app-team", "Medium", ("HQ",), "198.51.100"),
    Group("file", 5, WINDOWS, "app-team", "Medium", ("Paris",), "203.0.113"),
    Group("core", 6, CISCO, "network-team", "High", ("HQ", "Paris"), "203.0.113"),
    Group("build", 12, LINUX, "dev-team", "Low", ("Paris",), "203.0.113"),
)


class Flaw(NamedTuple):
    """A vulnerability: key, title, severity score (0 to 10), CVSS, CVEs, risk, exploits, needs credentials."""

    key: str
    title: str
    score: int
    cvss: float
    cves: tuple[str, ...]
    risk: float
    exploits: int
    inside: bool


class Fix(NamedTuple):
    """A solution, the systems that it is for, and what it mends: each a title and a severity score."""

    key: str
    summary: str
    text: str
    kind: str
    estimate: str
    systems: tuple[str, ...]
    mends: tuple[tuple[str, int], ...]


FIXES = (
    Fix(
        "win-2026-11",
        "2026-11 cumulative update for Windows Server 2022",
        "Install the update and restart.",
        "ROLLUP",
        "1 hour",
        (WINDOWS,),
        (
            ("Windows print spooler: elevation of privilege", 9),
            ("Windows kernel: information disclosure", 6),
            ("Windows SMB: remote code execution", 10),
        ),
    ),
    Fix(
        "exchange-su",
        "Security update for the mail server, November 2026",
        "Put the node into maintenance and install it.",
        "PATCH",
        "2 hours",
        (WINDOWS,),
        (("Mail server: authentication bypass", 10), ("Mail server: spoofed sender", 5)),
    ),
    Fix(
        "openssl-3",
        "Upgrade openssl to 3.0.19",
        "apt-get install --only-upgrade openssl",
        "PATCH",
        "30 minutes",
        (LINUX,),
        (("openssl: buffer overflow in certificates", 8), ("openssl: timing leak", 5)),
    ),
    Fix(
        "kernel-6-8",
        "Upgrade the Linux kernel to 6.8.0-94",
        "Upgrade and restart.",
        "PATCH",
        "1 hour",
        (LINUX,),
        (("Linux kernel: use after free in the network stack", 9), ("Linux kernel: denial of service by fragments", 7)),
    ),
    Fix(
        "nginx-1-27",
        "Upgrade nginx to 1.27.4",
        "Upgrade, then test the configuration and reload.",
        "PATCH",
        "30 minutes",
        (LINUX,),
        (("nginx: request smuggling", 8),),
    ),
    Fix(
        "postgres-16",
        "Upgrade PostgreSQL to 16.12",
        "Install the minor release and restart the cluster.",
        "PATCH",
        "1 hour",
        (LINUX,),
        (("PostgreSQL: SQL injection in a tool", 7), ("PostgreSQL: memory disclosure", 6)),
    ),
    Fix(
        "iosxe-17-9-7",
        "Upgrade IOS XE to 17.9.7",
        "Plan a maintenance window; both supervisors.",
        "PATCH",
        "4 hours",
        (CISCO,),
        (("IOS XE: web interface privilege escalation", 10), ("IOS XE: denial of service by SNMP", 7)),
    ),
    Fix(
        "no-telnet",
        "Disable telnet",
        "no transport input telnet",
        "WORKAROUND",
        "15 minutes",
        (CISCO,),
        (("Telnet is enabled", 6),),
    ),
    Fix(
        "tls-1-2",
        "Require TLS 1.2 or newer",
        "Remove TLS 1.0 and 1.1 from the configuration.",
        "WORKAROUND",
        "15 minutes",
        (LINUX, WINDOWS),
        (("TLS 1.0 is enabled", 4), ("A weak cipher is offered", 3)),
    ),
    Fix(
        "smb-signing",
        "Require SMB signing",
        "Set it by group policy.",
        "WORKAROUND",
        "15 minutes",
        (WINDOWS,),
        (("SMB signing is not required", 5),),
    ),
    Fix(
        "sudo-1-9",
        "Upgrade sudo to 1.9.17",
        "apt-get install --only-upgrade sudo",
        "PATCH",
        "15 minutes",
        (LINUX,),
        (("sudo: local privilege escalation", 8),),
    ),
    Fix(
        "dotnet-8",
        "Update .NET to 8.0.22",
        "Install the update; restart the services.",
        "PATCH",
        "30 minutes",
        (WINDOWS,),
        ((".NET: denial of service by JSON", 7), (".NET: elevation of privilege", 7)),
    ),
)


def flaws(fix: Fix) -> Iterator[Flaw]:
    """What a solution mends, with scores and CVEs made up from the titles."""
    for place, (title, score) in enumerate(fix.mends):
        number = 40000 + 100 * FIXES.index(fix) + place
        cves = () if score < 5 else (f"CVE-2026-{number}",)
        yield Flaw(
            f"{fix.key}-{place}",
            title,
            score,
            min(9.9, score - 0.2),
            cves,
            score * 87.5,
            int(score >= 9),
            score > 4,
        )


class Estate:
    """The machines in a console, and what is on them."""

    def __init__(self, console: Console, seed: int = 14) -> None:
        self._console = console
        self._random = Random(seed)  # nosec B311: an invented world
        self.assets: dict[str, int] = {}
        self._systems: dict[str, str] = {}
        self.found: set[tuple[str, str]] = set()

    def build(self) -> None:
        """Discover all machines and most of what is on them."""
        for fix in FIXES:
            self._console.add_solution(fix.key, fix.summary, f"<p>{fix.text}</p>", fix.kind, fix.estimate)
            for flaw in flaws(fix):
                self._console.add_vulnerability(
                    flaw.key,
                    flaw.title,
                    flaw.score,
                    flaw.cvss,
                    flaw.cves,
                    fix.key,
                    flaw.inside,
                    flaw.risk,
                    flaw.exploits,
                    f"<p>{flaw.title}. Whoever reaches it can make use of it.</p><p>{fix.summary} mends it.</p>",
                )
        number = 10
        for group in GROUPS:
            for place in range(1, group.count + 1):
                number += 1
                name = f"{group.stem}{place:02}.corp.example"
                self.assets[name] = self._console.add_asset(
                    name,
                    f"{group.network}.{number}",
                    f"00:50:56:00:{number // 256:02x}:{number % 256:02x}",
                    group.system,
                    group.owner,
                    group.criticality,
                    group.sites,
                )
                self._systems[name] = group.system
        late = {"sudo-1-9", "dotnet-8"}
        for fix in FIXES:
            if fix.key not in late:
                self.appears(fix.key, 0.7)

    def appears(self, key: str, share: float) -> None:
        """A solution's vulnerabilities come up on about this share of the machines that it is for."""
        fix = next(one for one in FIXES if one.key == key)
        for name, system in self._systems.items():
            if system in fix.systems and self._random.random() < share:
                for flaw in flaws(fix):
                    if (name, flaw.key) not in self.found:
                        self._console.find(self.assets[name], flaw.key)
                        self.found.add((name, flaw.key))

    def patched(self, key: str, share: float = 1.0) -> None:
        """A solution is carried out on about this share of the machines that need it."""
        fix = next(one for one in FIXES if one.key == key)
        there = sorted({name for name, flaw in self.found if flaw in {one.key for one in flaws(fix)}})
        for name in there:
            if self._random.random() < share:
                for flaw in flaws(fix):
                    if (name, flaw.key) in self.found:
                        self._console.patch(self.assets[name], flaw.key)
                        self.found.discard((name, flaw.key))

    def accepted(self, key: str) -> None:
        """The console's owner approves exceptions for all that a solution would mend."""
        fix = next(one for one in FIXES if one.key == key)
        wanted = {one.key for one in flaws(fix)}
        for name, flaw in sorted(self.found):
            if flaw in wanted:
                self._console.approve(self._console.except_(self.assets[name], flaw, "Acceptable Risk", None))
