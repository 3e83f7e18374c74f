"""What the demo has put into HaloITSM and not taken out again, told at its end, however it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

MAY_BE_THERE = "There may be a ticket {summary!r} in HaloITSM: its making was cut off."
NOT_FOUND = "HaloITSM shows no ticket {summary!r}, whose making failed. It may still appear, some minutes later."
IS_THERE = "Ticket {number} ({summary!r}) is left behind in HaloITSM."
NOT_SURE = "Ticket {number} ({summary!r}) is left behind in HaloITSM, unless it was still deleted."


def ours(rows: Iterable[Mapping[str, Any]], summary: str) -> list[int]:
    """The ids of rows that show our summary. HaloITSM may ignore a filter, and what is ours is deleted."""
    return [int(row["id"]) for row in rows if summary in str(row.get("summary", ""))]


class Remains:
    """The tickets of this run, by summary until they have a number. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._being_made: set[str] = set()
        self._not_found: set[str] = set()
        self._there: dict[int, str] = {}
        self._being_deleted: set[int] = set()

    def making(self, summary: str) -> None:
        """A ticket is about to be sent."""
        with self._lock:
            self._being_made.add(summary)

    def made(self, summary: str, number: int) -> None:
        """It is there, and has this number."""
        with self._lock:
            self._being_made.discard(summary)
            self._there[number] = summary

    def not_found(self, summary: str) -> None:
        """Its making failed, and HaloITSM, which was asked afterwards, does not show it."""
        with self._lock:
            self._being_made.discard(summary)
            self._not_found.add(summary)

    def deleting(self, number: int) -> None:
        """Its deletion is about to be sent."""
        with self._lock:
            self._being_deleted.add(number)

    def deleted(self, number: int, gone: bool) -> None:
        """What became of the deletion."""
        with self._lock:
            self._being_deleted.discard(number)
            if gone:
                self._there.pop(number, None)

    @property
    def unknown(self) -> list[str]:
        """Summaries of tickets of which is not known whether they are there."""
        with self._lock:
            return sorted(self._being_made)

    @property
    def numbers(self) -> list[int]:
        """The tickets that are there."""
        with self._lock:
            return sorted(self._there)

    def lines(self) -> list[str]:
        """A sentence for each ticket that is there or may be."""
        with self._lock:
            there = [
                (NOT_SURE if number in self._being_deleted else IS_THERE).format(number=number, summary=summary)
                for number, summary in sorted(self._there.items())
            ]
            being_made = [MAY_BE_THERE.format(summary=summary) for summary in sorted(self._being_made)]
            return there + being_made + [NOT_FOUND.format(summary=summary) for summary in sorted(self._not_found)]
