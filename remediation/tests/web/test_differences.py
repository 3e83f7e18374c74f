"""What changed between two moments: each number as the ledger itself tells it, copied at each of these moments."""

from __future__ import annotations

import csv
import html
import io
import random
import re
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from django.test import Client

from remediation.domain.difference import Difference
from remediation.domain.snapshot import SEVERITIES, Snapshot
from remediation.store import differences as asked
from remediation.store import models
from remediation.store.acceptances import accept, recount
from remediation.store.fix_times import fix_times
from remediation.store.intake import take_in
from remediation.store.recurring import recurring

from ..store.scans import scan

DAY = datetime(2026, 11, 1, 1, 0, tzinfo=timezone.utc)
Key = tuple[int, str, str]
Ledger = Mapping[Key, tuple[str, str | None]]
NAMES = [f"{severity}-{number}" for severity in ("critical", "high", "medium", "low") for number in range(4)]


def ledger() -> Ledger:
    rows = models.Finding.objects.values_list("source_id", "asset", "vulnerability", "state", "solution")
    return {(source, asset, name): (state, solution) for source, asset, name, state, solution in rows}


def alive(of: Ledger, key: Key) -> bool:
    return of.get(key, ("", None))[0] in ("open", "unconfirmed")


def became(before: Ledger, after: Ledger) -> dict[Key, str]:
    """What became of each finding, by two copies of the ledger, one by one."""
    device = dict(
        ((source, asset), number)
        for source, asset, number in models.Asset.objects.values_list("source_id", "asset", "device_id")
    )
    kinds: dict[Key, str] = {}
    for key, (state, solution) in after.items():
        was, there = alive(before, key), alive(after, key)
        if there and not was:
            kinds[key] = "back" if key in before else "new"
        elif was and not there:
            kinds[key] = "fixed" if state == "remediated" else "gone"
        elif was and there and before[key][1] != solution:
            kinds[key] = "moved"
        elif was and there and before[key][0] == "open" and state == "unconfirmed":
            kinds[key] = "unseen"
        elif was and there:
            kinds[key] = "still"
    for source, asset, name in sorted(kinds):
        if kinds.get((source, asset, name)) not in ("new", "back"):
            continue
        mine = device[source, asset]
        same = [
            key
            for key in sorted(kinds)
            if (key[0], key[2]) == (source, name) and device[key[:2]] == mine and kinds[key] in ("fixed", "gone")
        ]
        if same:
            kinds[source, asset, name] = "moved"
            del kinds[same[0]]
    return kinds


@pytest.fixture
def world(store: str) -> list[Ledger]:
    """The ledger before anything and after each of eight days: two sources, things that come, go, come back, move to
    another solution and to another asset of the same name, with poor credentials, and devices that leave."""
    chance = random.Random(17)
    sources = [models.Source.objects.create(name=name, kind="insightvm") for name in ("console", "other")]
    copies: list[Ledger] = [ledger()]
    for day in range(8):
        for source in sources:
            take_in(source, _scan(chance, day), accept=True)
        copies.append(ledger())
    models.Asset.objects.filter(asset__in=["a1", "a2"]).update(owner_tags=["Ann", "Ben"])
    models.Asset.objects.filter(asset__in=["a3"]).update(owner_tags=["Ann"])
    return copies


def _scan(chance: random.Random, day: int) -> Snapshot:
    assets = ["a1", "a2", "a3"] + (["a4"] if day < 5 else ["a4-again"]) + (["a5"] if day % 3 else [])
    found = {asset: [name for name in NAMES if chance.random() < 0.5] for asset in assets}
    seen = scan(found, DAY + timedelta(days=day))
    other = pl.col("vulnerability").str.ends_with("1") if day >= 3 else pl.lit(False)
    poor = pl.when(pl.col("asset") == ("a2" if day % 2 else "")).then(1).otherwise("credentials").cast(pl.Int64)
    return replace(
        seen,
        findings=seen.findings.with_columns(
            pl.when(other).then(pl.lit("another fix")).otherwise("solution").alias("solution")
        ),
        coverage=seen.coverage.with_columns(poor.cast(seen.coverage.schema["credentials"]).alias("credentials")),
        assets=seen.assets.with_columns(pl.col("host_name").str.replace("-again", "")),
    )


def day_of(number: int) -> date:
    """The day after which the world was as in copy ``number``."""
    return (DAY + timedelta(days=number - 1)).date()


def test_each_number_is_that_of_two_copies_of_the_ledger(world: list[Ledger]) -> None:
    for first, second in combinations(range(9), 2):
        the_numbers_are_those_of(world, first, second)


def the_numbers_are_those_of(world: list[Ledger], first: int, second: int) -> None:
    kinds = became(world[first], world[second])
    window = asked.between_days(day_of(first), day_of(second))
    with asked.differences(window):
        lines, devices, owners = asked.by_severity(window), asked.by_device(window), asked.by_owner(window)
    severity = Counter((name.split("-")[0], kind) for (_, _, name), kind in kinds.items())
    for line in lines:
        assert line.still == severity[line.name, "still"], line.name
        for kind in Difference:
            assert line.counts.get(kind.value, 0) == severity[line.name, kind.value], (line.name, kind)
    assets = {(one.source_id, one.asset): one for one in models.Asset.objects.all()}
    by_device = Counter((assets[key[:2]].device_id, kind) for key, kind in kinds.items())
    changed = {number for (number, kind), _ in by_device.items() if kind != "still"}
    assert {line.of for line in devices} == changed
    for line in devices:
        told = {**line.counts, "still": line.still}
        assert all(told[kind] == by_device[line.of, kind] for kind in told), line
    by_owner = Counter((owner, kind) for key, kind in kinds.items() for owner in assets[key[:2]].owner_tags or [""])
    assert {line.name for line in owners} == {owner for (owner, kind), _ in by_owner.items() if kind != "still"}
    for line in owners:
        told = {**line.counts, "still": line.still}
        assert all(told[kind] == by_owner[line.name, kind] for kind in told), line


def test_all_kinds_are_in_that_world(world: list[Ledger]) -> None:
    found = {kind for first in range(8) for kind in became(world[first], world[first + 1]).values()}
    assert found == {*(kind.value for kind in Difference), "still"}


def rows_of(client: Client, address: str) -> list[dict[str, str]]:
    page = client.get(address)
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(b"".join(page.streaming_content).decode())))  # type: ignore[attr-defined]


def test_the_file_has_each_finding_once_and_the_page_the_same_numbers(world: list[Ledger], person: Client) -> None:
    kinds = became(world[2], world[6])
    address = f"/differences/days/{day_of(2)}/{day_of(6)}/"
    columns = "columns=title&columns=kind&columns=source&columns=name"
    told = rows_of(person, f"{address}?export=csv&{columns}")
    words = {"new": "New", "back": "Back again", "moved": "Moved", "unseen": "No longer seen, not proved"}
    words |= {"fixed": "Fixed", "gone": "Excepted or out of coverage"}
    names = {(one.source_id, one.asset): (one.source.name, one.host_name) for one in models.Asset.objects.all()}
    wanted = Counter((key[2], words[kind], *names[key[:2]]) for key, kind in kinds.items() if kind in words)
    assert Counter((one["Vulnerability"], one["What"], one["Source"], one["Device"]) for one in told) == wanted
    page = html.unescape(re.sub(r"<[^>]*>", "", person.get(address).content.decode()))
    for kind, word in words.items():
        assert f"{Counter(kinds.values())[kind]} {word}" in page
    assert f"{Counter(kinds.values())['still']} Still there" in page
    printed = person.get(f"{address}print").content.decode()
    assert printed.rpartition("<tbody>")[2].count("<tr>") == len(told) and "<form" not in printed
    only = rows_of(person, f"{address}?export=csv&columns=kind&columns=severity&kind=fixed&severity=high")
    fixed = sum(kind == "fixed" and key[2].startswith("high") for key, kind in kinds.items())
    assert len(only) == fixed > 0 and {one["What"] for one in only} == {"Fixed"}


def test_of_one_source_and_between_two_of_its_snapshots(world: list[Ledger], person: Client) -> None:
    source = models.Source.objects.get(name="other")
    kinds = {key: kind for key, kind in became(world[3], world[7]).items() if key[0] == source.pk}
    changed = sum(kind != "still" for kind in kinds.values())
    numbers = list(source.snapshots.order_by("pk").values_list("pk", flat=True))
    for address in (
        f"/differences/days/{day_of(3)}/{day_of(7)}/?source={source.pk}&export=csv",
        f"/differences/snapshots/{numbers[2]}/{numbers[6]}/?export=csv",
    ):
        assert len(rows_of(person, address)) == changed


def test_a_risk_that_is_accepted_today_counts_neither_before_nor_after(world: list[Ledger]) -> None:
    source = models.Source.objects.get(name="console")
    of = {"asset": None, "solution": None, "vulnerability": "high-1"}
    accept(source, **of, reason="old", until=date(2999, 1, 1), by="lead")  # type: ignore[arg-type]  # two are None
    recount(source.pk, date.today())
    kinds = {key: kind for key, kind in became(world[2], world[8]).items() if (key[0], key[2]) != (source.pk, "high-1")}
    window = asked.between_days(day_of(2), day_of(8))
    with asked.differences(window):
        lines = {line.name: line for line in asked.by_severity(window)}
    high = Counter(kind for key, kind in kinds.items() if key[2].startswith("high"))
    assert lines["high"].still == high["still"]
    assert {kind.value: high[kind.value] for kind in Difference} == dict(lines["high"].counts)


def test_a_file_has_no_formula(store: str, person: Client) -> None:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({"web": ["critical-1"]}, DAY))
    models.Vulnerability.objects.update(title="=HYPERLINK(1)")
    told = rows_of(person, f"/differences/days/2026-10-01/{DAY.date()}/?export=csv")
    assert [one["Vulnerability"] for one in told] == ["'=HYPERLINK(1)"]


def test_the_choice_leads_to_the_difference(world: list[Ledger], person: Client) -> None:
    source = models.Source.objects.get(name="console")
    older, newer = source.snapshots.order_by("-pk").values_list("pk", flat=True)[1], source.snapshots.latest("pk").pk
    for given, there in (
        ({"since": "2026-11-01", "until": "2026-11-03"}, "/differences/days/2026-11-01/2026-11-03/"),
        ({"since": "2026-11-01", "until": "2026-11-03", "source": source.pk}, f"-03/?source={source.pk}"),
        ({"before": newer, "after": older}, f"/differences/snapshots/{older}/{newer}/"),
    ):
        answer = person.get("/differences/", given)
        assert answer.status_code == 302 and answer.headers["Location"].endswith(there)
    another = models.SnapshotRecord.objects.exclude(source=source).latest("pk").pk
    for wrong in (
        {"since": "2026-11-03", "until": "2026-11-01"},
        {"since": "x", "until": "2026-11-01"},
        {"before": older, "after": another},
        {"before": older, "after": older},
    ):
        assert person.get("/differences/", wrong).status_code == 400, wrong
    for address in ("days/2026-11-03/2026-11-01", "days/x/y", f"snapshots/{older}/{another}", "snapshots/1/999"):
        assert person.get(f"/differences/{address}/").status_code == 404, address


def test_too_much_to_compare_is_said(world: list[Ledger], person: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "PATIENCE", 0.001)
    address = f"/differences/days/{day_of(0)}/{day_of(8)}/"
    page = person.get(address)
    assert page.status_code == 503 and b"more changed than can be compared" in page.content
    assert len(rows_of(person, f"{address}?export=csv")) == sum(
        kind != "still" for kind in became(world[0], world[8]).values()
    )


def test_what_comes_back_most_often_and_how_long_fixing_takes(world: list[Ledger], person: Client) -> None:
    back: Counter[Key] = Counter()
    days: dict[str, list[float]] = {}
    began: dict[Key, datetime] = {}
    for one in models.Observation.objects.order_by("pk").select_related("snapshot"):
        key = (one.source_id, one.asset, one.vulnerability)
        if one.kind in ("new", "rediscovered"):
            began[key] = one.snapshot.taken
        back[key] += one.kind == "rediscovered"
        if one.kind == "remediated":
            spent = (one.snapshot.taken - began[key]).total_seconds() / 86400
            days.setdefault(one.vulnerability.split("-")[0], []).append(spent)
    most = [count for _, count in back.most_common(5)]
    assert [one.times for one in recurring(5)] == most and most[0] > 1
    found = {one.severity: one for one in fix_times(date(2026, 11, 1))}
    assert list(found) == [name for name in SEVERITIES if name in days]
    for severity, spent in days.items():
        assert found[severity].count == len(spent)
        assert found[severity].median == pytest.approx(statistics.median(spent))
        assert found[severity].most == pytest.approx(statistics.quantiles(spent, n=10, method="inclusive")[8])
    assert not fix_times(date(2026, 12, 1))
    page = person.get("/differences/").content.decode()
    assert f"{most[0]} times" in page


def test_the_charts_show_each_month_and_differ(world: list[Ledger], person: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("remediation.web.differences.chart.MONTHS", 1200)
    images = [person.get(f"/differences/fixed.svg{query}") for query in ("", "?most=1", "?dark=1")]
    for image in images:
        assert image.headers["Content-Type"] == "image/svg+xml" and b"2026-11" in image.content
    assert len({image.content for image in images}) == 3
