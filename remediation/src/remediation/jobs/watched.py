"""How far a piece of work is, kept where pages read it; and whether a person wants it stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.db import InterfaceError, OperationalError, connection

from ..sources.progress import Tell

# Between two looks at whether a person wants it stopped, and two words on how far it is; in seconds.
PAUSE = 0.5
# Each takes a text and a number, and gives one row: whether a person wants it stopped.
OF_UPLOAD = "UPDATE store_upload SET told = %s WHERE id = %s RETURNING cancel"
OF_RUN = """
UPDATE store_run SET detail = detail || jsonb_build_object('now', %s::text) WHERE id = %s RETURNING detail ? 'stop'
"""


class Cancelled(Exception):
    """A person wants the work stopped."""

    def __str__(self) -> str:
        return "It was stopped. Nothing was changed."


@contextmanager
def watched(statement: str, number: int) -> Iterator[Tell]:
    """Keeps how far the work is by a connection of its own, because that of the work may be within a transaction.

    Raises Cancelled in the work where a person wants it stopped. Work that does not need the database goes on while
    that is away. Any thread may tell.
    """
    own = connection.copy()
    own.inc_thread_sharing()
    at_once = Lock()
    last = 0.0

    def tell(text: str) -> None:
        nonlocal last
        with at_once:
            if time.monotonic() - last < PAUSE:
                return
            last = time.monotonic()
            try:
                with own.cursor() as cursor:
                    cursor.execute(statement, [text, number])
                    row = cursor.fetchone()
            except (OperationalError, InterfaceError):
                own.close()
                return
        if row and row[0]:
            raise Cancelled

    try:
        yield tell
    finally:
        own.close()
