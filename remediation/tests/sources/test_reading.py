"""A source that somebody changes while it is read."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from remediation.sources.insightvm_console import InsightVmConsole
from remediation.sources.reading import snapshot_of
from remediation.store import models
from remediation.store.secrets import seal
from stand_ins.insightvm_console import Console


def test_an_address_that_was_changed_while_the_old_one_was_read_stays(
    console: Console, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"url": console.url, "user": console.user}
    row = models.Source.objects.create(name="c", kind="insightvm", settings=settings, secret=seal(console.password))
    real = InsightVmConsole.snapshot

    def snapshot(asked: InsightVmConsole) -> Any:
        with psycopg.connect(store, autocommit=True) as other:
            other.execute("""UPDATE store_source SET settings = '{"url": "https://new"}', secret = 'new'""")
        return real(asked)

    monkeypatch.setattr(InsightVmConsole, "snapshot", snapshot)
    snapshot_of(row)
    kept = models.Source.objects.get()
    assert (kept.settings.pop("url"), kept.secret, list(kept.settings)) == ("https://new", "new", ["skew"])
