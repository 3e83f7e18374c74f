"""A stand-in console with the demo's estate, and a client of it that does not really wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from remediation.domain.snapshot import Snapshot
from remediation.sources.insightvm_console import InsightVmConsole
from stand_ins.insightvm_console import Console


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    with Console(database) as running:
        running.seed_demo()
        running.requests.clear()
        yield running


class Time:
    """A clock that moves by sleeping only."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def snapshot(console: Console, time: Time) -> Callable[[], Snapshot]:
    source = InsightVmConsole(console.url, console.user, console.password, clock=time.clock, sleep=time.sleep)
    return source.snapshot
