"""A process that ends in the middle of its work, as a test plays it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest


class Death(KeyboardInterrupt):
    """The process ends here."""


def dying(monkeypatch: pytest.MonkeyPatch, calls: Iterable[tuple[type, str]], number: int, *, after: bool) -> None:
    """Dies before or after the call with this number, of all calls of these methods."""
    counted = count(1)

    def mortal(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            dies = next(counted) == number
            if dies and not after:
                raise Death
            result = real(*arguments, **named)
            if dies:
                raise Death
            return result

        return call

    for kind, name in calls:
        monkeypatch.setattr(kind, name, mortal(getattr(kind, name)))
