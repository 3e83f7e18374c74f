"""Which tickets are about one device or one solution: the database's answer, and the same asked row by row."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from remediation.domain.consolidation import About
from remediation.domain.ticket import pair_text
from remediation.store import models
from remediation.store.consolidation import suggestion_on, suggestion_with, suggestions

DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)
ASSETS, VULNERABILITIES = ("a", "b|c", "d\\", "é"), ("v1", "v2", "v3", "v4")
# v3 has two solutions, on different devices.
REMEDIES = {"s1": ["v1", "v2"], "s2": ["v3"], "s3": ["v3", "v4"]}
ASIDE = ("paused", "detached", "missing")


@pytest.fixture
def projects(store: str) -> list[models.Project]:
    """Of two sources and two connections, of each granularity. The first two assets of both sources are two devices,
    of which the second has two assets of the first source; the last asset is of no device."""
    devices = [models.Device.objects.create(name=f"device {number}") for number in (1, 2)]
    made = []
    halos = [models.Connection.objects.create(name=name) for name in ("one", "two")]
    for name in ("first", "second"):
        source = models.Source.objects.create(name=name, kind="insightvm")
        of = (devices[0], devices[1], devices[1], None)
        for asset, device in zip(ASSETS, of):
            models.Asset.objects.create(source=source, asset=asset, device=device)
        for remedy, vulnerabilities in REMEDIES.items():
            counts = {"findings": 1, "assets": 1, "critical": 1, "high": 0, "medium": 0, "low": 0, "none": 0}
            models.Remedy.objects.create(source=source, remedy=remedy, vulnerabilities=vulnerabilities, **counts)
        for granularity in ("solution", "solution-owner", "asset", "vulnerability", ""):
            slug = f"{name}-{granularity}"
            halo = halos[granularity == "asset" and name == "second"]
            settings = {"granularity": granularity} if granularity else {}
            made.append(
                models.Project.objects.create(name=slug, slug=slug, connection=halo, source=source, settings=settings)
            )
    return made


def ticket(project: models.Project, number: int, chance: random.Random) -> models.Ticket:
    assets = chance.sample(ASSETS, chance.choice((1, 1, 1, 2, 2, 4)))
    vulnerabilities = chance.sample(VULNERABILITIES, chance.choice((1, 1, 2)))
    pairs = [(asset, name) for asset in assets for name in vulnerabilities]
    note: dict[str, Any] = {
        "told": {pair_text(pair): chance.choice(("open", "open", "unconfirmed", "remediated")) for pair in pairs}
    }
    aside = chance.choice((*ASIDE, *("",) * 15))
    if aside:
        note[aside] = "anna"
    by_solution = project.settings.get("granularity", "solution") == "solution"
    return models.Ticket.objects.create(
        project=project,
        key=chance.choice(list(REMEDIES)) if by_solution else f"k{number - chance.choice((0, 0, 0, 1))}",
        generation=number,
        reference=f"r{number}",
        halo_id=number if chance.random() < 0.9 else None,
        kind=chance.choice(("child",) * 9 + ("parent",)),
        status=chance.choice((*("Not Started", "In Progress", "Awaiting Verification") * 3, "Remediated", "")),
        created=DAY + timedelta(days=chance.randrange(3)),
        note=note,
        assets=[] if aside == "detached" else sorted(assets),
        vulnerabilities=[] if aside == "detached" else sorted(vulnerabilities),
    )


def is_open(row: models.Ticket) -> bool:
    later = models.Ticket.objects.filter(project=row.project, key=row.key, generation__gt=row.generation)
    return (
        row.halo_id is not None
        and row.kind == "child"
        and row.status in ("Not Started", "In Progress", "Awaiting Verification")
        and not later.exists()
        and not any(word in row.note for word in ASIDE)
        and alive(row) > 0
    )


def alive(row: models.Ticket) -> int:
    return sum(state in ("open", "unconfirmed") for state in row.note["told"].values())


def subjects(row: models.Ticket) -> list[tuple[str, str]]:
    """What a ticket is about."""
    found = []
    devices = {models.Asset.objects.get(source=row.project.source, asset=asset).device_id for asset in row.assets}
    if len(devices) == 1 and None not in devices:
        found.append(("device", str(devices.pop())))
    granularity = row.project.settings.get("granularity", "solution")
    if granularity == "solution":
        return [*found, ("solution", f"{row.project.source_id}:{row.key}")]
    remedies = {name for name, some in REMEDIES.items() for one in row.vulnerabilities if one in some}
    several = any(sum(one in some for some in REMEDIES.values()) > 1 for one in row.vulnerabilities)
    if granularity != "solution-owner" and len(remedies) == 1 and not several:
        found.append(("solution", f"{row.project.source_id}:{remedies.pop()}"))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_tickets_of_each_device_and_solution(projects: list[models.Project], seed: int) -> None:
    chance = random.Random(seed)
    for number in range(1, 61):
        ticket(chance.choice(projects), number, chance)
    groups: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    rows = {row.pk: row for row in models.Ticket.objects.select_related("project__source") if is_open(row)}
    for row in rows.values():
        for about, subject in subjects(row):
            groups[about, subject, row.project.connection_id].add(row.pk)
    several = {key: some for key, some in groups.items() if len(some) > 1}
    wanted = {
        key: some
        for key, some in several.items()
        if not any(some < other for other in several.values())
        and not (key[0] == "device" and any(some == other for name, other in several.items() if name[0] == "solution"))
    }
    found = {(one.about.value, one.subject, one.connection): one for one in suggestions() if one.tickets}
    assert {key: set(one.tickets) for key, one in found.items()} == wanted
    assert {about for about, _, _ in wanted} == {"device", "solution"}, "it asks for something"
    for one in found.values():
        mine = [rows[number] for number in one.tickets]
        assert one.findings == sum(map(alive, mine))
        assert mine[0] == min(mine, key=lambda row: (-alive(row), row.created, row.pk))
    # The pages of a device and of a solution ask for their own only.
    for device in models.Device.objects.all():
        shown = suggestion_on(device)
        there = [some for key, some in several.items() if key[:2] == ("device", str(device.pk))]
        assert (set(shown.tickets) if shown else None) in (there or [None])
        assert shown is None or shown.about is About.DEVICE
    for remedy in models.Remedy.objects.all():
        shown = suggestion_with(remedy)
        subject = f"{remedy.source_id}:{remedy.remedy}"
        there = [some for key, some in several.items() if key[:2] == ("solution", subject)]
        assert (set(shown.tickets) if shown else None) in (there or [None]), remedy.remedy
