"""Which hosts of which site are scanned, and why not, in tables."""

from __future__ import annotations

import pytest

from remediation.domain.rescan import Limits, by_site, is_allowed, refusal, require_hours

ANY = Limits(10, 3, "")


@pytest.mark.parametrize(
    ("hours", "allowed"),
    [
        ("", set(range(24))),
        ("9-17", set(range(9, 17))),
        ("20-6", {20, 21, 22, 23, 0, 1, 2, 3, 4, 5}),
        ("0-24", set(range(24))),
        ("22-24", {22, 23}),
    ],
)
def test_hours(hours: str, allowed: set[int]) -> None:
    require_hours(hours)
    assert {hour for hour in range(24) if is_allowed(hours, hour)} == allowed


@pytest.mark.parametrize("hours", ["at night", "9", "9-9", "25-3", "9-17-20", "-"])
def test_what_are_no_hours(hours: str) -> None:
    with pytest.raises(ValueError, match="Write them as 20-6"):
        require_hours(hours)


@pytest.mark.parametrize(
    ("hosts", "sites", "found", "without"),
    [
        ({}, ["HQ"], {}, []),
        ({"a": ["HQ"], "b": ["HQ"]}, ["HQ"], {"HQ": ("a", "b")}, []),
        # In as few sites as is easy, each host once.
        ({"a": ["HQ", "DMZ"], "b": ["HQ"], "c": ["DMZ"]}, ["HQ", "DMZ"], {"DMZ": ("a", "c"), "HQ": ("b",)}, []),
        ({"a": ["HQ", "DMZ"], "b": ["HQ"]}, ["HQ", "DMZ"], {"HQ": ("a", "b")}, []),
        # A site that the console does not show is none.
        ({"a": ["Paris"], "b": []}, ["HQ"], {}, ["a", "b"]),
        ({"a": ["Paris", "HQ"]}, ["HQ"], {"HQ": ("a",)}, []),
    ],
)
def test_hosts_by_site(
    hosts: dict[str, list[str]], sites: list[str], found: dict[str, tuple[str, ...]], without: list[str]
) -> None:
    assert by_site(hosts, sites) == (found, without)


@pytest.mark.parametrize(
    ("hosts", "is_running", "hour", "limits", "reason"),
    [
        (2, False, 3, ANY, ""),
        (10, False, 3, ANY, ""),
        (11, False, 3, ANY, "it would be 11 hosts, and 10 are allowed"),
        (2, True, 3, ANY, "a scan of this site is at work, or paused"),
        (2, False, 3, Limits(10, 0, ""), "as many scans as are allowed in 24 hours were asked for"),
        (2, False, 3, Limits(10, -1, ""), "as many scans as are allowed in 24 hours were asked for"),
        (2, False, 3, Limits(10, 1, ""), ""),
        (2, False, 12, Limits(10, 3, "20-6"), "only from 20 to 6 o'clock"),
        (2, False, 23, Limits(10, 3, "20-6"), ""),
    ],
)
def test_what_is_scanned(hosts: int, is_running: bool, hour: int, limits: Limits, reason: str) -> None:
    assert refusal([str(number) for number in range(hosts)], is_running, hour, limits) == reason
