"""No statement over whole tables is planned by what PostgreSQL knows of their sizes: it may be from before they were
filled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone

from django.db import connection, transaction
from psycopg.errors import Diagnostic

from remediation.store import models
from remediation.store.acceptances import recount
from remediation.store.cves import tell_all_vulnerabilities
from remediation.store.hash_joins import hash_joins
from remediation.store.intake import take_in

from .scans import scan

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
# As autovacuum leaves them when it has looked at tables that a transaction was filling.
_NO_ROWS = """
UPDATE pg_class SET reltuples = 0, relpages = 1000000 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
# A join by loop, and what its inner side is.
_LOOP = re.compile(r"^( *)\{NESTLOOP\s.*?^\1:(?:[a-z.]+\.)?righttree\s+\{(\w+)", re.MULTILINE | re.DOTALL)

_NAMED = re.compile(r":aliasname (accepted|(?:store|incoming|counted)_\w+)")


@contextmanager
def planned() -> Iterator[list[str]]:
    """The plans of all statements in the block, as PostgreSQL prints them for its own developers."""
    plans: list[str] = []

    def keep(notice: Diagnostic) -> None:
        if notice.message_primary == "plan:":
            plans.append(notice.message_detail or "")

    with connection.cursor() as cursor:
        cursor.execute("SET debug_print_plan = on; SET client_min_messages = log")
        assert connection.connection is not None
        connection.connection.add_notice_handler(keep)
        yield plans
        connection.connection.remove_notice_handler(keep)
        cursor.execute("RESET debug_print_plan; RESET client_min_messages")


def looped(plans: list[str]) -> set[str]:
    """The tables of the plans in which one is looped over for each row of another, but for what a list holds."""
    found = (plan for plan in plans if any(inner != "FUNCTIONSCAN" for _, inner in _LOOP.findall(plan)))
    return {" ".join(sorted(set(_NAMED.findall(plan)))) for plan in found}


def test_no_table_is_looped_over_while_the_figures_are_old(store: str) -> None:
    known, new = (models.Source.objects.create(name=name, kind="insightvm") for name in ("known", "new"))
    take_in(known, scan({"a": ["high-1"]}, DAY))
    many = {f"host{number}": [f"high-{number}", "low-1"] for number in range(200)}
    with connection.cursor() as cursor:
        cursor.execute(_NO_ROWS)
    with planned() as plans:
        take_in(new, scan(many, DAY))
        del many["host7"]
        take_in(new, scan(many, DAY + timedelta(days=1)))
        recount(new.pk, date(2026, 11, 22))
        tell_all_vulnerabilities()
    assert len(plans) > 100
    # Acceptances are few, and one source is one row.
    assert looped(plans) == {"accepted", "store_source store_vulnerability"}


def test_a_block_leaves_the_settings_as_they_were(store: str) -> None:
    def settings() -> tuple[str, ...]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('enable_nestloop'), current_setting('jit')")
            return tuple(cursor.fetchone())

    before = settings()
    with transaction.atomic():
        with hash_joins():
            with hash_joins():
                pass
            assert settings() == ("off", "off"), "what is within another does not end it"
        assert settings() == before
    assert before[0] == "on"
