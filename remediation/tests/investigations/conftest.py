"""An organisation of InsightIDR and a Halo, both emulated, with the service between them and clocks that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from haloitsm_client import HaloClient
from haloitsm_client.tickets import exactly_once
from remediation.domain.investigation_settings import InvestigationSettings
from remediation.domain.plan import Plan
from remediation.investigations.insightidr import InsightIdr
from remediation.investigations.run import InvestigationRun
from remediation.investigations.source import Details, settings_of, store_source
from remediation.store import models
from remediation.tickets.apply import Outcome
from remediation.tickets.budget import Budget
from stand_ins.insightidr import Idr

START = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
SETTINGS = {"ticket_type": "Incident", "closing_agent": "Marcus Okafor"}
# Agents of Halo's who are users of InsightIDR as well.
MARCUS, PRIYA = "marcus.okafor@halo.example", "priya.raman@halo.example"
NEW, IN_PROGRESS, CLOSED, ON_HOLD = 1, 2, 9, 28


class Desk:
    """One connection and one organisation. ``now`` is the present, on all clocks, and ``halo_ahead`` hours later on
    HaloITSM's."""

    halo_ahead = 0.0

    def __init__(self, halo: HaloEmulator, idr: Idr, name: str = "soc", **how: Any) -> None:
        self.halo = halo
        self.idr = idr
        self.said: list[str] = []
        self.now = START
        self._same_time()
        idr.add_user(MARCUS, "Marcus Okafor")
        idr.add_user(PRIYA, "Priya Raman")
        self.connection = models.Connection.objects.create(
            name=name, settings={**SETTINGS, "resource_server": halo.resource_server}
        )
        self.project = models.Project.objects.create(
            name=f"Investigations of {name}",
            slug=f"investigations-of-{name}",
            connection=self.connection,
            settings={"parent": False},
        )
        self.source = models.InvestigationSource.objects.create(
            name=name,
            project=self.project,
            settings={"url": idr.url, "every": 5, "how": InvestigationSettings(**how).to_table()},
        )

    def _same_time(self) -> None:
        self.halo.clock_offset = (self.now - datetime.now(timezone.utc)).total_seconds() + self.halo_ahead * 3600
        self.idr.now = self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)
        self._same_time()

    def how(self, **changes: Any) -> None:
        self.source.refresh_from_db()
        details = Details(self.source.name, self.source.settings["url"])
        chosen = InvestigationSettings.from_table({**settings_of(self.source).to_table(), **changes})
        store_source(details, chosen, "", self.source, now=lambda: self.now)

    def client(self, connection: models.Connection, before_request: Callable[[], None]) -> HaloClient:
        """A client that knows nothing of those before it, which may have had another Halo at the same port."""
        exactly_once._REGISTRIES.clear()
        budget = Budget(connection, lambda: self.now)
        return HaloClient(
            client_id=self.halo.client_id,
            client_secret=self.halo.client_secret,
            auth_server=self.halo.auth_server,
            resource_server=self.halo.resource_server,
            clock=lambda: 0.0,
            sleep=self.wait,
            jitter=lambda: 1.0,
            now=lambda: self.now,
            before_request=lambda: (budget.spend(), before_request()),
        )

    def insightidr(self, source: models.InvestigationSource) -> InsightIdr:
        return InsightIdr(
            source.settings["url"],
            self.idr.api_key,
            sleep=self.wait,
            now=lambda: self.now,
            connect_timeout=2.0,
            read_timeout=2.0,
        )

    def wait(self, seconds: float) -> None:
        self.later(seconds=seconds)

    def run(self) -> InvestigationRun:
        """A run as another process would begin it."""
        self.source = models.InvestigationSource.objects.select_related("project__connection").get(pk=self.source.pk)
        return InvestigationRun(
            self.source,
            make_idr=self.insightidr,
            make_client=self.client,
            now=lambda: self.now,
            sleep=self.wait,
            say=self.said.append,
        )

    def look(self, minutes: float = 5) -> tuple[Plan, Outcome]:
        """Some minutes later, a run."""
        self.later(minutes=minutes)
        return self.run().apply()

    def quiet(self) -> None:
        """A run finds nothing to do, and writes nothing."""
        before = len(self.halo.requests), len(self.idr.requests)
        plan, outcome = self.look()
        assert (plan.steps, outcome.done, outcome.failed) == ((), [], {})
        assert not [request for request in self.halo.requests[before[0] :] if is_write(request)]
        assert not [request for request in self.idr.requests[before[1] :] if request[0] != "GET"]

    def investigation(self, rrn: str) -> models.Investigation:
        return models.Investigation.objects.get(rrn=rrn)

    def number(self, rrn: str) -> int:
        ticket = self.investigation(rrn).ticket
        assert ticket is not None and ticket.halo_id is not None
        return ticket.halo_id

    def ticket(self, rrn: str) -> dict[str, Any]:
        return self.halo.tickets[self.number(rrn)]

    def carrying(self, rrn: str) -> list[dict[str, Any]]:
        """The tickets in Halo that carry the RRN as their reference."""
        return [one for one in self.halo.tickets.values() if one.get("third_party_id_string") == rrn]

    def notes(self, rrn: str) -> list[str]:
        """What is written on its ticket, without what Halo writes itself; the oldest first."""
        actions = self.halo.actions[self.number(rrn)][1:]
        return [str(action["note"]) for action in actions if action.get("note") and action.get("who_type") != 0]

    def comments(self, rrn: str) -> list[str]:
        """Those of the investigation, the oldest first."""
        return [comment.body for comment in self.idr.comments(rrn)]


def is_write(request: Any) -> bool:
    return request.method != "GET" and "token" not in request.path


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def idr() -> Iterator[Idr]:
    with Idr() as running:
        yield running


@pytest.fixture
def desk(store: str, halo: HaloEmulator, idr: Idr) -> Desk:
    return Desk(halo, idr)
