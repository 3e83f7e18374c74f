"""Instances of HaloITSM that are out of the ordinary, and a clock that does not make one wait for them.

For the fault matrix, the storm, the soak and the tests. The settings are those of the emulator, for `set_up`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from halo_emulator import HaloEmulator, text_changes

Settings = Mapping[str, Any]

SPEED = 100.0


class FastTime:
    """A clock that runs a hundred times as fast as the real one: what takes a minute by it is over in 0.6 seconds."""

    def clock(self) -> float:
        """Seconds."""
        return time.monotonic() * SPEED

    def sleep(self, seconds: float) -> None:
        """Sleep for so many of these seconds."""
        time.sleep(seconds / SPEED)


def _prefixed(ticket: dict[str, Any]) -> dict[str, Any]:
    return {"summary": f"[SEC] {ticket['summary']}", "details": f"{ticket['details']}\n-- \nHandled by the desk"}


def _closed_at_once(_: dict[str, Any]) -> dict[str, Any]:
    return {"status_id": 9}


def _signed(action: dict[str, Any]) -> dict[str, Any]:
    return {"note": f"{action['note']}\n-- \nThe desk", "hiddenfromuser": True}


# What an instance may do to everything that is written and listed.
_TO_ALL: Mapping[str, Settings] = {
    "escaped": {"stored_text": text_changes.escaped},
    "cut at 255": {"stored_text": text_changes.cut_at_255},
    "question marks": {"stored_text": text_changes.question_marks},
    "joined lines": {"stored_text": text_changes.joined_lines},
    "another form of Unicode": {"stored_text": text_changes.nfc},
    "trimmed": {"stored_text": text_changes.trimmed},
    "lists that lag": {"list_lag": 5 / SPEED},
    "a database clock ahead": {"database_clock_offset": 10},
    "a database clock behind": {"database_clock_offset": -10},
    "local time ahead": {"writes_local_time": 2},
    "local time behind": {"writes_local_time": -7},
}
TICKET_CHANGES: Mapping[str, Settings] = {
    **_TO_ALL,
    "a rule prefixes and appends": {"rules": [_prefixed]},
    "a rule closes it, and closed ones are hidden": {"rules": [_closed_at_once], "recently_closed_days": 0},
    "rows without the key": {"shows_external_id_in_lists": False},
    "an ignored filter": {"ignored_parameters": {"third_party_id_string"}},
}
NOTE_CHANGES: Mapping[str, Settings] = {**_TO_ALL, "a signature, and forced private": {"note_rules": [_signed]}}
# What may be odd about the lists from which triggers learn of changes.
# A page holds less than what changes between two looks in a storm or a soak.
_SHORT_PAGES: Settings = {"page_cap": 10, "tells_page_size": False}
_HIDDEN_CLOSED: Settings = {"recently_closed_days": 0, "hides_closed_changes": True}
_FEW_ACTIONS: Settings = {"actions_cap": 50}
LIST_CHANGES: Mapping[str, Settings] = {
    "a page cap not told": _SHORT_PAGES,
    "a page cap told as asked for": {"page_cap": 10, "tells_page_size_asked_for": True},
    "counts per page": {**_SHORT_PAGES, "counts_per_page": True},
    "closed tickets hidden": _HIDDEN_CLOSED,
    "last_update behind": {"last_update_behind": 90},
    "filters in local time ahead": {"reads_local_time": 2},
    "filters in local time behind": {"reads_local_time": -7},
    "50 actions at most": _FEW_ACTIONS,
    "50 actions at most, none by date": {**_FEW_ACTIONS, "lists_actions_by_date": False},
    "everything odd": {
        **_SHORT_PAGES,
        **_HIDDEN_CLOSED,
        **_FEW_ACTIONS,
        "counts_per_page": True,
        "last_update_behind": 90,
        "reads_local_time": -7,
    },
}


def set_up(halo: HaloEmulator, settings: Settings) -> None:
    """Make an emulated instance so."""
    for name, value in settings.items():
        setattr(halo, name, value)
