"""The second act of ``make demo``: findings of a stand-in console to tickets of a stand-in Halo, and back.

Everything runs for real on this machine: the console executes the real SQL of the reports on PostgreSQL, the service
reads them over HTTP, keeps its ledger in an embedded PostgreSQL, and writes to the emulator over HTTP. Each apply shows
its plan first, with the reason of every step; at the end the plan is empty.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import typer

from halo_emulator import HaloEmulator
from remediation.cli import app
from remediation.store.embedded import EmbeddedPostgres

from .insightvm_console import Console
from .insightvm_console.demo import MICROSOFT, OUTSIDE, UBUNTU, seed_demo

PROJECT = "Patch the DMZ"
# Statuses that the emulator does not have, as an administrator would add them: id, name, whether it closes a ticket.
STATUSES = (
    (40, "Awaiting Verification", False),
    (41, "Remediated", True),
    (42, "Closed - Won't Fix", True),
    (43, "Closed - Exception", True),
)
SETTINGS = """
owner = "the security team"
due = "2099-06-30"
default_team = "Service Desk"

[[rules]]
field = "owner_tags"
value = "web-team"
team = "Infrastructure"
agent = "Priya Raman"

[[rules]]
field = "owner_tags"
value = "app-team"
team = "Security Operations"
agent = "Tomas Weber"
"""


# The exit code of a command that Ctrl-C has ended.
STOPPED = 130


class DemoFailed(Exception):
    """A step did not do what it is for; the text says which and why."""


class Play:
    """The stand-ins, and the service as its command line has it."""

    def __init__(self, console: Console, halo: HaloEmulator) -> None:
        self.console = console
        self.halo = halo
        self.ids: dict[str, int] = {}

    def say(self, text: str) -> None:
        """A heading."""
        typer.echo(f"\n== {text}")

    def service(self, *words: str, expected: int = 0) -> None:
        """Run a command of the service. Raises DemoFailed for another exit code than the expected one."""
        typer.echo(f"$ remediation {' '.join(words)}")
        try:
            code = app(list(words), standalone_mode=False) or 0
        except typer.Exit as done:
            code = done.exit_code
        if code == STOPPED:
            raise KeyboardInterrupt
        if code != expected:
            raise DemoFailed(f"remediation {words[0]} ended with {code}, not {expected}")

    def a_day_later(self) -> None:
        """Both clocks go on by a day."""
        self.console.now += timedelta(days=1)
        self._same_time()

    def _same_time(self) -> None:
        """Halo's clock shows what the console's does, whose scans take half an hour each."""
        self.halo.clock_offset = (self.console.now - datetime.now(timezone.utc)).total_seconds()

    def sync(self) -> None:
        """Read the console, show the plan, carry it out."""
        self.service("source", "read", "console")
        self.service("plan", PROJECT)
        self.service("apply", PROJECT)

    def children(self) -> list[dict[str, Any]]:
        """The solutions' tickets in Halo."""
        return [ticket for ticket in self.halo.tickets.values() if ticket.get("parent_id")]

    def child(self, summary: str) -> dict[str, Any]:
        """The one whose summary begins like this."""
        return next(ticket for ticket in self.children() if str(ticket["summary"]).startswith(summary))

    def status(self, summary: str) -> str:
        """The name of a ticket's status in Halo."""
        number = self.child(summary)["status_id"]
        return next(str(row["name"]) for row in self.halo.lists.statuses if row["id"] == number)

    def person_sets(self, summary: str, status: int) -> None:
        """Somebody moves a ticket in Halo, after the last scan."""
        self._same_time()
        self.halo.change_ticket(self.child(summary)["id"], status_id=status, agent_id=3)

    def expect(self, summary: str, status: str) -> None:
        """Raises DemoFailed unless a ticket is in a status."""
        now = self.status(summary)
        typer.echo(f"   {summary}: {now}")
        if now != status:
            raise DemoFailed(f"{summary} should be {status}, and is {now}")


ROLLUP, OPENSSL, TLS = "2026-11 Cumulative Update (KB5099999)", "Upgrade openssl", "Disable TLS 1.0"


def tell(play: Play) -> None:
    """The story. Raises DemoFailed."""
    console, ids = play.console, play.ids
    play.say("3 solutions on 8 assets: 1 parent and 3 children, with assignment, priority and due date")
    play.sync()
    if len(play.children()) != 3:
        raise DemoFailed(f"there are {len(play.children())} children, not 3")
    for ticket in play.children():
        who = next(row["name"] for row in play.halo.lists.agents if row["id"] == ticket["agent_id"])
        priority = next(row["name"] for row in play.halo.lists.priorities if row["priorityid"] == ticket["priority_id"])
        typer.echo(
            f"   ticket {ticket['id']}: {ticket['summary']}; {who}; {priority}; due {ticket['deadlinedate'][:10]}"
        )

    play.say("A person moves one to In Progress: the parent follows, nothing else changes")
    play.person_sets(OPENSSL, 2)
    play.service("plan", PROJECT)
    play.expect(OPENSSL, "In Progress")

    play.say("Half of its assets are patched and scanned again: a comment, and no more")
    play.a_day_later()
    for key in UBUNTU:
        console.patch(ids["db02.corp.example"], key)
    console.scan()
    play.sync()
    play.expect(OPENSSL, "In Progress")

    play.say("The rest is patched and scanned: the ticket is resolved, with the evidence")
    play.a_day_later()
    for key in UBUNTU:
        console.patch(ids["app01.corp.example"], key)
    console.scan()
    play.sync()
    play.expect(OPENSSL, "Remediated")

    play.say("A person resolves another without patching: it waits for a scan, which refutes it and names the assets")
    play.person_sets(ROLLUP, 41)
    play.service("plan", PROJECT)
    play.expect(ROLLUP, "Remediated")
    play.a_day_later()
    console.scan()
    play.sync()
    play.expect(ROLLUP, "In Progress")

    play.say("A vulnerability comes back: its ticket is opened again")
    play.a_day_later()
    console.find(ids["app01.corp.example"], UBUNTU[0])
    console.scan()
    play.sync()
    play.expect(OPENSSL, "In Progress")

    play.say("Exceptions are approved for all findings of one solution: Exception")
    play.a_day_later()
    for host in ("web01.corp.example", "web02.corp.example", "app02.corp.example"):
        for key in OUTSIDE:
            console.approve(console.except_(ids[host], key, "Acceptable Risk", None))
    console.scan()
    play.sync()
    play.expect(TLS, "Closed - Exception")

    play.say("A scan with weaker credentials sees less: nothing closes")
    play.a_day_later()
    for key in MICROSOFT:
        console.patch(ids["web01.corp.example"], key)
    console.scan(credentials=1)
    play.sync()
    play.expect(ROLLUP, "In Progress")

    play.say("Nothing has happened since: the plan is empty, and nothing is sent")
    play.service("source", "read", "console")
    play.halo.forget_requests()
    play.service("apply", PROJECT)
    writes = [request for request in play.halo.requests if request.method == "POST" and "token" not in request.path]
    if writes:
        raise DemoFailed(f"{len(writes)} requests were written although nothing had changed")


def main() -> int:
    """Run the act; 0 when every step did its work."""
    # make has turned it off until here, since Ctrl-C while modules are imported would end in a traceback.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="remediation-demo-")))
            console, halo = stack.enter_context(running(folder))
            act = Play(console, halo)
            act.ids = seed_demo(console)
            # The third of its vulnerabilities has no solution; the story is about those that have one.
            console.patch(act.ids["10.0.0.99"], "generic-icmp-timestamp")
            console.scan()
            _connected(act, folder)
            tell(act)
        typer.echo("\nDone: every step did its work.")
        return 0
    except DemoFailed as error:
        typer.echo(f"\nFAILED: {error}")
        return 1
    except KeyboardInterrupt:
        typer.echo("\nStopped. Nothing is left behind: all of it was in a temporary folder.")
        return STOPPED


@contextmanager
def running(folder: Path) -> Iterator[tuple[Console, HaloEmulator]]:
    """The stand-ins, running and prepared, beside an empty data folder of the service: ``folder / "data"``."""
    with ExitStack() as stack:
        os.environ["REMEDIATION_DATA"] = str(folder / "data")
        os.environ.pop("DATABASE_URL", None)
        server = stack.enter_context(EmbeddedPostgres(folder / "console"))
        console = stack.enter_context(Console(server.address()))
        halo = stack.enter_context(HaloEmulator())
        stack.callback(EmbeddedPostgres(folder / "data" / "postgres").stop)
        _prepared(console, halo, folder)
        yield console, halo


def _prepared(console: Console, halo: HaloEmulator, folder: Path) -> None:
    """What an administrator would set up."""
    add_statuses(halo)
    (folder / "password").write_text(console.password, encoding="utf-8")
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    os.environ |= {
        "HALO_RESOURCE_SERVER": halo.resource_server,
        "HALO_AUTH_SERVER": halo.auth_server,
        "HALO_CLIENT_ID": halo.client_id,
        "HALO_CLIENT_SECRET": halo.client_secret,
    }


def add_statuses(halo: HaloEmulator) -> None:
    """Add STATUSES to a stand-in Halo."""
    for number, name, closes in STATUSES:
        halo.lists.statuses.append({"id": number, "name": name, "shortname": name, "type": 0, "sequence": number})
        if closes:
            halo.lists.closed_statuses.add(number)


def _connected(act: Play, folder: Path) -> None:
    act.say("A connection to Halo, a console as source, and a project")
    # A month in a minute takes more requests than a minute should.
    agent = ("--closing-agent", "Marcus Okafor")
    act.service("connect", "halo", "--ticket-type", "Vulnerability", *agent, "--requests", "300")
    password = str(folder / "password")
    console = act.console
    act.service(
        "source", "add", "console", "--kind", "insightvm", "--url", console.url,
        "--user", console.user, "--password-file", password,
    )  # fmt: skip
    act.service(
        "project", "create", PROJECT, "--connection", "halo", "--source", "console",
        "--settings", str(folder / "settings.toml"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
