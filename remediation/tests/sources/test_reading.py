"""A source that somebody changes while it is read."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from remediation.sources import insightvm_console
from remediation.sources.errors import SourceBusy
from remediation.sources.insightvm_console import InsightVmConsole
from remediation.sources.reading import reading_of
from remediation.store import models
from remediation.store.one_at_a_time import Lock
from remediation.store.secrets import seal
from stand_ins.insightvm_console import Console


def source_of(console: Console, name: str = "c") -> models.Source:
    console.polls_until_ready = 0
    settings = {"url": console.url, "user": console.user}
    return models.Source.objects.create(name=name, kind="insightvm", settings=settings, secret=seal(console.password))


def test_reports_that_a_killed_reading_has_left_are_deleted_and_no_others(
    console: Console, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, other = source_of(console), source_of(console, "other")
    with monkeypatch.context() as patch:
        # As if the process was gone before it could.
        patch.setattr(insightvm_console, "_delete", lambda *_: None)
        reading_of(row)
        reading_of(other)
    assert len(console.reports) == 8
    reading_of(row)
    mark = models.Source.objects.get(name="other").settings["mark"]
    assert len(console.reports) == 4 and all(mark in name for name in console.reports)


def test_one_process_at_a_time_reads_a_source(console: Console, store: str) -> None:
    row = source_of(console)
    with psycopg.connect(store, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [Lock.READING, row.pk])
        with pytest.raises(SourceBusy, match="Another process is reading"):
            reading_of(row)
        other.execute("SELECT pg_advisory_unlock(%s, %s)", [Lock.READING, row.pk])
    assert not console.requests
    reading_of(row)
    reading_of(row)


def test_an_address_that_was_changed_while_the_old_one_was_read_stays(
    console: Console, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = source_of(console)
    real = InsightVmConsole.snapshot

    def snapshot(asked: InsightVmConsole) -> Any:
        with psycopg.connect(store, autocommit=True) as other:
            other.execute("""UPDATE store_source SET settings = '{"url": "https://new"}', secret = 'new'""")
        return real(asked)

    monkeypatch.setattr(InsightVmConsole, "snapshot", snapshot)
    reading_of(row)
    kept = models.Source.objects.get()
    assert (kept.settings.pop("url"), kept.secret, list(kept.settings)) == ("https://new", "new", ["skew"])
