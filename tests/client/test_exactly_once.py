"""Guards "exactly once": what is sent again and when, what is adopted, what is claimed once, and whose turn it is."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.clock import Clock
from komand_haloitsm.util.halo.errors import HaloError, Loss, UncertainWrite
from komand_haloitsm.util.halo.http.messages import Response
from komand_haloitsm.util.halo.tickets.exactly_once import ClaimRegistry, ExactlyOnce, claim_registry, may_exist


def lost(loss: Loss, kind: str = "lost", wait: float = 0.0) -> UncertainWrite:
    cause, data = "Lost cause.", "POST /Tickets got no answer."
    return UncertainWrite(kind=kind, cause=cause, assistance="Try.", data=data, loss=loss, wait=wait)


BROKEN, SLOW = lost(Loss.BROKEN), lost(Loss.SLOW, "read_timeout")
REFUSED = lost(Loss.REFUSED, "forbidden")
DOWN = HaloError(kind="unavailable", cause="c", assistance="a", data="GET /Tickets was 503.", status=503)
KEPT = ("third_party_id_string", 1)
MADE = {"id": 7, "summary": "private-words"}


class Story:
    """What happens in turn at each send and each look, and in which order it did; the last one goes on for ever."""

    def __init__(self, sends: list[Any], looks: list[Any], reliable: bool = True) -> None:
        self._sends, self._looks, self._reliable = sends, looks, reliable
        self.course: list[Any] = []
        self.time = 0.0
        self.resent = False

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

    def sleep(self, seconds: float) -> None:
        self.course.append(seconds)
        self.time += seconds

    def warning(self, line: str) -> None:
        assert "private-words" not in line

    info = warning

    def run(self) -> dict[str, Any]:
        session = ScriptedSession(lambda *_: Response(200), lambda: self.time, self.sleep).begin()
        once = ExactlyOnce(session, ClaimRegistry(), "The ticket", logger=self, recheck_delay=2.0)
        try:
            return once.run(self.send, self.find, lambda: self._reliable)
        finally:
            self.resent = once.resent


def sends(story: Story) -> int:
    return story.course.count("send")


# --------------------------------------------------------------------------------------------------------- ExactlyOnce


def test_what_is_certain_is_not_looked_up():
    story = Story([MADE], [])
    assert story.run() is MADE and story.course == ["send"]


@pytest.mark.parametrize("loss", list(Loss))
def test_found_at_once_it_is_adopted_and_not_sent_again(loss):
    story = Story([lost(loss)], [[MADE]])
    assert story.run() is MADE and story.course == ["send", "look"] and not story.resent


@pytest.mark.parametrize("loss", [Loss.BROKEN, Loss.SLOW])
def test_found_after_a_pause_it_is_adopted_and_not_sent_again(loss):
    story = Story([lost(loss)], [[], [], [MADE]])
    assert story.run() is MADE and story.course == ["send", "look", 2.0, "look", 4.0, "look"]


@pytest.mark.parametrize("reliable", [True, False])
def test_after_a_broken_connection_it_is_looked_for_twenty_seconds_and_sent_once_more(reliable):
    story = Story([BROKEN, MADE], [[]], reliable)
    assert story.run() is MADE and story.resent
    assert story.course == ["send", "look", 2.0, "look", 4.0, "look", 8.0, "look", 6.0, "look", 0.0, "send"]


def test_without_an_answer_it_is_sent_once_more_after_a_minute_where_absence_is_certain():
    story = Story([SLOW, MADE], [[]])
    assert story.run() is MADE and sends(story) == 2 and story.time == 60.0


def test_without_an_answer_it_is_not_sent_again_where_absence_is_not_certain():
    story = Story([SLOW, MADE], [[]], reliable=False)
    with pytest.raises(UncertainWrite) as caught:
        story.run()
    assert sends(story) == 1 and 100.0 < story.time <= 120.0 and caught.value.kind == "may_exist"


def test_found_at_the_very_end_it_is_adopted():
    story = Story([SLOW], [[]] * 9 + [[MADE]], reliable=False)
    assert story.run() is MADE and story.time > 90.0


def test_found_after_it_was_sent_again_it_is_adopted():
    story = Story([BROKEN], [[]] * 5 + [[MADE]])
    assert story.run() is MADE and sends(story) == 2 and story.resent


@pytest.mark.parametrize("reliable", [True, False])
def test_after_two_broken_connections_it_may_exist(reliable):
    """However long it was looked for: no client knows how late a Halo can be."""
    story = Story([BROKEN], [[]], reliable)
    with pytest.raises(UncertainWrite, match="may exist") as caught:
        story.run()
    assert sends(story) == 2 and story.time == 40.0 and "Lost cause." in caught.value.cause


@pytest.mark.parametrize("looks", [[[MADE, {"id": 8}]], [[], [MADE, {"id": 8}]]], ids=["at once", "after the pause"])
def test_found_more_than_once_it_is_an_error_that_names_them(looks):
    story = Story([BROKEN], looks)
    with pytest.raises(UncertainWrite) as caught:
        story.run()
    assert caught.value.kind == "may_exist" and "7, 8" in caught.value.data and sends(story) == 1


@pytest.mark.parametrize("looks", [[DOWN], [[], DOWN]], ids=["at once", "after the pause"])
def test_when_halo_cannot_be_read_it_is_not_sent_again(looks):
    story = Story([BROKEN], looks)
    with pytest.raises(UncertainWrite) as caught:
        story.run()
    error = caught.value
    assert sends(story) == 1 and error.kind == "may_exist"
    assert "may exist" in error.cause and "look in HaloITSM" in error.assistance
    assert "unavailable" in error.data and DOWN.data in error.data and BROKEN.data in error.data


def test_a_refusal_is_passed_on_after_two_looks():
    story = Story([REFUSED], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert story.course == ["send", "look", 6.0, "look"] and caught.value.kind == "forbidden"
    assert not isinstance(caught.value, UncertainWrite) and "look in HaloITSM" not in caught.value.assistance


def test_a_refusal_in_halos_own_words_is_passed_on_after_one_look():
    words = UncertainWrite(kind="refused", cause="c", assistance="a", status=400, said="No.", loss=Loss.REFUSED)
    story = Story([words], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert story.course == ["send", "look"] and caught.value.kind == "refused"


def test_a_refusal_of_which_nobody_can_see_whether_it_holds_says_so():
    with pytest.raises(HaloError) as caught:
        Story([REFUSED], [DOWN]).run()
    assert caught.value.kind == "forbidden" and "look in HaloITSM" in caught.value.assistance
    assert DOWN.data in caught.value.data


def test_a_refusal_of_the_second_sending_is_passed_on():
    story = Story([BROKEN, REFUSED], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert caught.value.kind == "forbidden" and sends(story) == 2


def test_a_token_that_is_not_accepted_is_renewed_once():
    assert Story([lost(Loss.TOKEN), MADE], [[]]).run() is MADE
    story = Story([lost(Loss.TOKEN, "unauthorized")], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert sends(story) == 2 and caught.value.kind == "unauthorized" and story.time == 0.0


def test_a_limited_rate_is_waited_out_as_asked_for():
    story = Story([lost(Loss.LIMITED, "rate_limit", wait=7.0), lost(Loss.LIMITED, "rate_limit"), MADE], [[]])
    assert story.run() is MADE
    assert story.course == ["send", "look", 7.0, "look", "send", "look", 10.0, "look", "send"]
    assert not story.resent, "a refused request was not carried out"


def test_a_limit_beyond_the_time_left_is_an_error():
    story = Story([lost(Loss.LIMITED, "rate_limit", wait=300.0)], [[]])
    with pytest.raises(HaloError) as caught:
        story.run()
    assert caught.value.kind == "rate_limit" and sends(story) == 1 and story.time == 0.0


def test_an_exception_that_is_not_halos_is_not_swallowed():
    with pytest.raises(KeyError):
        Story([BROKEN], [KeyError("x")]).run()


def test_what_may_exist_says_how_to_check_and_keeps_what_halo_said():
    uncertain = UncertainWrite(kind="unavailable", cause="c", assistance="a", data="d", status=503, said="Down")
    error = may_exist("The comment", uncertain, "Because.")
    assert (error.kind, error.status, error.said) == ("may_exist", 503, "Down")
    assert error.cause.startswith("The comment may exist") and error.data == "d Because."


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
    "error", [BROKEN, KeyError("x"), KeyboardInterrupt()], ids=["ours", "another", "an interruption"]
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


# ---------------------------------------------------------------------------------------------------------------- paced


def starts(registry: ClaimRegistry, calls: int, seconds: float) -> list[float]:
    """When each of so many calls began that come at once and take so long."""
    began, lock = [], threading.Lock()

    def create() -> None:
        with registry.paced(10.0, Clock(), KEPT):
            with lock:
                began.append(time.monotonic())
            time.sleep(seconds)

    threads = [threading.Thread(target=create, daemon=True) for _ in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return sorted(began)


def test_where_keys_are_kept_creates_start_a_second_apart_and_overlap():
    registry = ClaimRegistry()
    registry.keeps_key[KEPT] = True
    began = starts(registry, 3, 1.6)
    assert all(0.95 <= later - sooner <= 1.5 for sooner, later in zip(began, began[1:]))


def test_quick_creates_are_not_held_up():
    registry = ClaimRegistry()
    registry.keeps_key[KEPT] = True
    began = starts(registry, 8, 0.01)
    assert began[-1] - began[0] < 0.9


def test_where_keys_are_not_kept_one_create_ends_before_the_next_starts():
    began = starts(ClaimRegistry(), 3, 0.3)
    assert all(later - sooner >= 0.29 for sooner, later in zip(began, began[1:]))


def test_one_call_at_a_time_works_on_a_reference():
    registry = ClaimRegistry()
    with registry.alone_with("A1", 1.0), registry.alone_with("A2", 1.0):
        with pytest.raises(HaloError) as caught:
            with registry.alone_with("A1", 0.05):
                raise AssertionError("two at once")
    assert caught.value.kind == "busy"
    with registry.alone_with("A1", 0.05):
        pass
