"""The pages over a small and over a large store: their queries must not grow with what is stored."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from tools.bench.measure import Figure, Result, milliseconds

from remediation.store import models
from remediation.store.intake import take_in

from .child import Side, taken
from .database import server
from .findings import EACH, snapshot

SIZES = (10_000, 100_000, 1_000_000)
_GOAL = 3.0
_CALLS = 20
_ROWS = 100
# Of the lists, by their addresses. {place} is that of a vulnerability in the middle of the list of those.
_LISTS = {
    "vulnerabilities": "/vulnerabilities/",
    "vulnerabilities, in the middle": "/vulnerabilities/?order=-severity&after={place}",
    "vulnerabilities, the last ones": "/vulnerabilities/?order=-severity&before=-1~0",
    "vulnerabilities by CVSS": "/vulnerabilities/?order=-cvss",
    "vulnerabilities by EPSS": "/vulnerabilities/?order=-epss",
    "vulnerabilities by EPSS, in the middle": "/vulnerabilities/?order=-epss&after=0.5~0",
    "vulnerabilities in KEV": "/vulnerabilities/?kev=yes",
    "vulnerabilities by first found": "/vulnerabilities/?order=oldest",
    "vulnerabilities of two severities": "/vulnerabilities/?severity=low&severity=medium",
    "vulnerabilities with a word": "/vulnerabilities/?words=attacker",
    "vulnerabilities with a word that none has": "/vulnerabilities/?words=unheard-of",
    "vulnerabilities with a CVE": "/vulnerabilities/?cve=CVE-2026-77",
    "vulnerabilities on a device": "/vulnerabilities/?device=host7.corp.example.com",
    "vulnerabilities, new ones": "/vulnerabilities/?new=7",
    "vulnerabilities, overdue ones": "/vulnerabilities/?overdue=yes",
    "vulnerabilities without a ticket": "/vulnerabilities/?ticket=no",
    "a vulnerability": "/vulnerabilities/{vulnerability}/",
    "differences": "/differences/",
    "remedies": "/remedies/",
    "network": "/network/",
    "network by owner": "/network/?by=owner_tags",
    "the register": "/register/",
    "devices": "/devices/",
    "devices by name": "/devices/?order=name",
    "the device of a name": "/devices/?name=host77.corp",
    "devices with a name": "/devices/?name=host",
    "devices with a tag": "/devices/?tag=team-7",
    "a device": "/devices/{device}/",
}


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((1_000, 10_000), 2) if quick else (SIZES, 3)
    result = Result(
        "pages",
        "Pages over a large store",
        "Each page as Django answers it to somebody who has signed in, template and all, without a web server: "
        "the overview, projects, and lists with their filters, at their beginning, middle and end; each "
        f"{_CALLS} times in a fresh process, {rounds} times in turn over all sizes. A store of so many findings has a "
        "hundredth as many tickets "
        "and steps. The floor is the same page over the smallest store.",
    )
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    with server() as postgres:
        for size in sizes:
            postgres.make(f"stored_{size}", "migrated")
            taken("pages", "stored", size, database=postgres.address(f"stored_{size}"))
        for _ in range(rounds):
            for size in sizes:
                address = postgres.address(f"stored_{size}")
                found[size].append(taken("pages", "asked", size, database=address).value)
    least = sizes[0]
    for page in found[least][0]:
        floor = [one[page] for one in found[least]]
        result.add(f"{page}, {least:,}", milliseconds(floor), "ms")
        for size in sizes[1:]:
            ours = [one[page] for one in found[size]]
            result.add(f"{page}, {size:,}", milliseconds(ours), "ms")
            ratios = Figure.of([large / small for large, small in zip(ours, floor)])
            result.at_most(f"{page}, {size:,} / {least:,}", ratios, _GOAL)
    return result


def stored(size: int) -> Side:
    """Fills a store: a source with so many findings, and two projects with a hundredth as many tickets and steps. The
    plan of the one was carried out, that of the other is held."""
    seen = snapshot(size)

    def fill() -> None:
        source = models.Source.objects.create(name="weekly", kind="insightvm-report")
        take_in(source, seen)
        halo = models.Connection.objects.create(name="halo")
        for slug, is_held in (("done", False), ("held", True)):
            project = models.Project.objects.create(name=slug, slug=slug, connection=halo, source=source)
            _planned(project, max(size // EACH, 1), is_held)
            models.Run.objects.create(project=project, kind="project", finished=timezone.now(), outcome="done")
        with connection.cursor() as cursor:
            # One in 200 is in KEV, as in 2025.
            cursor.execute(
                "UPDATE store_enrichment SET known_epss = vulnerability_id % 1000 / 1000.0, feed_epss = known_epss, "
                "kev = vulnerability_id % 200 = 0, kev_due = CASE WHEN vulnerability_id % 200 = 0 THEN now()::date END"
            )
            # One in a hundred, everywhere: what a filter for few rows has to find.
            cursor.execute("UPDATE store_finding SET state = 'unconfirmed' WHERE vulnerability LIKE '%07'")
            cursor.execute("ANALYZE")

    return fill


def _planned(project: models.Project, count: int, is_held: bool) -> None:
    plan = models.Plan.objects.create(project=project, held=is_held)
    state, result = ("waiting", {"said": "held until somebody approves"}) if is_held else ("done", {"ticket": 1})
    now = timezone.now()
    rows = [
        models.Step(
            plan=plan,
            position=number,
            key=f"vendor-update-{number}/1/create/0123456789",
            kind="create",
            reason="100 open on 35 assets; critical, due 2026-12-01; default assignment",
            body={"summary": f"Install update {number}", "details": "Install it. " * 60},
            evidence={"assets": [f"host{place}.corp.example.com" for place in range(35)]},
            state=state,
            result=result,
            at=now,
        )
        for number in range(count)
    ]
    models.Step.objects.bulk_create(rows, batch_size=1000)
    if not is_held:
        tickets = [
            models.Ticket(
                project=project,
                key=f"vendor-update-{number}",
                reference=f"remediation:{project.slug}:vendor-update-{number}:1",
                halo_id=number + 1,
                title=f"Install update {number}",
                status="Not Started",
                note={"told": {f"{place}|vendor-cve-2026-{number}": "open" for place in range(EACH)}},
                assets=[str(place) for place in range(EACH)],
                vulnerabilities=[f"vendor-cve-2026-{number}"],
            )
            for number in range(count)
        ]
        models.Ticket.objects.bulk_create(tickets, batch_size=1000)
    # The newest plan of the one that was carried out is empty, as a converged project's is.
    if not is_held:
        models.Plan.objects.create(project=project, made=now + timedelta(seconds=1))


def asked(size: int) -> Side:
    """The median of the seconds of each page."""
    settings.SECRET_KEY = secrets.token_hex()
    person = Client(headers={"host": "localhost"})
    person.force_login(User.objects.get_or_create(username="anna")[0])
    last = -(-max(size // EACH, 1) // _ROWS)
    pages: dict[str, Callable[[], object]] = {
        "overview": lambda: _page(person, "/"),
        "project, first page": lambda: _page(person, "/projects/done/"),
        "project, last page of tickets": lambda: _page(person, f"/projects/done/?tickets={last}"),
        "held project, last page of steps": lambda: _page(person, f"/projects/held/?steps={last}"),
        **{name: partial(_page, person, address.format_map(_places())) for name, address in _LISTS.items()},
    }
    return lambda: {name: _seconds(page) for name, page in pages.items()}


def _places() -> dict[str, object]:
    """A vulnerability in the middle of the list, its place there, and a device."""
    ids = models.Vulnerability.objects.filter(alive__gt=0).order_by("-rank", "-pk").values_list("rank", "pk")
    rank, number = ids[ids.count() // 2]
    device = models.Device.objects.order_by("pk").values_list("pk", flat=True).first()
    return {"place": f"{rank}~{number}", "vulnerability": number, "device": device}


def _page(person: Client, address: str) -> None:
    answer = person.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} was answered with {answer.status_code}")


def _seconds(page: Callable[[], object]) -> float:
    page()
    seconds = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        page()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
