"""Reads a feed about CVEs, and keeps what it tells.

What is not understood, older than what is known, or much shorter, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from ..sources.errors import SourceError
from ..store import models
from ..store.cves import write_cves
from . import epss, kev
from .conditional_get import Mark, get_if_changed
from .facts import Facts

# Both are published once a day at most days.
EVERY = timedelta(days=1)
# A feed that has fewer of the CVEs that it had is likely not whole: both only ever lost single ones.
FEWEST = 0.9


@dataclass(frozen=True)
class Kind:
    """A feed: its name in models.Feed, its title in words, and how it is understood."""

    name: str
    title: str
    largest: int
    parse: Callable[[bytes], Facts]


KINDS = (
    Kind("kev", "CISA's catalogue (KEV)", kev.LARGEST, kev.parse),
    Kind("epss", "FIRST's scores (EPSS)", epss.LARGEST, epss.parse),
)


@dataclass(frozen=True)
class Read:
    """``day`` is the feed's own date, ``rows`` how many CVEs it tells of. ``changed``: of how many it is news; None
    where the server said that nothing is."""

    day: date
    rows: int
    changed: int | None


class NotBelieved(SourceError):
    """A feed that is older than what is known of it, or much shorter."""


def read_feed(kind: Kind, address: str, now: datetime, sleep: Callable[[float], None], *, accept: bool = False) -> Read:
    """Read a feed at an address, and keep what it tells. ``accept``: one that is older or shorter is real.

    Raises SourceError, and then nothing is changed.
    """
    row = models.Feed.objects.filter(name=kind.name).first() or models.Feed(name=kind.name)
    is_same = row.address == address and row.day is not None
    known = Mark(row.etag, row.modified) if is_same else Mark()
    answer = get_if_changed(address, kind.title, known, kind.largest, sleep)
    row.read, row.due, row.error = now, now + EVERY, ""
    if answer.content is None and row.day is not None:
        row.save(update_fields=["read", "due", "error"])
        return Read(row.day, row.rows, None)
    facts = kind.parse(answer.content or b"")
    if not accept:
        _require_believed(kind, row, facts)
    row.address, row.etag, row.modified = address, answer.mark.etag, answer.mark.modified
    row.day, row.release, row.rows = facts.day, facts.release, facts.rows.height
    with transaction.atomic():
        changed = write_cves(kind.name, facts.rows, facts.day, now)
        row.save()
    return Read(facts.day, facts.rows.height, changed)


def keep_failure(kind: Kind, error: str, due: datetime) -> None:
    """Keep why a try failed, and when the next one is due."""
    models.Feed.objects.update_or_create(name=kind.name, defaults={"error": error, "due": due})


def _require_believed(kind: Kind, row: models.Feed, facts: Facts) -> None:
    real = (
        "Nothing was changed. Look at what answers there. If it is real, take it in with: remediation enrich --accept"
    )
    if row.day is not None and facts.day < row.day:
        raise NotBelieved(f"What answers is {kind.title} of {facts.day}, and that of {row.day} is known.", real)
    if facts.rows.height < FEWEST * row.rows:
        raise NotBelieved(f"{kind.title} holds {facts.rows.height:,} CVEs, and held {row.rows:,} before.", real)
