"""How long work tells how far it is: a callable that takes a few words. They hold no finding and no secret."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]


def unheard(_: str) -> None:
    """For work that nobody watches."""
