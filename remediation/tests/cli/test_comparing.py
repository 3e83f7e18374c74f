"""``source compare``: the counts that it prints, and the snapshots that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.store import models


@pytest.fixture
def weekly(line: Any) -> list[int]:
    """The numbers of three snapshots."""
    for name, found in (
        ("one.csv", ("1 v1 s1", "2 v1 s1", "2 v2 s2")),
        ("two.csv", ("1 v1 s1", "2 v1 s9")),
        ("three.csv", ("1 v1 s1", "1 v3 s3", "1 v4 s4")),
    ):
        words = ("import", line.report(name, *found), "--source", "weekly", "--accept-coverage")
        assert line(*words).code == 0
    return list(models.SnapshotRecord.objects.order_by("pk").values_list("pk", flat=True))


def counts(value: Any) -> dict[str, int]:
    assert all(sum(value["counts"][kind].values()) == len(value[kind]) for kind in value["counts"])
    return {kind: sum(by_severity.values()) for kind, by_severity in value["counts"].items()}


def test_the_last_two_or_any_two(line: Any, weekly: list[int]) -> None:
    first, second, third = weekly
    last = line("source", "compare", "weekly", "--json").json
    assert (last["before"]["id"], last["after"]["id"]) == (second, third)
    assert counts(last) == {"came": 2, "went": 1, "changed": 0}
    # The report has no rows for device 2 any more, so that nothing is known of it.
    assert [(row["asset"], row["vulnerability"], row["covered"]) for row in last["went"]] == [("2", "v1", False)]
    early = line("source", "compare", "weekly", str(first), str(second), "--json").json
    assert counts(early) == {"came": 0, "went": 1, "changed": 1}
    assert [(row["asset"], row["changes"]) for row in early["changed"]] == [("2", ["solution"])]
    assert [row["covered"] for row in early["went"]] == [True]
    back = line("source", "compare", "weekly", str(third), str(second), "--json").json
    assert counts(back) == {"came": 1, "went": 2, "changed": 0}


def test_people_read_counts_by_severity(line: Any, weekly: list[int]) -> None:
    said = line("source", "compare", "weekly")
    assert said.code == 0
    assert "  2 came: 2 high\n  1 went: 1 high\n  0 changed\n" in said.out
    assert "Of those that went, 1 are on assets that the later one does not cover." in said.out


def test_what_cannot_be_compared(line: Any, weekly: list[int]) -> None:
    models.SnapshotRecord.objects.filter(pk=weekly[0]).update(frames=None)
    old = line("source", "compare", "weekly", str(weekly[0]), str(weekly[2]))
    assert old.code == 4 and f"keeps no snapshot {weekly[0]}" in old.err and f"{weekly[1]}, {weekly[2]}" in old.err
    assert line("source", "compare", "weekly", str(weekly[1])).code == 4
    models.SnapshotRecord.objects.filter(pk=weekly[1]).update(frames=None)
    few = line("source", "compare", "weekly")
    assert few.code == 4 and "has 1 kept snapshots" in few.err
    assert line("source", "compare", "nobody").code == 4
