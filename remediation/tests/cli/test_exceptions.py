"""Accepted risks sent to a console by the command line, and by the queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from remediation.jobs import tasks
from remediation.jobs.status import status
from remediation.store import models
from stand_ins.insightvm_console import Console
from tests.jobs.conftest import waiting_jobs

ROLLUP = "msft-kb5099999-rollup"


@pytest.fixture
def console(line: Any, database: str) -> Iterator[Console]:
    with Console(database) as running:
        running.seed_demo()
        running.polls_until_ready = 0
        account = ("--user", running.user, "--password-file", line.file("right", running.password))
        assert line("source", "add", "c", "--kind", "insightvm", "--url", running.url, *account).code == 0
        assert line("source", "read", "c").code == 0
        words = ("--reason", "Isolated", "--until", "2099-12-31")
        assert line("acceptance", "add", "--source", "c", "--solution", ROLLUP, *words).code == 0
        yield running


def test_from_the_switch_to_an_approver(line: Any, console: Console) -> None:
    refused = line("acceptance", "send", "--source", "c")
    assert refused.code == 4 and "remediation source exceptions 'c'" in refused.err
    assert (
        line("source", "exceptions", "c", "--most", "3").out
        == "Accepted risks of 'c' are sent to it, 3 in a run at most.\n"
    )
    held = line("acceptance", "send", "--source", "c")
    assert (held.code, held.out) == (3, "Vulnerability exceptions: 3 asked for, 5 waiting for an approver.\n")
    assert "5 waiting" in status()["sources"][0]["wrong"]
    number = str(models.RiskAcceptance.objects.get().pk)
    done = line("acceptance", "send", "--source", "c", "--approve", number, "--json")
    assert done.code == 0 and done.json["submitted"] == 5
    assert status()["sources"][0]["wrong"] == ""
    assert line("source", "exceptions", "c", "--off").code == 0
    assert line("acceptance", "send", "--source", "c").code == 4
    assert line("source", "exceptions", "c", "--off", "--most", "3").code == 4
    assert line("acceptance", "send", "--source", "c", "--approve", "999").code == 4


def test_a_round_sends_and_reads_back(line: Any, console: Console) -> None:
    source = models.Source.objects.get()
    tasks.begin_round(timezone.now())
    assert f"exceptions-{source.pk}" not in waiting_jobs()
    line("source", "exceptions", "c")
    tasks.begin_round(timezone.now())
    assert f"exceptions-{source.pk}" in waiting_jobs()
    tasks.send_exceptions(source.pk)
    assert set(models.ConsoleException.objects.values_list("state", flat=True)) == {"asked"}
    run = models.Run.objects.get(kind="exceptions")
    assert (run.outcome, run.detail["text"]) == ("done", "Vulnerability exceptions: 8 asked for.")
    console.forbid_exceptions = True
    line("acceptance", "withdraw", str(models.RiskAcceptance.objects.get().pk))
    tasks.send_exceptions(source.pk)
    assert models.Run.objects.filter(kind="exceptions").latest("pk").outcome == "refused"
    assert "may not do this" in status()["sources"][0]["wrong"]
    line("source", "exceptions", "c", "--off")
    tasks.send_exceptions(source.pk)
    assert models.Run.objects.filter(kind="exceptions").count() == 2 and status()["sources"][0]["wrong"] == ""
