"""Writing a project's tickets to Halo, and a run when nothing or little has changed: requests, time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import requests
from django.utils import timezone

from halo_emulator import HaloEmulator
from tools.bench.measure import Figure, Result, ratio

from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.secrets import seal
from remediation.tickets.run import ProjectRun

from .child import Side, Taken, taken, told
from .database import server
from .findings import EACH, snapshot

SIZES = (10_000, 100_000, 1_000_000)
_GOAL = 1.1
_PAGE = 100
_BEYOND = 3
# So many tickets are changed by people before the last run, at most.
_CHANGED = 250
_HOUR = 3600
_AGAIN = ("again", "nothing changed", "some changed")
_STATUSES = ((40, "Awaiting Verification"), (41, "Remediated"), (42, "Closed - Won't Fix"), (43, "Closed - Exception"))


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, most = ((1_000, 10_000), 1) if quick else (SIZES, 3)
    result = Result(
        "sync",
        "Tickets in Halo",
        f"A run of a project over so many findings, of which {EACH} are under each solution, against the stand-in Halo "
        "in another process: first; an hour later, which reads what the first has made; after another hour, when "
        f"nothing has changed; and when people have changed up to {_CHANGED} tickets. Each run is a fresh process; "
        f"{most} times, at {sizes[-1]:,} once. Requests of the first run are all but those by which it looks its "
        "references up before it creates anything. The floor of the first run: a bare requests.Session that posts as "
        "many tickets, one after the other. Long lists: solutions are on more assets than a text names, so that each "
        "ticket gets a file with all of them, and a comment about it.",
    )
    with server() as postgres:
        for size, long_lists in [(size, False) for size in sizes] + [(sizes[0], True)]:
            sides: dict[str, list[Taken]] = {name: [] for name in ("first", "floor", *_AGAIN)}
            counts: list[dict[str, float]] = []
            for _ in range(1 if size == sizes[-1] else most):
                with postgres.database() as address, _halo() as halo:
                    counts.append(_round(halo, size, long_lists, address, sides))
            _tell(result, f"{size:,}{', long lists' if long_lists else ''}", sides, counts)
    return result


def _tell(result: Result, size: str, sides: dict[str, list[Taken]], counts: list[dict[str, float]]) -> None:
    figures = {name: Figure.of([one[name] for one in counts]) for name in counts[0]}
    result.add(f"{size}, first: tickets made", figures["tickets"])
    result.at_most(f"{size}, first: requests for each ticket", figures["each"], _GOAL)
    result.add(f"{size}, first: requests that look references up", figures["looked up"])
    told(result, f"{size}, first", sides["first"])
    walls = [[one.wall for one in sides[name]] for name in ("first", "floor")]
    result.add(f"{size}, first: wall clock of the floor", Figure.of(walls[1]), "s")
    result.add(f"{size}, first: wall clock / floor", ratio(*walls))
    for name in _AGAIN:
        result.at_most(f"{size}, {name}: writes", figures[f"{name}: writes"], 0)
        most = -(-figures[f"{name}: changes"].median // _PAGE) + _BEYOND
        result.at_most(f"{size}, {name}: requests that read", figures[f"{name}: reads"], most)
        told(result, f"{size}, {name}", sides[name])


def _round(
    halo: HaloEmulator, size: int, long_lists: bool, address: str, sides: dict[str, list[Taken]]
) -> dict[str, float]:
    """All runs against one Halo; how many requests each has sent."""
    where = [halo.resource_server, halo.auth_server, halo.client_id, halo.client_secret]
    taken("sync", "prepared", size, long_lists, *where, database=address)
    before = len(halo.tickets)
    halo.forget_requests()
    sides["first"].append(taken("sync", "ran", 0, database=address))
    sent = [entry for entry in halo.requests if "token" not in entry.path]
    made = len(halo.tickets) - before
    creates = [place for place, entry in enumerate(sent) if _is_create(entry)]
    looked_up = creates[0]
    if sides["first"][-1].value < made:
        raise RuntimeError(f"a run made {made} tickets and says that it did {sides['first'][-1].value} steps")
    counts = {"tickets": float(made), "each": (len(sent) - looked_up) / made, "looked up": float(looked_up)}
    bodies = [entry.body for entry in sent if _is_create(entry)]
    _an_hour_later(halo)
    counts |= _again(halo, "again", made, address, sides)
    _an_hour_later(halo)
    counts |= _again(halo, "nothing changed", 0, address, sides)
    changed = sorted(number for number, ticket in halo.tickets.items() if ticket.get("parent_id"))[:_CHANGED]
    for number in changed:
        halo.change_ticket(number, summary=f"Changed by a person {number}")
    counts |= _again(halo, "some changed", len(changed), address, sides)
    sides["floor"].append(taken("sync", "posted", *where, bodies[0], made))
    return counts


def _again(
    halo: HaloEmulator, name: str, changes: int, address: str, sides: dict[str, list[Taken]]
) -> dict[str, float]:
    """A run after so many tickets have changed; how many requests it has sent."""
    halo.forget_requests()
    sides[name].append(taken("sync", "ran", halo.clock_offset, database=address))
    sent = [entry for entry in halo.requests if "token" not in entry.path]
    reads = sum(entry.method == "GET" for entry in sent)
    return {
        f"{name}: changes": float(changes),
        f"{name}: writes": float(len(sent) - reads),
        f"{name}: reads": float(reads),
    }


def _an_hour_later(halo: HaloEmulator) -> None:
    """An hour passes, so that what the first run has written is no news any more."""
    halo.clock_offset += _HOUR


def _is_create(entry: Any) -> bool:
    return bool(entry.method == "POST" and entry.path.lower().rstrip("/").endswith("/tickets"))


@contextmanager
def _halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as halo:
        for number, name in _STATUSES:
            halo.lists.statuses.append({"id": number, "name": name, "shortname": name, "type": 0, "sequence": number})
            if number > 40:
                halo.lists.closed_statuses.add(number)
        yield halo


def prepared(size: int, long_lists: bool, api: str, authority: str, client_id: str, secret: str) -> Side:
    """A project over so many findings, with a connection to Halo."""
    seen = snapshot(size, long_lists=long_lists)

    def prepare() -> None:
        names = {"ticket_type": "Vulnerability", "parent_type": "Vulnerability", "closing_agent": "Marcus Okafor"}
        where = {"resource_server": api, "auth_server": authority, "client_id": client_id}
        # Without a limit: it is measured how many requests are sent, and how fast.
        settings = {**names, **where, "requests": 10**9}
        halo = models.Connection.objects.create(name="halo", settings=settings, secret=seal(secret))
        source = models.Source.objects.create(name="weekly", kind="insightvm-report")
        take_in(source, seen)
        chosen = {"min_severity": "none", "most_creates": size}
        models.Project.objects.create(name="bench", slug="bench", connection=halo, source=source, settings=chosen)

    return prepare


def ran(seconds: float) -> Side:
    """A run of the project, so many seconds after now."""
    project = models.Project.objects.get()
    return lambda: len(ProjectRun(project, now=lambda: timezone.now() + timedelta(seconds=seconds)).apply()[1].done)


def posted(api: str, authority: str, client_id: str, secret: str, body: Any, count: int) -> Side:
    """The floor of a first run."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "all"}
    token = requests.post(f"{authority}/token", data=form, timeout=30).json()["access_token"]
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"

    def post() -> None:
        for _ in range(count):
            session.post(f"{api}/Tickets", json=body, timeout=60).raise_for_status()

    return post
