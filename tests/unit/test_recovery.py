"""Guards the decision about a write that was looked up in vain: look again, send again, or say what is not known."""

import pytest

from komand_haloitsm.util.halo.errors import Loss
from komand_haloitsm.util.halo.tickets.recovery import LIST_LAG, LONGEST_PAUSE, Next, Situation, after_absence

LOOK, SEND, REFUSED, UNKNOWN = Next.LOOK, Next.SEND, Next.REFUSED, Next.UNKNOWN


def step(loss, **now):
    usual = {
        "looked": 0.0,
        "looks": 1,
        "left": 100.0,
        "sends": 1,
        "renewed": False,
        "reliable": True,
        "first_pause": 2.0,
    }
    return after_absence(Situation(loss, **{**usual, **now}))


# --------------------------------------------------------------------------- the connection broke, or no answer

BROKEN = {
    "at once": ({}, (LOOK, 2.0)),
    "the second look": ({"looked": 2, "looks": 2}, (LOOK, 4.0)),
    "the third look": ({"looked": 6, "looks": 3}, (LOOK, 8.0)),
    "the pause ends at 20 s": ({"looked": 14, "looks": 4}, (LOOK, 6.0)),
    "shortly before 20 s": ({"looked": 19.5, "looks": 5}, (LOOK, 2.0)),
    "after 20 s": ({"looked": 20, "looks": 5}, (SEND, 0.0)),
    "after 20 s, without a key": ({"looked": 20, "looks": 5, "reliable": False}, (SEND, 0.0)),
    "after the second break": ({"looked": 20, "looks": 5, "sends": 2}, (UNKNOWN, 0.0)),
    "no time left": ({"left": 1.0}, (UNKNOWN, 0.0)),
    "time is up": ({"left": -5.0}, (UNKNOWN, 0.0)),
}
SLOW = {
    "at once": ({}, (LOOK, 2.0)),
    "after 20 s": ({"looked": 20, "looks": 5}, (LOOK, LONGEST_PAUSE)),
    "the pause ends at 60 s": ({"looked": 50, "looks": 6}, (LOOK, 10.0)),
    "after a minute": ({"looked": 60, "looks": 7}, (SEND, 0.0)),
    "after a minute, without a key": ({"looked": 60, "looks": 7, "reliable": False}, (LOOK, LONGEST_PAUSE)),
    "without a key, to the end": ({"looked": 90, "looks": 9, "reliable": False, "left": 10}, (UNKNOWN, 0.0)),
    "after the second send": ({"looked": 60, "looks": 7, "sends": 2}, (LOOK, LONGEST_PAUSE)),
    "after the second send, to the end": ({"looked": 60, "looks": 7, "sends": 2, "left": 3}, (UNKNOWN, 0.0)),
}


@pytest.mark.parametrize("now, then", BROKEN.values(), ids=BROKEN)
def test_after_a_broken_connection_it_is_looked_for_twenty_seconds(now, then):
    assert step(Loss.BROKEN, **now) == then


@pytest.mark.parametrize("now, then", SLOW.values(), ids=SLOW)
def test_without_an_answer_it_is_looked_for_a_minute(now, then):
    assert step(Loss.SLOW, **now) == then


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("loss", [Loss.BROKEN, Loss.SLOW])
@pytest.mark.parametrize("sends", [1, 2])
def test_whatever_happens_there_are_two_sends_at_most_and_an_end(loss, reliable, sends):
    looked, looks = 0.0, 0
    while True:
        looks += 1
        assert looks < 30
        then, pause = step(loss, looked=looked, looks=looks, left=120 - looked, sends=sends, reliable=reliable)
        if then is not LOOK:
            break
        assert 0 < pause <= LONGEST_PAUSE
        looked += pause
    assert then is (SEND if sends == 1 and (reliable or loss is Loss.BROKEN) else UNKNOWN)
    assert looked <= 120 and (then is UNKNOWN or looked >= (20 if loss is Loss.BROKEN else 60))


@pytest.mark.parametrize("loss", [Loss.BROKEN, Loss.SLOW])
def test_without_a_first_pause_it_is_not_looked_up_in_a_circle(loss):
    assert step(loss, first_pause=0.0) == (UNKNOWN, 0.0)


# ------------------------------------------------------------------------------------------------------ an answer: no


@pytest.mark.parametrize(
    "now, then",
    [
        ({}, (LOOK, LIST_LAG)),
        ({"looks": 2, "looked": LIST_LAG}, (REFUSED, 0.0)),
        ({"clear": True}, (REFUSED, 0.0)),
        ({"left": LIST_LAG - 1}, (REFUSED, 0.0)),
        ({"sends": 2}, (LOOK, LIST_LAG)),
    ],
    ids=["at once", "after the second look", "in Halo's own words", "no time left", "of the second send"],
)
def test_a_refusal_is_looked_into_twice_unless_it_is_halos_own(now, then):
    assert step(Loss.REFUSED, **now) == then


@pytest.mark.parametrize("renewed, then", [(False, SEND), (True, REFUSED)])
def test_a_token_that_is_not_accepted_is_renewed_once(renewed, then):
    assert step(Loss.TOKEN, renewed=renewed) == (then, 0.0)


LIMITED = {
    "nothing asked for": ({}, (SEND, 5.0)),
    "a moment asked for": ({"wait": 0.01}, (SEND, 5.0)),
    "more asked for": ({"wait": 30}, (SEND, 30)),
    "the second time": ({"limited": 2, "wait": 1}, (SEND, 10.0)),
    "the third time": ({"limited": 3}, (SEND, 20.0)),
    "the tenth time": ({"limited": 10}, (SEND, 80.0)),
    "more than is left": ({"wait": 101}, (REFUSED, 0.0)),
    "as much as is left": ({"wait": 100}, (SEND, 100)),
    "no time left": ({"left": 4.0}, (REFUSED, 0.0)),
}


@pytest.mark.parametrize("now, then", LIMITED.values(), ids=LIMITED)
def test_a_limit_is_waited_out_longer_each_time(now, then):
    assert step(Loss.LIMITED, **now) == then
