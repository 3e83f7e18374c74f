"""Guards the decision after an attempt: what is sent again, what never is, how long the pause is, and its limit."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from komand_haloitsm.util.halo.errors import Loss
from komand_haloitsm.util.halo.http.messages import NoResponse, NoResponseKind, Response
from komand_haloitsm.util.halo.http.retry import Decision, RetryPolicy, Step, decide

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
POLICY = RetryPolicy()
KIND = NoResponseKind


def http(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def after(result: Response | NoResponse, **world: Any) -> Decision:
    settings: dict[str, Any] = {
        "repeatable": True,
        "attempt": 1,
        "elapsed": 0.0,
        "refreshed": False,
        "jitter": 0.5,
        "now": NOW,
        "policy": POLICY,
    }
    return decide(result, **{**settings, **world})


# what happened -> (for a read or an update by id, for a create)
_OUTCOMES: dict[str, tuple[Response | NoResponse, Step, Step]] = {
    "200 with JSON is the answer": (Response(200, data={"id": 1}), Step.DONE, Step.DONE),
    "201 with JSON is the answer": (Response(201, data={"id": 1}), Step.DONE, Step.DONE),
    "200 with the JSON text null is an answer": (Response(200, data=None, readable=True), Step.DONE, Step.DONE),
    "200 without JSON fails a read and leaves a create open": (
        Response(200, readable=False, text="<html>", html=True),
        Step.FAIL,
        Step.UNCERTAIN,
    ),
    "201 cut short fails a read and leaves a create open": (
        Response(201, readable=False, text='{"id": 4'),
        Step.FAIL,
        Step.UNCERTAIN,
    ),
    "301 is not followed": (Response(301, location="https://elsewhere.example/"), Step.FAIL, Step.UNCERTAIN),
    "307 is not followed": (Response(307, location="https://elsewhere.example/"), Step.FAIL, Step.UNCERTAIN),
    "400 is final": (Response(400, data="no"), Step.FAIL, Step.UNCERTAIN),
    "401 asks for a new token": (Response(401, readable=False), Step.REFRESH, Step.UNCERTAIN),
    "403 is final": (Response(403, readable=False), Step.FAIL, Step.UNCERTAIN),
    "404 is final": (Response(404), Step.FAIL, Step.UNCERTAIN),
    "405 is final": (Response(405), Step.FAIL, Step.UNCERTAIN),
    "408 is final": (Response(408), Step.FAIL, Step.UNCERTAIN),
    "409 is final": (Response(409), Step.FAIL, Step.UNCERTAIN),
    "413 is final": (Response(413), Step.FAIL, Step.UNCERTAIN),
    "422 is final": (Response(422), Step.FAIL, Step.UNCERTAIN),
    "429 was refused before it was processed": (Response(429, data="Rate Limit Reached"), Step.WAIT, Step.UNCERTAIN),
    "500 is final for a read and leaves a create open": (Response(500), Step.FAIL, Step.UNCERTAIN),
    "501 is final for a read and leaves a create open": (Response(501), Step.FAIL, Step.UNCERTAIN),
    "502 passes, and leaves a create open": (Response(502), Step.WAIT, Step.UNCERTAIN),
    "503 passes, and leaves a create open": (Response(503), Step.WAIT, Step.UNCERTAIN),
    "504 passes, and leaves a create open": (Response(504), Step.WAIT, Step.UNCERTAIN),
    "a name that is not resolved was not sent": (NoResponse(KIND.NAME), Step.WAIT, Step.WAIT),
    "a refused connection was not sent": (NoResponse(KIND.REFUSED), Step.WAIT, Step.WAIT),
    "a connect timeout was not sent": (NoResponse(KIND.CONNECT_TIMEOUT), Step.WAIT, Step.WAIT),
    "a proxy that fails was not sent": (NoResponse(KIND.PROXY), Step.WAIT, Step.WAIT),
    "a TLS connection that cannot be made is final, nothing was sent": (NoResponse(KIND.TLS), Step.FAIL, Step.FAIL),
    "a bad certificate is final, nothing was sent": (NoResponse(KIND.CERTIFICATE), Step.FAIL, Step.FAIL),
    "a read timeout leaves a create open": (NoResponse(KIND.READ_TIMEOUT), Step.WAIT, Step.UNCERTAIN),
    "a lost connection leaves a create open": (NoResponse(KIND.LOST), Step.WAIT, Step.UNCERTAIN),
    "an answer too large fails a read and leaves a create open": (
        NoResponse(KIND.TOO_LARGE),
        Step.FAIL,
        Step.UNCERTAIN,
    ),
}


@pytest.mark.parametrize("result, expected", [row[:2] for row in _OUTCOMES.values()], ids=list(_OUTCOMES))
def test_a_read_or_an_update_by_id(result, expected):
    assert after(result, repeatable=True).step is expected


@pytest.mark.parametrize("result, expected", [row[::2] for row in _OUTCOMES.values()], ids=list(_OUTCOMES))
def test_a_create(result, expected):
    assert after(result, repeatable=False).step is expected


def test_every_kind_of_failure_is_in_the_table():
    told = {result.kind for result, _, _ in _OUTCOMES.values() if isinstance(result, NoResponse)}
    assert told == set(NoResponseKind)


@pytest.mark.parametrize("status", [status for status in range(400, 500) if status not in (401, 429)])
@pytest.mark.parametrize("repeatable", [True, False], ids=["a read", "a create"])
@pytest.mark.parametrize("asked", ["", "5"], ids=["without Retry-After", "with Retry-After"])
def test_4xx_is_never_sent_again_as_it_is(status, repeatable, asked):
    step = Step.FAIL if repeatable else Step.UNCERTAIN
    assert after(Response(status, retry_after=asked), repeatable=repeatable).step is step


@pytest.mark.parametrize("elapsed", [0.0, 119.0, 1000.0])
def test_401_is_refreshed_once_and_only_once(elapsed):
    refused = Response(401, readable=False)
    assert after(refused, elapsed=elapsed).step is Step.REFRESH
    assert after(refused, elapsed=elapsed, refreshed=True) == Decision(Step.FAIL)


# What became of a create, by what came of its request.
_LOSSES = {
    "a read timeout": (NoResponse(KIND.READ_TIMEOUT), Loss.SLOW),
    "an answer too large": (NoResponse(KIND.TOO_LARGE), Loss.SLOW),
    "a success that cannot be read": (Response(200, readable=False), Loss.SLOW),
    "408": (Response(408), Loss.SLOW),
    "502": (Response(502), Loss.SLOW),
    "504": (Response(504), Loss.SLOW),
    "a lost connection": (NoResponse(KIND.LOST), Loss.BROKEN),
    "500": (Response(500), Loss.BROKEN),
    "503": (Response(503), Loss.BROKEN),
    "401": (Response(401), Loss.TOKEN),
    "429": (Response(429), Loss.LIMITED),
    "302": (Response(302), Loss.REFUSED),
    "400": (Response(400), Loss.REFUSED),
    "403": (Response(403), Loss.REFUSED),
    "404": (Response(404), Loss.REFUSED),
    "409": (Response(409), Loss.REFUSED),
}


@pytest.mark.parametrize("result, loss", list(_LOSSES.values()), ids=list(_LOSSES))
def test_what_is_known_of_a_create_that_was_sent(result, loss):
    decision = after(result, repeatable=False)
    assert (decision.step, decision.loss) == (Step.UNCERTAIN, loss)


def test_how_long_halo_asks_to_wait_is_passed_on_with_a_create():
    assert after(Response(429, retry_after="30"), repeatable=False) == Decision(Step.UNCERTAIN, 30.0, Loss.LIMITED)


def test_a_401_does_not_wait_for_retry_after():
    assert after(Response(401, retry_after="30")) == Decision(Step.REFRESH)


@pytest.mark.parametrize(
    "step, result",
    [
        (Step.WAIT, Response(429)),
        (Step.WAIT, Response(503)),
        (Step.WAIT, NoResponse(KIND.LOST)),
        (Step.DONE, Response(200)),
        (Step.FAIL, Response(400)),
    ],
    ids=["429", "503", "a lost connection", "200", "400"],
)
def test_a_refresh_before_changes_nothing_for_other_results(step, result):
    assert after(result, refreshed=True).step is step


# Retry-After on a 429, Halo's Date, and how long the pause is; None: the plugin's own growing pause
_ASKED = {
    "whole seconds": ("7", None, 7.0),
    "seconds with spaces around": ("  7 ", None, 7.0),
    "seconds with a fraction": ("1.5", None, 1.5),
    "as long as the cap": ("120", None, 120.0),
    "a date by our clock when Halo tells no time": (http(NOW + timedelta(seconds=40)), None, 40.0),
    "a date by Halo's clock when it runs behind ours": (
        http(NOW - timedelta(minutes=10) + timedelta(seconds=25)),
        NOW - timedelta(minutes=10),
        25.0,
    ),
    "a date by Halo's clock when it runs ahead of ours": (
        http(NOW + timedelta(hours=2, seconds=9)),
        NOW + timedelta(hours=2),
        9.0,
    ),
    "a date with an offset": ("Sun, 01 Mar 2026 13:00:30 +0100", None, 30.0),
    "a date of the old form": ("Sunday, 01-Mar-26 12:00:11 GMT", None, 11.0),
    "nothing": ("", None, None),
    "only spaces": ("   ", None, None),
    "a word": ("soon", None, None),
    "a negative number": ("-5", None, None),
    "a number in words of another script": ("\u0663\u0664", None, None),
    "an exponent": ("1e1", None, None),
    "not a number": ("nan", None, None),
    "infinity": ("inf", None, None),
    "two numbers": ("5, 7", None, None),
    "a date that does not exist": ("Sun, 45 Foo 2026 12:00:11 GMT", None, None),
    "a dot": (".", None, None),
    "a sign": ("+", None, None),
    "control characters": ("\x00\x07", None, None),
}


@pytest.mark.parametrize("asked, halos_time, seconds", list(_ASKED.values()), ids=list(_ASKED))
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status, asked, halos_time, seconds):
    decision = after(Response(status, retry_after=asked, date=halos_time), attempt=3, jitter=1.0)
    assert decision == Decision(Step.WAIT, 4.0 if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "asked, wanted",
    [
        ("121", 121.0),
        ("3600", 3600.0),
        ("99999999999", 99999999999.0),
        (http(NOW + timedelta(minutes=5)), 300.0),
        (http(NOW + timedelta(days=365)), 365 * 86400.0),
    ],
    ids=["a second more", "an hour", "thousands of years", "a date in five minutes", "a date in a year"],
)
def test_past_the_cap_it_fails_with_what_halo_asked_for(asked, wanted):
    decision = after(Response(429, retry_after=asked))
    assert decision == Decision(Step.FAIL, pytest.approx(wanted))


def test_a_number_with_hundreds_of_digits_fails_at_once():
    assert after(Response(429, retry_after="9" * 400)).step is Step.FAIL


@pytest.mark.parametrize(
    "asked",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0500"],
    ids=["a year of twenty digits", "a date that is beyond the last year in UTC"],
)
def test_a_date_out_of_range_never_raises(asked):
    assert after(Response(429, retry_after=asked)).step in (Step.WAIT, Step.FAIL)


@pytest.mark.parametrize(
    "elapsed, asked, step",
    [
        (0.0, "120", Step.WAIT),
        (60.0, "60", Step.WAIT),
        (60.0, "60.5", Step.FAIL),
        (119.5, "1", Step.FAIL),
        (119.0, "1", Step.WAIT),
        (120.5, "1", Step.FAIL),
        (500.0, "1", Step.FAIL),
    ],
)
def test_the_cap_counts_from_the_first_attempt(elapsed, asked, step):
    decision = after(Response(429, retry_after=asked), elapsed=elapsed)
    assert decision == Decision(step, float(asked))


@pytest.mark.parametrize("result", [Response(503), NoResponse(KIND.READ_TIMEOUT)], ids=["503", "a timeout"])
def test_past_the_cap_without_retry_after_no_wish_is_invented(result):
    assert after(result, elapsed=119.9, attempt=5) == Decision(Step.FAIL, 0.0)


def test_the_policy_sets_the_cap():
    assert after(Response(429, retry_after="4"), policy=RetryPolicy(max_wait=3.0)) == Decision(Step.FAIL, 4.0)
    assert after(Response(429, retry_after="4"), policy=RetryPolicy(max_wait=4.0)) == Decision(Step.WAIT, 4.0)


def test_a_create_that_may_be_done_is_uncertain_past_the_cap_too():
    assert after(NoResponse(KIND.READ_TIMEOUT), repeatable=False, elapsed=1e6).step is Step.UNCERTAIN
    assert after(Response(503, retry_after="999"), repeatable=False).step is Step.UNCERTAIN


def test_the_pauses_start_at_a_second_and_double():
    wide = RetryPolicy(max_wait=1e9)
    pauses = [after(Response(503), attempt=attempt, jitter=1.0, policy=wide).seconds for attempt in range(1, 7)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


@pytest.mark.parametrize("attempt", [1, 2, 5, 8, 40, 5000])
def test_jitter_spreads_each_pause_within_bounds(attempt):
    wide = RetryPolicy(max_wait=1e9)
    low, middle, high = (
        after(Response(503), attempt=attempt, jitter=jitter, policy=wide).seconds for jitter in (0.0, 0.5, 1.0)
    )
    assert 0 < low < middle < high <= wide.longest_pause


def test_no_pause_of_our_own_is_longer_than_the_longest():
    wide = RetryPolicy(max_wait=1e9)
    assert after(Response(503), attempt=10_000, jitter=1.0, policy=wide).seconds == wide.longest_pause


def test_the_waits_of_a_call_that_never_succeeds_stay_within_the_cap():
    waited, attempt = 0.0, 1
    while (decision := after(Response(503), elapsed=waited, attempt=attempt, jitter=0.0)).step is Step.WAIT:
        waited += decision.seconds
        attempt += 1
    assert 50 < waited <= 120 and attempt < 15


@pytest.mark.parametrize(
    "asked",
    ["0", "0.0", http(NOW), http(NOW - timedelta(hours=1))],
    ids=["zero", "zero with a fraction", "a date that is now", "a date that has passed"],
)
def test_a_halo_that_asks_for_no_pause_is_not_hammered(asked):
    assert 0.25 <= after(Response(429, retry_after=asked)).seconds <= 5
