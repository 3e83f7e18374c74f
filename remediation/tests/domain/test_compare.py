"""Two snapshots compared: what came, went and changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.compare import COMPARED, compare
from remediation.domain.snapshot import ASSETS, COVERAGE, FINDINGS, Proof, Snapshot

T = datetime(2026, 11, 20, 1, tzinfo=UTC)
PLAIN = {
    "asset": "a1",
    "vulnerability": "v1",
    "title": "Title",
    "severity": "high",
    "cvss": 8.1,
    "risk": 500.0,
    "exploits": 1,
    "cves": ["CVE-2026-1"],
    "solution": "s1",
    "instances": 2,
    "first_found": T,
    "last_found": T,
    "reintroduced": None,
}


def finding(**changes: Any) -> dict[str, Any]:
    return PLAIN | changes


def snapshot(*findings: dict[str, Any], covered: tuple[str, ...] = ("a1", "a2")) -> Snapshot:
    return Snapshot(
        T,
        Proof.SCAN,
        pl.DataFrame(list(findings), schema=FINDINGS),
        pl.DataFrame(schema=ASSETS),
        pl.DataFrame([{"asset": asset} for asset in covered], schema=COVERAGE),
    )


def keys(frame: pl.DataFrame) -> list[str]:
    return [f"{asset} {vulnerability}" for asset, vulnerability in frame.select("asset", "vulnerability").iter_rows()]


def test_what_came_and_what_went() -> None:
    before = snapshot(finding(), finding(vulnerability="v2"), finding(asset="a3"))
    after = snapshot(finding(), finding(asset="a2", severity="low"), finding(vulnerability="v0"))
    found = compare(before, after)
    assert keys(found.came) == ["a1 v0", "a2 v1"]
    assert keys(found.went) == ["a1 v2", "a3 v1"]
    assert found.went["covered"].to_list() == [True, False], "a3 is not covered any more"
    assert found.changed.is_empty()
    assert found.counts() == {
        "came": {"critical": 0, "high": 1, "medium": 0, "low": 1, "none": 0},
        "went": {"critical": 0, "high": 2, "medium": 0, "low": 0, "none": 0},
        "changed": {"critical": 0, "high": 0, "medium": 0, "low": 0, "none": 0},
    }


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        # What changes with every scan and every day is no change of the finding.
        ({"last_found": T.replace(day=27), "risk": 501.0, "first_found": None}, []),
        ({"title": "Another wording", "cves": []}, []),
        ({"severity": "critical", "cvss": 9.8}, ["severity", "cvss"]),
        ({"cvss": None}, ["cvss"]),
        ({"exploits": 2}, ["exploits"]),
        ({"solution": "s2"}, ["solution"]),
        ({"instances": 3}, ["instances"]),
        ({"reintroduced": T}, ["reintroduced"]),
    ],
)
def test_what_counts_as_a_change(changes: dict[str, Any], names: list[str]) -> None:
    found = compare(snapshot(finding()), snapshot(finding(**changes)))
    assert found.changed["changes"].to_list() == ([names] if names else [])
    assert found.came.is_empty() and found.went.is_empty()
    # From and to nothing as well.
    back = compare(snapshot(finding(**changes)), snapshot(finding()))
    assert back.changed["changes"].to_list() == ([names] if names else [])


def test_a_change_is_shown_as_it_is_now() -> None:
    found = compare(snapshot(finding(severity="low")), snapshot(finding(severity=None)))
    assert found.changed.to_dicts() == [
        {
            "asset": "a1",
            "vulnerability": "v1",
            "title": "Title",
            "severity": None,
            "solution": "s1",
            "changes": ["severity"],
        }
    ]
    assert found.counts()["changed"]["none"] == 1


def test_a_finding_counts_once_whatever_the_order_of_its_rows() -> None:
    twice = (finding(solution="s1"), finding(solution="s2"))
    found = compare(snapshot(*twice), snapshot(*reversed(twice)))
    assert found.changed.is_empty()
    assert compare(snapshot(), snapshot(*twice)).came.height == 1


def test_nothing_against_nothing() -> None:
    found = compare(snapshot(covered=()), snapshot(covered=()))
    assert (found.came.height, found.went.height, found.changed.height) == (0, 0, 0)


KEYS = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), st.sampled_from([1, 2, None]))


@given(KEYS, KEYS)
def test_every_finding_is_in_the_part_where_it_belongs(
    before: dict[tuple[str, str], int | None], after: dict[tuple[str, str], int | None]
) -> None:
    old, new = (
        snapshot(*(finding(asset=a, vulnerability=v, instances=count) for (a, v), count in said.items()))
        for said in (before, after)
    )
    found = compare(old, new)
    assert set(keys(found.came)) == {f"{a} {v}" for a, v in after.keys() - before.keys()}
    assert set(keys(found.went)) == {f"{a} {v}" for a, v in before.keys() - after.keys()}
    both = before.keys() & after.keys()
    assert set(keys(found.changed)) == {f"{a} {v}" for a, v in both if before[a, v] != after[a, v]}
    assert set(COMPARED) >= {name for names in found.changed["changes"] for name in names}
