"""Two workers on one database. The first is frozen in the middle of a create, and goes on after the take-over.

It lasts over a minute, because nothing in it is shortened, so only ``make walk`` does it.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from halo_emulator import Fault, HaloEmulator
from remediation.jobs import tasks

from .conftest import Project, Worker, wait_until

pytestmark = [
    pytest.mark.skipif("HALOITSM_WALK" not in os.environ, reason="make walk does it: it takes over a minute"),
    pytest.mark.timeout(300),
]


def made(halo: HaloEmulator) -> Counter[str]:
    return Counter(str(ticket["summary"]) for number, ticket in halo.tickets.items() if number > 2106)


def sent(halo: HaloEmulator) -> int:
    return sum(request.method == "POST" and request.path.lower().endswith("/tickets") for request in halo.requests)


@pytest.mark.parametrize("seconds", [2, 25], ids=["done-before-the-take-over", "done-after-it"])
def test_one_ticket(
    project: Project, worker: Callable[[], Worker], halo: HaloEmulator, no_round: None, seconds: int
) -> None:
    one = project("web")
    halo.inject(Fault("hang", "POST", "tickets", skip=1, seconds=seconds))
    tasks.ask_to_run(one)
    first = worker()
    wait_until(lambda: sent(halo) == 2)
    first.process.send_signal(signal.SIGSTOP)
    frozen = time.monotonic()
    second = worker()
    deadline = frozen + 30
    while one.runs.count() < 2:
        assert time.monotonic() < deadline, "nobody took it over"
        time.sleep(0.1)
    print(f"\nTaken over {time.monotonic() - frozen:.1f} s after the freeze.")
    deadline = frozen + 180
    while one.runs.filter(outcome="done").count() < 1:
        assert time.monotonic() < deadline, [run.detail for run in one.runs.all()]
        time.sleep(0.5)
    first.process.send_signal(signal.SIGCONT)
    # It has tried to go on, and was told.
    wait_until(lambda: "Somebody else is writing" in first.said() or first.process.poll() is not None)
    assert sorted(made(halo).values()) == [1, 1]
    assert "is gone" in second.said()
