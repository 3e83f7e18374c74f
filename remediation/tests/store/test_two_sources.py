"""Two sources that see the same machines: none ever says anything about the other's findings."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from django.db import connection

from remediation.domain.ledger import KEY, empty_ledger
from remediation.domain.observe import observe
from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, FIXED, Proof, Snapshot
from remediation.store import bulk, models
from remediation.store.devices import ByHand
from remediation.store.intake import take_in

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
PROOFS = (Proof.SCAN, Proof.FILE, Proof.DEVICES, Proof.NOTHING)
MACHINES = [f"host{number}.corp.example" for number in range(5)]
# Both sources number their assets from 1, and name some vulnerabilities alike.
VULNERABILITIES = [f"v{number}" for number in range(4)]
STEPS = 150


def frame(rows: list[dict[str, Any]], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def drawn(chance: random.Random, step: int) -> Snapshot:
    """What a source may say: of some machines, some of which have some vulnerabilities."""
    # At times a report is older than what is known.
    moment = NOON + timedelta(hours=step if chance.random() < 0.9 else step // 2)
    machines = chance.sample(range(len(MACHINES)), chance.randint(1, len(MACHINES)))
    every = [(str(machine), key) for machine in machines for key in VULNERABILITIES]
    there = [pair for pair in every if chance.random() < 0.5]
    gone = [pair for pair in every if pair not in there]
    findings = [
        {
            "asset": asset,
            "vulnerability": key,
            "severity": "high",
            "solution": f"s{key}",
            "cves": [],
            "last_found": moment,
        }
        for asset, key in there
    ]
    assets = [{"asset": str(machine), "host_name": MACHINES[machine]} for machine in machines]
    covered = [
        {"asset": str(machine), "scan": str(step), "scan_started": moment, "credentials": chance.choice([1, 4])}
        for machine in machines
    ]
    excepted = [
        {"asset": asset, "vulnerability": key, "status": "Approved"} for asset, key in gone if chance.random() < 0.1
    ]
    fixed = [{"asset": asset, "vulnerability": key, "fixed": moment} for asset, key in gone if chance.random() < 0.1]
    return Snapshot(
        moment,
        chance.choice(PROOFS),
        frame(findings, FINDINGS),
        frame(assets, ASSETS),
        frame(covered, COVERAGE),
        frame(excepted, EXCEPTIONS),
        rows=len(findings),
        fixed=frame(fixed, FIXED),
    )


def ledger(of: models.Source) -> list[Any]:
    """The rows of a source's findings as they are stored, and which transaction wrote each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT finding::text, xmin::text FROM store_finding AS finding WHERE source_id = %s ORDER BY 1", [of.pk]
        )
        return cursor.fetchall()


def change_devices(chance: random.Random) -> None:
    """A person joins two devices, splits one, or hands one back to the rules."""
    devices = list(models.Device.objects.order_by("pk").values_list("pk", flat=True))
    device = chance.choice(devices)
    keys = list(models.Asset.objects.filter(device=device).order_by("pk").values_list("source_id", "asset"))
    changes = [ByHand.release(device)]
    if len(devices) > 1:
        changes.append(ByHand.join(chance.sample(devices, 2)))
    if len(keys) > 1:
        changes.append(ByHand.split(device, keys[:1]))
    change = chance.choice(changes)
    change.make(change.shown())


@pytest.mark.long
def test_no_source_ever_settles_what_the_other_found(store: str) -> None:
    chance = random.Random(1)
    sources = [models.Source.objects.create(name=name, kind="insightvm") for name in ("one", "two")]
    with connection.cursor() as cursor:
        # Only to be quicker: nothing is to outlive the server.
        cursor.execute("SET synchronous_commit = off")
    # What each would believe if there were no other.
    alone = {source.pk: empty_ledger() for source in sources}
    written: set[tuple[str, str]] = set()
    for step in range(STEPS):
        of = chance.choice(sources)
        (other,) = [source for source in sources if source != of]
        before = ledger(other)
        snapshot = drawn(chance, step)
        delta = observe(snapshot, alone[of.pk], bulk.read_scanned(of.pk)).delta
        alone[of.pk] = pl.concat([alone[of.pk].join(delta, on=KEY, how="anti"), delta])
        kinds = take_in(of, snapshot, accept=True).observations
        assert ledger(other) == before, (step, snapshot.proof)
        written |= {(of.name, kind) for kind in kinds}
        if chance.random() < 0.2:
            both = [ledger(source) for source in sources]
            change_devices(chance)
            assert [ledger(source) for source in sources] == both, step
    for source in sources:
        assert bulk.read_ledger(source.pk).sort(KEY).equals(alone[source.pk].sort(KEY)), source.name
    # The walk has been where findings are settled, in both sources, on machines that both have.
    settling = ("new", "remediated", "no_longer_reported", "unconfirmed", "left_coverage", "rediscovered", "excepted")
    assert {(source.name, kind) for source in sources for kind in settling} <= written
    shared = models.Asset.objects.filter(device__assets__source=sources[0]).filter(source=sources[1])
    assert shared.exists()
