"""What is open in each part of the network: by subnet, by site, or by a kind of tag.

It groups what the sources tell of addresses, sites and tags. It knows nothing of which machine can reach which.

The segments of the usual subnets, and of sites and tags, are kept beside the counts of devices (``keep_segments``), so
that a page reads its own few. Those of other subnets are counted when somebody asks for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.db import connection

from ..domain.snapshot import SEVERITIES
from ..domain.subnets import Subnets
from .listing import NoSuch
from .segment_counts import LISTS, SUBNET, USUAL, first_members, placed_in, summed

__all__ = ["LISTS", "SUBNET", "Member", "Segment", "SegmentPage", "segments"]

# The most risk first, then the worst findings. All of them rise, so that the place of a row is one comparison; the
# expressions are those of the index.
_ORDER = (*(f'("{name}" * -1)' for name in ("risk", *SEVERITIES)), "name")
_COLUMNS = ("name", "devices", *SEVERITIES, "risk", "members")
_FOUND = f"""
SELECT {', '.join(f'"{name}"' for name in _COLUMNS)} FROM store_segment AS segment
WHERE by = %(by)s AND {{beside}} ORDER BY {{order}} LIMIT %(size)s
"""  # nosec B608: constants
_NAMES = "SELECT id, name FROM store_device WHERE id = ANY(%s)"


@dataclass(frozen=True)
class Member:
    """A device, as far as it is in a segment: how many of its findings are there and the worst of their severities, ""
    where nothing is open."""

    device: int
    name: str
    findings: int
    worst: str


@dataclass(frozen=True)
class Segment:
    """``name`` is "" for what is in none. ``devices``: how many are in it. ``counts`` are its findings by severity,
    ``risk`` is the sum of what the sources say. ``members`` are the first of its devices, the worst first."""

    name: str
    devices: int
    counts: dict[str, int]
    risk: float
    members: Sequence[Member]

    @property
    def findings(self) -> int:
        """How many are open."""
        return sum(self.counts.values())

    @property
    def place(self) -> str:
        """Where it stands among the others, as text."""
        return "~".join([repr(self.risk), *(str(self.counts[name]) for name in SEVERITIES), self.name])


@dataclass(frozen=True)
class SegmentPage:
    """Some segments in their order. ``total``: how many there are. ``earlier`` and ``later`` are the places of the
    pages beside this one, "" where there is none."""

    segments: Sequence[Segment]
    total: int
    earlier: str = ""
    later: str = ""


def segments(
    by: str, subnets: Subnets = USUAL, *, after: str = "", before: str = "", size: int = 25, members: int = 40
) -> SegmentPage:
    """A page of the segments, those with the most risk first. ``by`` is SUBNET or one of LISTS; ``after`` and
    ``before`` are places that another page has given. Raises NoSuch for what is no place.

    An asset of two sites or tags is in both; a device with two addresses in the network of each.
    """
    total = _total(by) if by != SUBNET or subnets == USUAL else 0
    # None are kept of other subnets, nor at all before the first count of a store that an older program has filled.
    ask = _Kept(by) if total else _Asked(by, subnets)
    total = total or ask.total
    backwards = bool(before)
    rows = ask.rows(_bounds(before or after), backwards, size + 1)
    more, rows = len(rows) > size, rows[:size]
    found = _with_names(rows[::-1] if backwards else rows, members)
    if not found:
        return SegmentPage([], total)
    is_first, is_last = (not more, False) if backwards else (not after, not more)
    return SegmentPage(found, total, "" if is_first else found[0].place, "" if is_last else found[-1].place)


Row = dict[str, Any]
Bounds = tuple[Any, ...]


class _Kept:
    """Segments that are stored."""

    total = 0

    def __init__(self, by: str) -> None:
        self._by = by

    def rows(self, bounds: Bounds, backwards: bool, size: int) -> list[Row]:
        """So many rows of _COLUMNS beside a place, those that are next to it first."""
        given = {"by": self._by, "size": size, **{f"bound{place}": value for place, value in enumerate(bounds)}}
        beside = "true"
        if bounds:
            told = ", ".join(f"%(bound{place})s" for place in range(len(bounds)))
            beside = f"({', '.join(_ORDER)}) {'<' if backwards else '>'} ({told})"
        order = ", ".join(f"{one} DESC" if backwards else one for one in _ORDER)
        with connection.cursor() as cursor:
            cursor.execute(_FOUND.format(beside=beside, order=order), given)
            return [_row(values) for values in cursor.fetchall()]


class _Asked:
    """Segments that are counted now."""

    def __init__(self, by: str, subnets: Subnets) -> None:
        rising = [(pl.col(name) * -1).alias(f"order_{name}") for name in ("risk", *SEVERITIES)]
        self._order = [f"order_{name}" for name in ("risk", *SEVERITIES)] + ["name"]
        self._placed = placed_in(by, subnets)
        self._frame = summed(self._placed).with_columns(rising).sort(self._order)
        self.total = self._frame.height

    def rows(self, bounds: Bounds, backwards: bool, size: int) -> list[Row]:
        """As those of _Kept."""
        beside = pl.lit(True)
        if bounds:
            beside = pl.lit(False)
            for name, value in reversed(list(zip(self._order, bounds))):
                column = pl.col(name)
                beside = (column < value if backwards else column > value) | ((column == value) & beside)
        found = self._frame.filter(beside)
        rows = found.tail(size).reverse() if backwards else found.head(size)
        members = first_members(self._placed.filter(pl.col("segment").is_in(rows["name"].implode())))
        whole = rows.join(members, on="name", maintain_order="left")
        return [_row(values) for values in whole.select(_COLUMNS).iter_rows()]


def _row(values: Sequence[Any]) -> Row:
    row = dict(zip(_COLUMNS, values))
    return {**row, "members": json.loads(row["members"]) if isinstance(row["members"], str) else row["members"]}


def _total(by: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM store_segment WHERE by = %s", [by])
        return int(cursor.fetchone()[0])


def _bounds(place: str) -> Bounds:
    """What the order's expressions are at a place; nothing for none."""
    if not place:
        return ()
    *numbers, name = place.split("~", len(SEVERITIES) + 1)
    try:
        risk, *counts = map(float, numbers)
    except ValueError:
        risk, counts = math.nan, []
    if len(counts) != len(SEVERITIES) or not all(map(math.isfinite, (risk, *counts))):
        raise NoSuch("The address of this page is not one that the list has given.")
    return (-risk, *(-number for number in counts), name)


def _with_names(rows: Sequence[Row], most: int) -> list[Segment]:
    shown = [(row, row["members"][:most]) for row in rows]
    numbers = sorted({device for _, members in shown for device, _, _ in members})
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, [numbers])
        names = dict(cursor.fetchall())
    return [
        Segment(
            row["name"],
            row["devices"],
            {name: row[name] for name in SEVERITIES},
            row["risk"],
            # A device that has ended since is missing for a moment.
            [Member(device, names[device], *told) for device, *told in members if device in names],
        )
        for row, members in shown
    ]
