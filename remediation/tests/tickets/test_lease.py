"""Who may write to a connection, and what a process does that has lost that right without knowing."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from django.db import connection

from remediation.store import models
from remediation.tickets import lease
from remediation.tickets.asking import HaloAway
from remediation.tickets.journal import Journal
from remediation.tickets.lease import Busy, Lease, TakenOver, one_writer


def number(scene: Any) -> int:
    return models.Lease.objects.get(connection=scene.connection).number


def taken_by_another(store: str) -> None:
    with psycopg.connect(store, autocommit=True) as other:
        other.execute("UPDATE store_lease SET number = number + 1, until = clock_timestamp() + interval '1 hour'")


def test_each_holder_has_a_higher_number(scene: Any) -> None:
    for expected in (1, 2, 3):
        with one_writer(scene.connection.pk) as held:
            assert held.number == number(scene) == expected


def test_an_end_by_an_error_lets_others_have_it_at_once(scene: Any) -> None:
    with pytest.raises(KeyboardInterrupt), one_writer(scene.connection.pk):
        raise KeyboardInterrupt
    waited: list[float] = []
    with one_writer(scene.connection.pk, waited.append):
        assert not waited


def test_of_two_that_live_the_second_is_told(scene: Any, held: Any) -> None:
    with held(scene.connection.pk), pytest.raises(Busy), one_writer(scene.connection.pk):
        pass


def test_one_that_does_not_renew_it_is_waited_for_and_then_succeeded(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LASTS", 1.0)
    assert lease._take(scene.connection.pk) == 1
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    with one_writer(scene.connection.pk, sleep) as held:
        assert held.number == 2 and waited


def test_it_is_renewed_while_its_holder_is_busy(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_RENEWALS", 400)
    with one_writer(scene.connection.pk):
        first = models.Lease.objects.get().until
        deadline = time.monotonic() + 30
        while models.Lease.objects.get().until <= first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_who_was_succeeded_writes_no_journal_and_sends_nothing(
    scene: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        # As after a freeze: another one took over, and the clock has gone on.
        taken_by_another(store)
        run._lease._renewed -= lease.LASTS
        return real(fields, reference)

    run._instance.create = create
    with pytest.raises(TakenOver, match="another one has taken its work over"):
        run.apply()
    assert not scene.tickets()
    assert [entry.event for entry in models.Journal.objects.order_by("pk")] == ["about"]
    # It did not take the new holder's right away in ending.
    assert models.Lease.objects.filter(number=2, until__gt=scene.connection.projects.get().created).exists()


def test_what_was_made_by_who_was_succeeded_is_not_kept_by_it(scene: Any, store: str) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        made = real(fields, reference)
        taken_by_another(store)
        return made

    run._instance.create = create
    with pytest.raises(TakenOver):
        run.apply()
    assert list(scene.tickets()) == ["project"]
    assert not models.Ticket.objects.filter(halo_id__isnull=False).exists()
    models.Lease.objects.update(until=scene.now.replace(year=2020))
    _, outcome = scene.run().apply()
    assert not outcome.failed and {key: len(made) for key, made in scene.tickets().items()} == {"project": 1, "s1": 1}


def test_a_lease_that_nobody_took_goes_on(scene: Any) -> None:
    with one_writer(scene.connection.pk) as held:
        models.Lease.objects.update(until=scene.now.replace(year=2020))
        held._renewed -= lease.LASTS
        held.check()
        assert models.Lease.objects.get().until.year > 2020


def test_a_process_that_is_frozen_in_a_transaction_holds_no_locks_for_long(
    scene: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediation.store.idle.LONGEST_IDLE", 0.3)
    held = Lease(scene.connection.pk, lease._take(scene.connection.pk) or 0, time.monotonic())
    with pytest.raises(Exception, match="idle-in-transaction"), Journal(held).held():
        with psycopg.connect(store, autocommit=True) as other:
            # It waits for the lock of the row until the database ends the transaction that holds it.
            other.execute("SET lock_timeout = '20s'")
            other.execute("UPDATE store_lease SET number = number + 1")
        models.Lease.objects.get()
    connection.close()
    assert number(scene) == 2


def test_a_clock_of_the_database_that_was_set_back_keeps_nobody_out(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LASTS", 0.5)
    lease._take(scene.connection.pk)
    models.Lease.objects.update(until=scene.now.replace(year=2036))
    with one_writer(scene.connection.pk) as held:
        assert held.number == 2


def test_who_learns_that_it_was_succeeded_sends_nothing_more(
    scene: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_RENEWALS", 100)
    with one_writer(scene.connection.pk) as held:
        taken_by_another(store)
        deadline = time.monotonic() + 30
        with pytest.raises(TakenOver):
            while time.monotonic() < deadline:
                held.check()
                time.sleep(0.01)


def test_who_was_succeeded_changes_no_step(scene: Any, store: str) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()

    def away(*_: Any) -> Any:
        # Frozen while it waited for an answer that never came.
        taken_by_another(store)
        raise HaloAway("no answer")

    run._instance.references = away
    with pytest.raises(TakenOver):
        run.apply()
    assert set(models.Step.objects.values_list("state", flat=True)) == {"planned"}
