"""Stores of triggers for tests, on a clock of their own, and what they hold."""

import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from komand_haloitsm.util.events.decide import LastSeen
from komand_haloitsm.util.events.store import open_store
from komand_haloitsm.util.halo.webhook import Notice

OWNER = "ticket_created None https://one.halo.example/api"
LOGGER = logging.getLogger("tests.store")
ROOT = Path(__file__).resolve().parents[2]


def moment(number: int) -> str:
    return f"2026-03-01T00:{number // 60 % 60:02d}:{number % 60:02d}.{number:09d}"


def seen(number: int) -> LastSeen:
    return LastSeen(moment(number), 2, {"status_id": 2, "summary": number * 7}, number)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "trigger.haloitsm.sqlite3"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(path, clock):
    made = []

    def make(where=path, owner=OWNER):
        made.append(open_store(where, owner, LOGGER, clock))
        return made[-1]

    yield make
    for store in made:
        store.close()


def named(*ticket_ids: int) -> list[Notice]:
    return [Notice(ticket_id) for ticket_id in ticket_ids]


def pairs(store, most: int = 100) -> list[tuple[int, int]]:
    return [(item.ticket_id, item.number) for item in store.pending(most)]


def ids(store, most: int = 100) -> list[int]:
    return [ticket_id for ticket_id, _ in pairs(store, most)]


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def run_python(code: str, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        # Not measured: who measures coverage traces lines, and so do some of these programs.
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
            "PYTHONPATH": str(ROOT),
        },
    )
