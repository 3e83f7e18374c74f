"""``make serve DEMO=1``: the service with stand-ins and a believable world, to look at and to click through.

60 devices, four weeks of scans, a weekly report file of a second scanner, two projects, tickets in every state, one
held run, feeds and Cisco's advisories that know the CVEs, and investigations of InsightIDR. Everything is made by the
service's own commands, over HTTP, and lies in a temporary folder.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import typer

from halo_emulator import HaloEmulator

from stand_ins.cisco_openvuln import CiscoOpenVuln
from stand_ins.cve_feeds import CveFeeds, Exploited
from stand_ins.demo import DemoFailed, Play, running
from stand_ins.estate import FIXES, Estate, flaws
from stand_ins.insightidr import Idr
from stand_ins.insightvm_console import Console
from stand_ins.weekly_report import weekly_report

DMZ, SERVERS = "Patch the DMZ", "Servers, fourth quarter"
RULES = """
[[rules]]
field = "owner_tags"
value = "network-team"
team = "Infrastructure"
agent = "Priya Raman"

[[rules]]
field = "owner_tags"
value = "web-team"
team = "Security Operations"
agent = "Tomas Weber"
"""
PROJECTS = {
    DMZ: f'owner = "Ana Lead"\ndue = "2027-02-28"\ndefault_team = "Service Desk"\nmin_severity = "medium"\n{RULES}\n'
    '[scope]\nsites = ["DMZ"]\n',
    # What closes three tickets at once waits for an approver here, so that there is a held run to look at.
    SERVERS: f'owner = "Jo Ops"\ndue = "2027-06-30"\ndefault_team = "Service Desk"\nmass_least = 3\n{RULES}\n',
}
SOC = "SOC"
# Which investigations get tickets.
RULE = '[rule]\npriorities = ["CRITICAL", "HIGH"]\n'
WEEKS = 4
CLOSED = 42  # Halo's "Closed - Won't Fix", of stand_ins.demo.STATUSES


class Story(Play):
    """Four weeks of it."""

    def __init__(self, console: Console, halo: HaloEmulator, idr: Idr, cisco: CiscoOpenVuln, folder: Path) -> None:
        super().__init__(console, halo)
        self.idr = idr
        self.cisco = cisco
        self._folder = folder
        self.estate = Estate(console)

    def tell(self) -> None:
        """Make the world. Raises DemoFailed."""
        begin = datetime.now(timezone.utc) - timedelta(weeks=WEEKS, hours=2)
        self.console.now = begin.replace(minute=0, second=0, microsecond=0)
        self.estate.build()
        self.console.scan()
        self._connect()
        self.service("enrich")
        self._week(0)
        self.estate.patched("openssl-3")
        self.estate.patched("win-2026-11", 0.4)
        self.person("Upgrade nginx", 2)
        self.person("Upgrade IOS XE", 2)
        self._week(1)
        self.estate.appears("sudo-1-9", 0.5)
        self.estate.patched("postgres-16", 0.6)
        self.person("Disable telnet", CLOSED)
        self._week(2)
        self.estate.appears("openssl-3", 0.2)
        self.estate.appears("dotnet-8", 0.6)
        self.estate.accepted("tls-1-2")
        self._week(3)
        self.person("Upgrade the Linux kernel", 40)
        for key in ("sudo-1-9", "dotnet-8", "postgres-16", "smb-signing", "nginx-1-27"):
            self.estate.patched(key)
        self._week(WEEKS, held=True)
        report = self._folder / "weekly.csv"
        report.write_text(weekly_report(self.estate), encoding="utf-8")
        self.service("import", str(report), "--source", "weekly report", "--coverage", "listed")
        self._ask_cisco()
        self._investigate()

    def _ask_cisco(self) -> None:
        """The advisories about the estate's CVEs and releases, at once: nobody waits for a stand-in."""
        secret = self._folder / "secret"
        secret.write_text(self.cisco.client_secret, encoding="utf-8")
        self.service("cisco", "set", "--client-id", self.cisco.client_id, "--secret-file", str(secret))
        ask_cisco = importlib.import_module("remediation.jobs.cisco").ask_cisco  # Django has to be set up first
        typer.echo(ask_cisco(sleep=lambda _: None).text)

    def _investigate(self) -> None:
        """The first plan of tickets for investigations, which waits for somebody to look at it."""
        self.idr.seed_demo()
        rule = self._folder / "rule.toml"
        rule.write_text(RULE, encoding="utf-8")
        os.environ["INSIGHTIDR_API_KEY"] = self.idr.api_key
        self.service(
            "investigations", "add", SOC, "--connection", "HaloITSM", "--url", self.idr.url, "--settings", str(rule)
        )
        self.service("plan", f"Investigations of {SOC}")

    def _week(self, number: int, held: bool = False) -> None:
        """A scan of all machines, the service's reading and its runs."""
        if number:
            self.console.now = self.console.now + timedelta(days=7) - timedelta(hours=1)
            self.console.scan()
        self._same_time()
        self.service("source", "read", "console")
        self.service("apply", DMZ)
        self.service("apply", SERVERS, expected=3 if held else 0)

    def _connect(self) -> None:
        password = self._folder / "password"
        password.write_text(self.console.password, encoding="utf-8")
        self.service(
            "connect",
            "HaloITSM",
            "--ticket-type",
            "Vulnerability",
            "--closing-agent",
            "Marcus Okafor",
            "--requests",
            "300",
        )
        self.service(
            "source",
            "add",
            "console",
            "--kind",
            "insightvm",
            "--url",
            self.console.url,
            "--user",
            self.console.user,
            "--password-file",
            str(password),
        )
        for name, settings in PROJECTS.items():
            file = self._folder / "project.toml"
            file.write_text(settings, encoding="utf-8")
            self.service(
                "project", "create", name, "--connection", "HaloITSM", "--source", "console", "--settings", str(file)
            )

    def person(self, summary: str, status: int) -> None:
        """Somebody moves all tickets with this summary in Halo."""
        self._same_time()
        for ticket in self.children():
            if str(ticket["summary"]).startswith(summary):
                self.halo.change_ticket(ticket["id"], status_id=status, agent_id=3)


def _tell_of_cves(feeds: CveFeeds) -> None:
    """Scores for all CVEs of the estate by its severity, and the worst of them in the catalogue."""
    for fix in FIXES:
        for flaw in (one for one in flaws(fix) if one.cves):
            share = flaw.score / 10
            feeds.scores |= dict.fromkeys(flaw.cves, (0.97 * share**6, share))
            if flaw.score >= 9:
                known = "Known" if flaw.key.endswith("0") else "Unknown"
                due = Exploited(feeds.day - timedelta(days=3), feeds.day + timedelta(days=18), known)
                feeds.exploited |= dict.fromkeys(flaw.cves, due)


def _tell_of_advisories(cisco: CiscoOpenVuln) -> None:
    """An advisory for each flaw of the estate's network devices, with the first fixed release."""
    fix = next(one for one in FIXES if one.key == "iosxe-17-9-7")
    for number, flaw in enumerate((one for one in flaws(fix) if one.cves), start=1):
        cisco.publish(
            f"cisco-sa-iosxe-demo{number}",
            f"Cisco {flaw.title}",
            flaw.cves,
            sir="Critical" if flaw.score >= 9 else "High",
            cvss=flaw.cvss,
            products=["Cisco IOS XE Software"],
            fixed={("iosxe", "17.9.4"): ["17.9.7"]},
        )


@contextmanager
def world(folder: Path) -> Iterator[Story]:
    """The stand-ins, running, with the world made in the service's data folder ``folder / "data"``."""
    today = datetime.now(timezone.utc).date()
    with running(folder) as (console, halo), CveFeeds(today) as feeds, Idr() as idr, CiscoOpenVuln() as cisco:
        _tell_of_cves(feeds)
        _tell_of_advisories(cisco)
        os.environ |= {"REMEDIATION_KEV_URL": feeds.kev_url, "REMEDIATION_EPSS_URL": feeds.epss_url}
        os.environ |= {"REMEDIATION_CISCO_URL": cisco.api_url, "REMEDIATION_CISCO_TOKEN_URL": cisco.token_url}
        story = Story(console, halo, idr, cisco, folder)
        story.tell()
        yield story


def served(*words: str, **output: Any) -> subprocess.Popen[bytes]:
    """The service as a process of its own, on the world's data folder. ``output`` says where its words go."""
    # The stand-ins answer on this machine only.
    environment = {**os.environ, "REMEDIATION_NETWORKS": "127.0.0.0/8"}
    return subprocess.Popen([sys.executable, "-m", "remediation.cli", "serve", *words], env=environment, **output)


class Served:
    """The service as a process of its own, on the world's data folder. What it says goes to ``log``."""

    def __init__(self, log: Path, *words: str) -> None:
        self._log = log
        with log.open("w", encoding="utf-8") as said:
            self._process = served("--address", "127.0.0.1:0", *words, stdout=said, stderr=said)
        self.address = self._address()

    def _address(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(r"Serving at (\S+)", self._log.read_text(encoding="utf-8")):
                return found[1]
            time.sleep(0.1)
        raise DemoFailed("The service was not served.")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


def main(words: list[str]) -> int:
    """Make the world and serve it until Ctrl-C. ``words`` are options of ``serve``, without its data folder."""
    if any(word.partition("=")[0] == "--data" for word in words):
        typer.echo("The demo's world lies in a temporary folder, and goes with it: leave out --data.")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="remediation-demo-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with world(folder) as story:
            typer.echo("\nThe world is made. Nothing in it is real, and all of it goes when you end this with Ctrl-C.")
            typer.echo(f"Its InsightIDR answers at {story.idr.url}, with the API key {story.idr.api_key}.")
            with served(*words) as process:
                try:
                    return process.wait()
                except BaseException:
                    # It looks after the database, and would start it again.
                    process.terminate()
                    process.wait()
                    raise
    except DemoFailed as error:
        typer.echo(f"\nFAILED: {error}")
        return 1
    except KeyboardInterrupt:
        typer.echo("\nStopped. Nothing is left behind: all of it was in a temporary folder.")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
