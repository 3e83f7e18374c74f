"""A project between an emulated Halo and snapshots that a test makes up, with clocks that a test moves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from halo_emulator import HaloEmulator
from haloitsm_client import HaloClient
from haloitsm_client.tickets import exactly_once
from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, Proof, Snapshot
from remediation.store import models
from remediation.store.intake import take_in
from remediation.tickets.budget import Budget
from remediation.tickets.run import ProjectRun

START = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
# Statuses as an administrator would add them: id, name, whether it closes a ticket.
STATUSES = (
    (40, "Awaiting Verification", False),
    (41, "Remediated", True),
    (42, "Closed - Won't Fix", True),
    (43, "Closed - Exception", True),
)
SETTINGS = {"ticket_type": "Vulnerability", "parent_type": "Vulnerability", "closing_agent": "Marcus Okafor"}
MARK = re.compile(r"\[[0-9a-f]{10}\]")


class Time:
    """A clock that moves by sleeping only."""

    def __init__(self) -> None:
        self.seconds = 0.0
        # At most so long does a sleep really last, where something real is waited for.
        self.really = 0.0

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        time.sleep(min(seconds, self.really))


def emulated_halo() -> HaloEmulator:
    halo = HaloEmulator()
    for number, name, closes in STATUSES:
        halo.lists.statuses.append({"id": number, "name": name, "shortname": name, "type": 0, "sequence": number})
        if closes:
            halo.lists.closed_statuses.add(number)
    return halo


def frame(rows: Iterable[dict[str, Any]], schema: dict[str, Any]) -> pl.DataFrame:
    whole = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(whole, schema=schema, orient="row")


def snapshot_of(found: Iterable[str], assets: int, started: datetime) -> Snapshot:
    """A scan of so many assets that found these: each is "asset vulnerability solution"."""
    findings = []
    for line in found:
        asset, vulnerability, solution = line.split()
        findings.append(
            {
                "asset": asset,
                "vulnerability": vulnerability,
                "title": f"Title of {vulnerability}",
                "severity": "high",
                "cvss": 8.1,
                "risk": 100.0,
                "cves": [f"CVE-2026-{len(vulnerability):04d}"],
                "solution": solution,
                "solution_name": f"Apply {solution}",
                "solution_fix": "Run the update",
                "instances": 1,
                "first_found": START,
                "last_found": started,
            }
        )
    names = [f"a{number}" for number in range(assets)]
    machines = [{"asset": name, "host_name": f"{name}.corp.example", "sites": [], "owner_tags": []} for name in names]
    covered = [
        {"asset": name, "scan": f"{started:%d%H}", "scan_started": started, "assessed": started, "credentials": 4}
        for name in names
    ]
    return Snapshot(
        started + timedelta(minutes=30),
        Proof.SCAN,
        frame(findings, FINDINGS),
        frame(machines, ASSETS),
        frame(covered, COVERAGE),
        frame([], EXCEPTIONS),
        len(findings),
    )


class Scene:
    """One connection, source and project. ``now`` is the present, on Halo's clock as well."""

    def __init__(self, halo: HaloEmulator, name: str = "dmz", **settings: Any) -> None:
        self.halo = halo
        self.time = Time()
        self.pauses: list[float] = []
        self.said: list[str] = []
        self.now = START
        self._same_time()
        self.connection = models.Connection.objects.create(name=name, settings=dict(SETTINGS))
        self.source = models.Source.objects.create(name=name, kind="insightvm")
        self.project = models.Project.objects.create(
            name=name, slug=name, connection=self.connection, source=self.source, settings=settings
        )

    def _same_time(self) -> None:
        self.halo.clock_offset = (self.now - datetime.now(timezone.utc)).total_seconds()

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)
        self._same_time()

    def scan(self, *found: str, assets: int = 4) -> None:
        """A scan that starts now and takes an hour."""
        take_in(self.source, snapshot_of(found, assets, self.now))
        self.later(hours=1)

    def client(self, connection: models.Connection, before_request: Callable[[], None]) -> HaloClient:
        """A client that knows nothing of those before it, which may have had another Halo at the same port."""
        exactly_once._REGISTRIES.clear()
        return HaloClient(
            client_id=self.halo.client_id,
            client_secret=self.halo.client_secret,
            auth_server=self.halo.auth_server,
            resource_server=self.halo.resource_server,
            clock=self.time.clock,
            sleep=self.time.sleep,
            jitter=lambda: 1.0,
            now=lambda: self.now,
            before_request=lambda: (self.budget(connection).spend(), before_request()),
        )

    def budget(self, connection: models.Connection) -> Budget:
        return Budget(connection, lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.later(seconds=seconds)

    def run(self) -> ProjectRun:
        """A run as another process would begin it."""
        self.project = models.Project.objects.get(pk=self.project.pk)
        return ProjectRun(
            self.project, make_client=self.client, now=lambda: self.now, sleep=self.wait, say=self.said.append
        )

    def options(self, **options: Any) -> None:
        """Change the connection's options, as the command connect does."""
        connection = models.Connection.objects.get(pk=self.connection.pk)
        connection.settings = {**connection.settings, **options}
        connection.save()

    def settings(self, **settings: Any) -> None:
        models.Project.objects.filter(pk=self.project.pk).update(settings=settings)

    def tickets(self) -> dict[str, list[dict[str, Any]]]:
        """The tickets of this project in Halo, by the key in their reference."""
        found: dict[str, list[dict[str, Any]]] = {}
        for ticket in self.halo.tickets.values():
            reference = str(ticket.get("third_party_id_string") or "")
            if reference.startswith(f"remediation:{self.project.slug}:"):
                found.setdefault(reference.split(":")[2], []).append(ticket)
        return found

    def ticket(self, key: str) -> dict[str, Any]:
        (one,) = self.tickets()[key]
        return one

    def status(self, key: str) -> str:
        number = self.ticket(key)["status_id"]
        return next(str(row["name"]) for row in self.halo.lists.statuses if row["id"] == number)

    def comments(self, key: str) -> list[str]:
        """Our comments on a ticket, oldest first."""
        return [row["note"] for row in self.halo.actions[self.ticket(key)["id"]] if MARK.search(row["note"])]

    def person_sets(self, key: str, status: int) -> None:
        self._same_time()
        self.halo.change_ticket(self.ticket(key)["id"], status_id=status, agent_id=3)

    def writes(self) -> list[str]:
        return [request.path for request in self.halo.requests if is_write(request)]

    def lists(self) -> list[str]:
        return [request.path for request in self.halo.requests if request.method == "GET"]


def dies_at(run: ProjectRun, call: str, *, after: bool = True) -> None:
    """The run ends as by Ctrl-C at its first such call to Halo, after or before that is done."""
    real = getattr(run._instance, call)

    def dies(*arguments: Any) -> None:
        if after:
            real(*arguments)
        raise KeyboardInterrupt

    setattr(run._instance, call, dies)


def is_write(request: Any) -> bool:
    return request.method != "GET" and "token" not in request.path


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with emulated_halo() as running:
        yield running


@pytest.fixture
def scene(store: str, halo: HaloEmulator) -> Scene:
    return Scene(halo)


@pytest.fixture
def new_scene(store: str) -> Iterator[Callable[[], Scene]]:
    """Makes scenes, each with a Halo of its own, in one store."""
    running: list[HaloEmulator] = []

    def make() -> Scene:
        for halo in running:
            halo.stop()
        running.append(emulated_halo().start())
        return Scene(running[-1], name=f"p{len(running)}")

    yield make
    for halo in running:
        halo.stop()
