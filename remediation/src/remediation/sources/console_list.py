"""A paged list of a console, read as a whole although it may change meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from .answer_part import Part
from .errors import NotUnderstood, TooMuch, Unsteady
from .progress import Tell, unheard

# The most pages that are believed of one list: 200,000 assets.
MOST_PAGES = 2000
# So often a list that changes under the reading is read.
TRIES = 5

Value = TypeVar("Value")
Read = Callable[[Part], tuple[str, Value]]


def whole_list(
    ask: Callable[[str], Part], path: str, size: int, read: Read[Value], tell: Tell = unheard
) -> dict[str, Value]:
    """All of a paged list, by key. A list of several pages counts once two readings of it have the same keys.

    ``path`` may have a query. ``ask`` gives the answer to one, ``read`` the key and the value of a thing. Raises
    Unsteady where no two readings agree.
    """
    before: Collection[str] | None = None
    for _ in range(TRIES):
        found, pages, is_whole = _once(ask, path, size, read, tell)
        if is_whole and (pages <= 1 or found.keys() == before):
            return found
        before = found.keys() if is_whole else None
    raise Unsteady(
        f"The list {path} was another one each of {TRIES} times that it was read, or not as long as it says.",
        "Run again when the console has less to do.",
    )


def _once(
    ask: Callable[[str], Part], path: str, size: int, read: Read[Value], tell: Tell
) -> tuple[dict[str, Value], int, bool]:
    """What the pages hold, how many there are, and whether they fit together: nothing twice, as many as told."""
    found: dict[str, Value] = {}
    number, totals = 0, set()
    while True:
        answer = ask(f"{path}{'&' if '?' in path else '?'}page={number}&size={size}&sort=id,ASC")
        page = answer.part("page")
        total, pages = page.whole("totalResources"), page.whole("totalPages")
        if total is None or pages is None or page.whole("number") != number:
            raise NotUnderstood(f"The answer to {path} is not page {number}.", "Check the address of the console.")
        if pages > MOST_PAGES:
            raise TooMuch(
                f"The console says that {path} has {pages} pages, more than {MOST_PAGES}.",
                "Give the user access to fewer sites, or use --mode sql.",
            )
        things = [read(thing) for thing in answer.parts("resources")]
        # Nothing twice, and no page without anything but the only one.
        is_new = len(dict(things)) == len(things) and found.keys().isdisjoint(key for key, _ in things)
        is_new = is_new and (bool(things) or pages <= 1)
        found.update(things)
        totals.add(total)
        tell(f"{len(found):,} of {total:,}")
        number += 1
        if number >= pages or not is_new or len(totals) > 1:
            return found, pages, is_new and totals == {len(found)}
