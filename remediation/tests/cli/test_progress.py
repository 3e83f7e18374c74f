"""Long work tells how far it is: on a terminal by a line that changes, else now and then, and never with --json."""

from __future__ import annotations

import os
import pty
import sys
from typing import Any

import pytest

from remediation.cli import progress
from stand_ins.insightvm_console import Console


def test_a_line_comes_at_most_once_in_a_while() -> None:
    now, said = [100.0], []
    tell = progress.paced(said.append, lambda: now[0], pause=5)
    for second in range(13):
        now[0] = 100.0 + second
        tell(str(second))
    assert said == ["5", "10"]


@pytest.fixture
def source(line: Any, database: str) -> Any:
    with Console(database) as console:
        console.polls_until_ready = 0
        console.seed_demo()
        words = ("--kind", "insightvm", "--url", console.url, "--user", console.user, "--password-file")
        line("source", "add", "c", *words, line.file("right", console.password))
        yield console


def test_what_a_reading_tells(line: Any, source: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    monkeypatch.setattr(progress, "paced", lambda say, clock: say)
    ended = line("source", "read", "c")
    assert ended.code == 0 and "findings on" in ended.out
    lines = ended.err.splitlines()
    for said in (
        "c: report of the coverage: requested",
        "c: report of the coverage: 8 rows",
        "c: report of the findings: 21 rows",
        "c: report of the exceptions: 0 rows",
        "c: 21 findings are compared with what is known, and stored",
    ):
        assert said in lines
    assert any("bytes fetched" in text for text in lines)
    assert line("source", "read", "c", "--json").err == ""


def test_short_work_says_nothing(line: Any, source: Console) -> None:
    assert line("source", "read", "c").err == ""
    assert line("import", line.report("a.csv", "1 v1 s1"), "--source", "weekly").err == ""


def test_what_an_import_tells(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "paced", lambda say, clock: say)
    file = line.report("a.csv", "1 v1 s1")
    said = line("import", file, "--source", "weekly").err
    assert "a.csv: the rows are read" in said and "bytes copied" in said and "1 findings are compared" in said
    assert line("import", file, "--source", "weekly", "--json").err == ""


def test_on_a_terminal_a_line_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.progress("[bold]name", as_json=False) as tell:
            tell("12 [rows]")
        terminal.write("END")
        terminal.flush()
        shown = ""
        while "END" not in shown:
            shown += os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "[bold]name: 12 [rows]" in shown and "\x1b[" in shown
