"""A console that permits no reports, by the command line: from adding it to a plan, and through a sudden end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation.cli import progress
from remediation.store import models
from stand_ins.insightvm_console import Console

WEB01, MISSING = "web01.corp.example", "msft-cve-2026-10001"


@pytest.fixture
def console(line: Any, database: str) -> Iterator[Console]:
    with Console(database) as running:
        running.seed_demo()
        running.forbid_reports = True
        account = ("--user", running.user, "--password-file", line.file("right", running.password))
        words = ("--kind", "insightvm", "--url", running.url, "--mode", "rest", *account)
        assert line("source", "add", "c", *words).code == 0
        running.requests.clear()
        yield running


def test_from_a_console_to_a_plan(line: Any, console: Console, halo: HaloEmulator) -> None:
    assert models.Source.objects.get().settings["mode"] == "rest"
    assert line("source", "read", "c").out == "21 findings on 8 assets: 21 new.\n"
    assert line("connect", "halo", "--ticket-type", "Vulnerability").code == 0
    settings = line.file("settings.toml", "resolve_unreported = true\n")
    line("project", "create", "p", "--connection", "halo", "--source", "c", "--settings", settings)
    assert len(line("apply", "p", "--json").json["tickets"]) == 5
    for host in ("db02.corp.example", "app01.corp.example"):
        for key in ("ubuntu-cve-2026-20001", "ubuntu-cve-2026-20003", "ubuntu-cve-2026-20004"):
            console.patch(host, key)
    console.scan()
    assert line("source", "read", "c").out == "15 findings on 8 assets: 6 no longer reported.\n"
    waiting = "no longer reported, and that proves nothing: 6 unconfirmed"
    assert planned(line)[0] == waiting
    # Twice in a row, and only because the project says that this is enough.
    console.now += timedelta(minutes=1)
    console.scan()
    assert line("source", "read", "c").out == "15 findings on 8 assets: nothing changed.\n"
    assert planned(line) == ["settled: 6 no longer reported"]


def planned(line: Any) -> list[str]:
    """Why the plan would set the status of tickets."""
    steps = line("plan", "p", "--json").json["steps"]
    return [step["reason"] for step in steps if step["kind"] == "set-status"]


def test_what_a_reading_tells(line: Any, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    monkeypatch.setattr(progress, "paced", lambda say, clock: say)
    lines = line("source", "read", "c").err.splitlines()
    for said in (
        "c: assets listed: 8 of 8",
        "c: assets of the site DMZ: 2 of 2",
        "c: scans: 1 of 1 read",
        "c: assets: 8 of 8 read",
        "c: vulnerabilities: 9 of 9 read",
        "c: 21 findings are compared with what is known, and stored",
    ):
        assert said in lines


def test_check_logs_in_without_a_report(line: Any, console: Console) -> None:
    assert "accepts the user" in line("check").out
    console.password = "another"
    assert "refuses the user or the password" in line("check").out


def after(answers: int, then: Callable[[], None]) -> Callable[[str], None]:
    """Something that happens after so many answers about single assets."""
    count = [0]

    def answered(path: str) -> None:
        count[0] += path.startswith("/assets/")
        if count[0] == answers:
            then()

    return answered


def test_a_reading_that_is_killed_costs_what_it_was_at(line: Any, console: Console, store: str, tmp_path: Path) -> None:
    own = {"DATABASE_URL": store, "REMEDIATION_DATA": str(tmp_path / "data"), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {**os.environ, **own}
    command = [sys.executable, "-m", "remediation.cli", "source", "read", "c"]
    children: list[subprocess.Popen[bytes]] = []
    # 8 assets, 21 solutions: 37 answers in all.
    console.after_answer = after(30, lambda: children[0].send_signal(signal.SIGKILL))
    children.append(subprocess.Popen(command, env=environment))  # pylint: disable=consider-using-with
    assert children[0].wait(60) == -signal.SIGKILL
    console.after_answer = None
    assert not models.SnapshotRecord.objects.exists() and not models.Finding.objects.exists()
    (kept,) = (tmp_path / "data" / "readings").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    console.requests.clear()
    assert line("source", "read", "c").out == "21 findings on 8 assets: 21 new.\n"
    again = sum(path.startswith("/api/3/assets/") for _, path in console.requests)
    assert 0 < again < 37
    assert not kept.exists()


def test_a_reading_that_fails_changes_nothing(line: Any, console: Console) -> None:
    console.hidden = ["/assets/8/vulnerabilities"]
    ended = line("source", "read", "c")
    assert ended.code == 4 and "does not know /assets/8/vulnerabilities" in ended.err
    assert not models.SnapshotRecord.objects.exists() and not models.Finding.objects.exists()


def test_a_user_who_sees_less_at_once_is_not_believed(line: Any, console: Console) -> None:
    line("source", "read", "c")
    for host in range(1, 6):
        console.remove_asset(host)
    ended = line("source", "read", "c")
    assert ended.code == 4 and "coverage shrank from 8 assets to 3" in ended.err


def test_a_source_that_is_removed_leaves_nothing_of_an_unfinished_reading(
    line: Any, console: Console, tmp_path: Path
) -> None:
    console.hidden = ["/assets/8/vulnerabilities"]
    line("source", "read", "c")
    (kept,) = (tmp_path / "data" / "readings").iterdir()
    assert "tlsv1_0-enabled" in kept.read_text()
    assert line("source", "remove", "c").code == 0
    assert not kept.exists()


def test_a_change_of_the_mode_changes_no_ticket(line: Any, console: Console, halo: HaloEmulator) -> None:
    line("source", "read", "c")
    line("connect", "halo", "--ticket-type", "Vulnerability")
    line("project", "create", "p", "--connection", "halo", "--source", "c")
    line("apply", "p")
    console.forbid_reports = False
    console.polls_until_ready = 0
    account = ("--user", console.user, "--password-file", line.file("right", console.password))
    line("source", "add", "c", "--kind", "insightvm", "--url", console.url, "--mode", "sql", *account)
    assert "nothing changed" in line("source", "read", "c").out
    assert line("plan", "p", "--json").json["steps"] == []
    console.now = console.now.replace(year=console.now.year + 1)
    console.scan()
    line("source", "read", "c")
    console.patch(WEB01, MISSING)
    console.scan()
    assert "1 remediated" in line("source", "read", "c").out
