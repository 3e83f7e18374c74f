"""Single keys of a JSON field, changed by two connections at once."""

from __future__ import annotations

import threading

import psycopg
import pytest
from django.db import connection as database

from remediation.store import models
from remediation.store.json_keys import change_keys


def stored() -> dict[str, object]:
    return models.Source.objects.get().settings


@pytest.fixture
def row(store: str) -> models.Source:
    return models.Source.objects.create(name="web", kind="insightvm", settings={"url": "old", "every": 5})


def test_keys_that_another_process_stored_meanwhile_stay(row: models.Source, store: str) -> None:
    with psycopg.connect(store, autocommit=True) as other:
        other.execute("""UPDATE store_source SET settings = '{"url": "new"}', secret = 'sealed'""")
    assert change_keys(row, "settings", {"skew": 3}) == {"url": "new", "skew": 3}
    assert row.settings == stored() == {"url": "new", "skew": 3}
    assert models.Source.objects.get().secret == "sealed"
    change_keys(row, "settings", {}, without=["skew", "nothing"])
    assert stored() == {"url": "new"}


def test_a_change_waits_for_the_end_of_another(row: models.Source, store: str) -> None:
    def change() -> None:
        try:
            change_keys(row, "settings", {"skew": 3})
        finally:
            database.close()

    thread = threading.Thread(target=change)
    with psycopg.connect(store) as other:
        other.execute("""UPDATE store_source SET settings = '{"url": "new"}'""")
        thread.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with psycopg.connect(store, autocommit=True) as third:
            while third.execute(waits).fetchone() == (0,):
                assert thread.is_alive(), "it did not wait"
        other.commit()
    thread.join()
    assert stored() == {"url": "new", "skew": 3}
