"""Lists that are behind: a test device of ours, no claim about Halo."""

import time
from typing import Generic, TypeVar

from .settings import Settings

Value = TypeVar("Value")


class Lag(Generic[Value]):
    """For each id, the values that changes of the last `list_lag` seconds replaced. Calls need the store's lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before: dict[int, list[tuple[float, Value]]] = {}

    def replaced(self, number: int, before: Value) -> None:
        """Notes what a change replaces at this moment."""
        if self._settings.list_lag > 0:
            self._before.setdefault(number, []).append((time.monotonic(), before))

    def still_shown(self) -> dict[int, Value]:
        """What lists still show instead of the present state: for each id, what its oldest such change replaced."""
        shown = time.monotonic() - self._settings.list_lag
        recent = {
            number: [(moment, before) for moment, before in changes if moment > shown]
            for number, changes in self._before.items()
        }
        self._before = {number: changes for number, changes in recent.items() if changes}
        return {number: changes[0][1] for number, changes in self._before.items()}
