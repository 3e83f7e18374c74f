"""Scanning the assets of a ticket that a person calls done: which hosts of which site, and why not. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_HOURS = re.compile(r"([01]?\d|2[0-4])-([01]?\d|2[0-4])")


@dataclass(frozen=True)
class Limits:
    """At most ``hosts`` in one scan, ``left`` scans more now, and only in the hours ``hours``: 20-6, or "" for any."""

    hosts: int
    left: int
    hours: str


@dataclass(frozen=True)
class Scan:
    """Hosts of a site to be scanned now; or why they are not (``reason``)."""

    site: str
    hosts: tuple[str, ...]
    reason: str = ""


def require_hours(hours: str) -> None:
    """Raises ValueError for hours that are none."""
    found = _HOURS.fullmatch(hours)
    if hours and (found is None or int(found[1]) == int(found[2])):
        raise ValueError(f"{hours!r} are no hours. Write them as 20-6, or leave them empty.")


def is_allowed(hours: str, hour: int) -> bool:
    """Whether an hour of the day is within hours. The last one is not: 20-6 ends when it is six."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        return True
    begin, end = int(found[1]), int(found[2])
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def by_site(hosts: Mapping[str, Sequence[str]], sites: Collection[str]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The hosts by the site in which each is scanned, in as few sites as is easy; and those that are in none.

    ``hosts`` are the names of the sites of each, ``sites`` those that there are.
    """
    left = {host: [site for site in inside if site in sites] for host, inside in hosts.items()}
    without = sorted(host for host, inside in left.items() if not inside)
    found: dict[str, tuple[str, ...]] = {}
    while rest := {host: inside for host, inside in left.items() if inside}:
        members = defaultdict(list)
        for host, inside in rest.items():
            for site in inside:
                members[site].append(host)
        # The site with most of them; of several, the first by name.
        site = min(members, key=lambda name: (-len(members[name]), name))
        found[site] = tuple(sorted(members[site]))
        left = {host: inside for host, inside in rest.items() if host not in found[site]}
    return found, without


def refusal(hosts: Collection[str], is_running: bool, hour: int, limits: Limits) -> str:
    """Why hosts of a site are not scanned now; "" where they are. ``is_running``: a scan of the site is at work."""
    if len(hosts) > limits.hosts:
        return f"it would be {len(hosts)} hosts, and {limits.hosts} are allowed"
    if not is_allowed(limits.hours, hour):
        return f"only from {limits.hours.replace('-', ' to ')} o'clock"
    if limits.left <= 0:
        return "as many scans as are allowed in 24 hours were asked for"
    return "a scan of this site is at work, or paused" if is_running else ""
