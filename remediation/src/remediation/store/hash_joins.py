"""Plans for statements over whole tables, which do not trust what PostgreSQL knows of their sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_OFF = """
SELECT current_setting('enable_nestloop'), current_setting('jit'),
       set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)
"""
_BACK = "SELECT set_config('enable_nestloop', %s, true), set_config('jit', %s, true)"


@contextmanager
def hash_joins() -> Iterator[None]:
    """In the block, no table is looped over for each row of another. To be used in a transaction: an error ends that,
    and the settings with it. As a decorator, it is to stand below ``transaction.atomic``.

    What is known of a table's size may be from before it was filled: by this transaction, by a source's first reading,
    or where autovacuum looked at it while it was being filled. Its rows are taken for one then, and a loop is planned
    that takes minutes for 100,000 rows.
    """
    with connection.cursor() as cursor:
        # Where only a loop will do, it is taken in spite of this, but its cost is told so high that it is compiled.
        cursor.execute(_OFF)
        before = cursor.fetchone()[:2]
        yield
        cursor.execute(_BACK, before)
