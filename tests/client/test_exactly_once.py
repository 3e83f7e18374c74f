"""Guards "exactly once": what is sent again and when, what is adopted, what is given once, and whose turn it is."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.errors import HaloError, UncertainWrite
from komand_haloitsm.util.halo.http.messages import Response
from komand_haloitsm.util.halo.tickets.exactly_once import (
    ClaimRegistry,
    ExactlyOnce,
    claim_registry,
    may_exist,
    sent_at,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
LOST = UncertainWrite(kind="lost", cause="Lost cause.", assistance="Try.", data="POST /Tickets got no answer.")
REFUSED = HaloError(kind="refused", cause="c", assistance="a", status=400)
DOWN = HaloError(kind="unavailable", cause="c", assistance="a", data="GET /Tickets was 503.", status=503)
MADE = {"id": 7, "summary": "private-words"}


class Story:
    """What happens in turn at each send and each look, and in which order it did; the last one goes on for ever."""

    def __init__(self, sends: list[Any], looks: list[Any]) -> None:
        self._sends, self._looks = sends, looks
        self.course: list[Any] = []

    def send(self) -> dict[str, Any]:
        return self._next("send", self._sends)

    def find(self) -> list[dict[str, Any]]:
        return self._next("look", self._looks)

    def _next(self, what: str, outcomes: list[Any]) -> Any:
        self.course.append(what)
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def warning(self, line: str) -> None:
        assert "private-words" not in line

    info = warning

    def run(self) -> dict[str, Any]:
        session = ScriptedSession(lambda *_: Response(200), sleep=self.course.append)
        return ExactlyOnce(session, ClaimRegistry(), "The ticket", logger=self, recheck_delay=2.0).run(
            self.send, self.find
        )


def sends(story: Story) -> int:
    return story.course.count("send")


# --------------------------------------------------------------------------------------------------------- ExactlyOnce


def test_what_is_certain_is_not_looked_up():
    story = Story([MADE], [])
    assert story.run() is MADE and story.course == ["send"]


def test_found_once_at_once_it_is_adopted_and_not_sent_again():
    story = Story([LOST], [[MADE]])
    assert story.run() is MADE and story.course == ["send", "look"]


def test_found_once_after_a_pause_it_is_adopted_and_not_sent_again():
    story = Story([LOST], [[], [MADE]])
    assert story.run() is MADE and story.course == ["send", "look", 2.0, "look"]


def test_not_found_it_is_sent_again():
    story = Story([LOST, MADE], [[]])
    assert story.run() is MADE and story.course == ["send", "look", 2.0, "look", "send"]


def test_found_after_it_was_sent_again_it_is_adopted():
    story = Story([LOST], [[], [], [MADE]])
    assert story.run() is MADE and sends(story) == 2


def test_it_is_sent_again_at_most_twice_and_looked_up_after_the_last():
    story = Story([LOST], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert story.course == ["send", "look", 2.0, "look"] * 3
    error = caught.value
    assert not isinstance(error, UncertainWrite) and error.kind == "lost"
    assert "could not be created" in error.cause and "Lost cause." in error.cause
    assert "not in HaloITSM" in error.assistance and error.data == LOST.data


@pytest.mark.parametrize("looks", [[[MADE, {"id": 8}]], [[], [MADE, {"id": 8}]]], ids=["at once", "after the pause"])
def test_found_more_than_once_it_is_an_error_that_names_them(looks):
    story = Story([LOST], looks)
    with pytest.raises(UncertainWrite) as caught:
        story.run()
    assert caught.value.kind == "may_exist" and "7, 8" in caught.value.data and sends(story) == 1


@pytest.mark.parametrize("looks", [[DOWN], [[], DOWN]], ids=["at once", "after the pause"])
def test_when_halo_cannot_be_read_it_is_not_sent_again(looks):
    story = Story([LOST], looks)
    with pytest.raises(UncertainWrite) as caught:
        story.run()
    error = caught.value
    assert sends(story) == 1 and error.kind == "may_exist"
    assert "may exist" in error.cause and "look in HaloITSM" in error.assistance
    assert "unavailable" in error.data and DOWN.data in error.data and LOST.data in error.data


def test_a_refusal_is_passed_on_and_nothing_is_looked_up():
    story = Story([REFUSED], [])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert caught.value is REFUSED and story.course == ["send"]


def test_a_refusal_of_the_second_sending_is_passed_on():
    story = Story([LOST, REFUSED], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert caught.value is REFUSED and sends(story) == 2


def test_an_exception_that_is_not_halos_is_not_swallowed():
    with pytest.raises(KeyError):
        Story([LOST], [KeyError("x")]).run()


def test_what_may_exist_says_how_to_check_and_keeps_what_halo_said():
    uncertain = UncertainWrite(kind="unavailable", cause="c", assistance="a", data="d", status=503, said="Down")
    error = may_exist("The comment", uncertain, "Because.")
    assert (error.kind, error.status, error.said) == ("may_exist", 503, "Down")
    assert error.cause.startswith("The comment may exist") and error.data == "d Because."


# ----------------------------------------------------------------------------------------------------- Halo's clock


@pytest.mark.parametrize(
    "answer, elapsed, latest",
    [
        (Response(200, date=NOW), 0.0, NOW),
        (Response(200, date=NOW), 45.0, NOW - timedelta(seconds=45)),
        (Response(200, date=NOW - timedelta(hours=3)), 10.0, NOW - timedelta(hours=3, seconds=10)),
        (Response(200), 10.0, NOW - timedelta(seconds=10)),
    ],
    ids=["just now", "a while ago", "Halo's clock is behind", "no clock of Halo's"],
)
def test_the_moment_of_sending_is_told_by_halos_own_clock_with_a_little_slack(answer, elapsed, latest):
    moment = sent_at(answer, elapsed, NOW)
    assert latest - timedelta(seconds=10) <= moment <= latest - timedelta(seconds=1)


# ----------------------------------------------------------------------------------------------------------- ClaimRegistry


@pytest.mark.parametrize("thing", [7, (7, 3)], ids=["a ticket", "a comment"])
def test_nothing_is_given_twice(thing):
    claims = ClaimRegistry()
    assert not claims.is_claimed(thing)
    assert claims.claim(thing) is True and claims.is_claimed(thing)
    assert claims.claim(thing) is False


def test_of_many_threads_one_is_given_a_ticket():
    claims, barrier, given = ClaimRegistry(), threading.Barrier(16), []

    def take() -> None:
        barrier.wait(5)
        given.append([claims.claim(number) for number in range(50)])

    threads = [threading.Thread(target=take, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [sum(column) for column in zip(*given)] == [1] * 50


def test_a_ledger_does_not_grow_without_end_and_forgets_the_oldest():
    claims = ClaimRegistry()
    for number in range(10_001):
        claims.claim(number)
        claims.note_reference(f"key {number}", number)
    assert not claims.is_claimed(0) and claims.is_claimed(1) and claims.is_claimed(10_000)
    assert claims.by_reference("key 0") is None and claims.by_reference("key 10000") == 10_000


def test_a_reference_is_remembered():
    claims = ClaimRegistry()
    assert claims.by_reference("A1") is None
    claims.note_reference("A1", 7)
    assert claims.by_reference("A1") == 7 and claims.by_reference("A10") is None and claims.by_reference("a1") is None
    claims.note_reference("A1", 8)
    assert claims.by_reference("A1") == 8


def test_one_ledger_for_each_halo_and_kind():
    api = "https://desk.example.com/api"
    assert claim_registry(api, "tickets") is claim_registry(api, "tickets")
    others = {
        id(claim_registry(api, "tickets")),
        id(claim_registry(api, "comments")),
        id(claim_registry("https://b.example/api", "tickets")),
    }
    assert len(others) == 3


def test_many_threads_get_the_same_ledger():
    barrier, found = threading.Barrier(16), []

    def ask() -> None:
        barrier.wait(5)
        found.append(id(claim_registry("https://threads.example/api", "tickets")))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 16 and len(set(found)) == 1


# ------------------------------------------------------------------------------------------------------------- exclusive


def test_creates_take_turns():
    claims, inside, most = ClaimRegistry(), 0, 0
    lock = threading.Lock()

    def create() -> None:
        nonlocal inside, most
        with claims.exclusive(10.0):
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.002)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=create, daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (inside, most) == (0, 1)


def test_who_waits_too_long_for_a_turn_is_told_that_nothing_was_sent():
    claims = ClaimRegistry()
    with claims.exclusive(1.0):
        with pytest.raises(HaloError) as caught:
            with claims.exclusive(0.05):
                raise AssertionError("two at once")
    error = caught.value
    assert error.kind == "busy" and "Nothing was sent" in error.assistance
    assert not isinstance(error, UncertainWrite)


def test_a_turn_that_was_not_had_is_not_given_back():
    claims = ClaimRegistry()
    with claims.exclusive(1.0):
        with pytest.raises(HaloError):
            with claims.exclusive(0.01):
                pass
        with pytest.raises(HaloError):
            with claims.exclusive(0.01):
                raise AssertionError("the first turn is not over")


@pytest.mark.parametrize(
    "error", [LOST, KeyError("x"), KeyboardInterrupt()], ids=["ours", "another", "an interruption"]
)
def test_a_turn_ends_with_an_error_too(error):
    claims = ClaimRegistry()
    with pytest.raises(type(error)):
        with claims.exclusive(0.1):
            raise error
    with claims.exclusive(0.1):
        pass


def test_a_ledger_can_be_used_during_a_turn():
    claims = ClaimRegistry()
    with claims.exclusive(0.1):
        assert claims.claim(7) and claims.is_claimed(7)
