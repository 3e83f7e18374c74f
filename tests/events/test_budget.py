"""How many requests a trigger may send in five minutes: never more, whatever the times at which it wants to."""

import logging
import random

import pytest

from komand_haloitsm.util.events.budget import WINDOW, Budget
from komand_haloitsm.util.events.lifecycle import Stopped

LOGGER = logging.getLogger("tests.budget")


class Time:
    """A clock on which waiting takes no time; after `stop_at` a wait is interrupted."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.now, self.stop_at = 0.0, stop_at

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now = min(self.now + seconds, self.stop_at)
        return self.now >= self.stop_at


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [1, 10, 40])
def test_no_five_minutes_have_more(limit, seed):
    dice, time, sent = random.Random(seed), Time(), []
    budget = Budget(limit, time.wait, LOGGER, time.clock)
    for _ in range(300):
        time.now += dice.choice([0, 0, 0.1, 3, 40, 290])
        budget.spend()
        sent.append(time.now)
    assert all(later - first > WINDOW - 1e-6 for first, later in zip(sent, sent[limit:]))


def test_what_is_within_the_limit_does_not_wait():
    time = Time()
    budget = Budget(40, time.wait, LOGGER, time.clock)
    for _ in range(40):
        budget.spend()
    assert time.now == 0
    budget.spend()
    assert time.now == WINDOW


def test_a_stop_is_noticed_while_it_waits(caplog):
    caplog.set_level(logging.INFO)
    time = Time(stop_at=100)
    budget = Budget(10, time.wait, LOGGER, time.clock)
    with pytest.raises(Stopped):
        for _ in range(11):
            budget.spend()
    assert time.now == 100 and ["goes on in 300 s" in record.getMessage() for record in caplog.records] == [True]
