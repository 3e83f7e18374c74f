"""How a piece of work ends."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from enum import IntEnum


class Ending(IntEnum):
    """The numbers are the exit codes of the command line."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HELD = 3
    REFUSED = 4

    @property
    def word(self) -> str:
        """As it stands in the table of runs: ``done``, ``failed``, ``held`` or ``refused``."""
        return self.name.lower()

    @classmethod
    def worst(cls, endings: Iterable[Ending]) -> Ending:
        """What several endings amount to: what failed counts before what was refused, and that before what waits."""
        there = set(endings)
        return next((ending for ending in (cls.FAILED, cls.REFUSED, cls.HELD) if ending in there), cls.DONE)


def unexpected(error: Exception) -> str:
    """An error that nobody has foreseen: its kind and its place, because its text may hold a secret or a finding."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"An unexpected error: {type(error).__name__} in {place.filename}, line {place.lineno}."
