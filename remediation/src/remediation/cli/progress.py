"""How far long work is, on standard error: a line that changes on a terminal, else now and then a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from .opened import quiet

# Seconds between two plain lines, and before the first one: short work says nothing.
PAUSE = 5.0


@contextmanager
def progress(what: str, as_json: bool) -> Iterator[Callable[[str], None]]:
    """A callable that shows how far ``what`` is, for the time of the block; silent where JSON is asked for."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if as_json:
        yield quiet
    elif console.is_terminal:
        # As Text, because a name may hold what Rich takes for markup.
        with console.status(Text(what)) as status:
            yield lambda text: status.update(Text(f"{what}: {text}"))
    else:
        yield paced(lambda text: typer.echo(f"{what}: {text}", err=True), time.monotonic)


def paced(say: Callable[[str], None], clock: Callable[[], float], pause: float = PAUSE) -> Callable[[str], None]:
    """``say``, called at most once in so many seconds, and not before the first of them. What comes between is left
    out."""
    last = clock()

    def now_and_then(text: str) -> None:
        nonlocal last
        if clock() - last >= pause:
            last = clock()
            say(text)

    return now_and_then
