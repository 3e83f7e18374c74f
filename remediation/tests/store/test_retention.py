"""Old snapshots lose their frames, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from django.utils import timezone

from remediation.domain.snapshot import ASSETS, COVERAGE, FINDINGS, Proof, Snapshot
from remediation.settings import number
from remediation.store import bulk, models
from remediation.store.intake import Suspicious, take_in
from remediation.store.retention import empty_old_frames

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def snapshot(*assets: str, taken: datetime = NOW) -> Snapshot:
    coverage = pl.DataFrame([{"asset": asset, "scan": "1"} for asset in assets], schema=COVERAGE)
    return Snapshot(taken, Proof.SCAN, pl.DataFrame(schema=FINDINGS), pl.DataFrame(schema=ASSETS), coverage)


def kept(source: models.Source, age: float) -> int:
    """A snapshot that was read so many days before NOW."""
    number = bulk.save_snapshot(source.pk, snapshot(f"a{age}"))
    models.SnapshotRecord.objects.filter(pk=number).update(read=NOW - timedelta(days=age))
    return number


def whole(source: models.Source) -> list[int]:
    return list(source.snapshots.filter(frames__isnull=False).order_by("pk").values_list("pk", flat=True))


@pytest.fixture
def source(store: str) -> models.Source:
    return models.Source.objects.create(name="console", kind="insightvm")


def test_only_what_is_older_is_emptied(source: models.Source) -> None:
    old, edge, young = kept(source, 401), kept(source, 400), kept(source, 1)
    assert empty_old_frames(source.pk, NOW, 400) == 1
    assert whole(source) == [edge, young]
    assert source.snapshots.count() == 3, "the record of each stays"
    with pytest.raises(models.SnapshotRecord.DoesNotExist):
        bulk.load_snapshot(old)
    assert bulk.load_snapshot(edge).coverage["asset"].to_list() == ["a400"]
    assert empty_old_frames(source.pk, NOW, 400) == 0


def test_the_newest_is_kept_however_old_it_is(source: models.Source) -> None:
    other = models.Source.objects.create(name="other", kind="insightvm")
    first, newest, others = kept(source, 2000), kept(source, 1000), kept(other, 3000)
    assert empty_old_frames(source.pk, NOW, 400) == 1
    assert (whole(source), whole(other)) == ([newest], [others])
    assert first not in whole(source)


def test_taking_a_snapshot_in_empties_old_ones(source: models.Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.KEEP_DAYS", 30)
    first = take_in(source, snapshot("a1", "a2")).snapshot
    second = take_in(source, snapshot("a1", "a2", "a3")).snapshot
    source.snapshots.update(read=timezone.now() - timedelta(days=31))
    # Also where the source says the same again.
    assert take_in(source, snapshot("a1", "a2", "a3")).unchanged
    assert whole(source) == [second]
    third = take_in(source, snapshot("a1", "a2", "a4")).snapshot
    assert whole(source) == [second, third]
    with pytest.raises(Suspicious):
        take_in(source, snapshot())
    assert whole(source) == [second, third], "what is refused changes nothing"
    assert first < second


def test_days_are_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMEDIATION_KEEP_DAYS", raising=False)
    assert number("REMEDIATION_KEEP_DAYS", 400, "days") == 400
    monkeypatch.setenv("REMEDIATION_KEEP_DAYS", "30")
    assert number("REMEDIATION_KEEP_DAYS", 400, "days") == 30
    for text in ("0", "-1", "a year", "1.5"):
        monkeypatch.setenv("REMEDIATION_KEEP_DAYS", text)
        with pytest.raises(Exception, match="REMEDIATION_KEEP_DAYS is .* number of days"):
            number("REMEDIATION_KEEP_DAYS", 400, "days")
