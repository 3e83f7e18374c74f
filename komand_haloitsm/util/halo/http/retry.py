"""Decides what to do after an attempt. Pure: the time, the randomness and the attempts so far are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ..errors import Loss
from ..values.dates import parse_http_date
from .messages import NOT_SENT, NoResponse, NoResponseKind, Response


class Step(Enum):
    """DONE: use the response. REFRESH: get a new token, send again. WAIT: sleep, send again. FAIL: raise.

    UNCERTAIN: Halo may have carried out a write that must not happen twice. Look before it is sent again.
    """

    DONE = "done"
    REFRESH = "refresh"
    WAIT = "wait"
    UNCERTAIN = "uncertain"
    FAIL = "fail"


@dataclass(frozen=True)
class Decision:
    """A step. ``seconds`` is how long to WAIT; with FAIL and UNCERTAIN, how long Halo asked to wait, 0 for nothing.

    ``loss`` belongs to UNCERTAIN.
    """

    step: Step
    seconds: float = 0.0
    loss: Loss = Loss.SLOW


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait, in seconds.

    ``max_wait`` bounds the time from the first attempt of a call to its last. With 120, a workflow step does not yet
    seem to hang. ``longest_pause`` bounds one exponential pause, not one that Halo asks for.
    """

    max_wait: float = 120.0
    first_pause: float = 1.0
    longest_pause: float = 60.0


# 502, 503 and 504 come from a proxy in front of Halo, or from a Halo that is starting. Both are temporary.
_PASSING = frozenset({502, 503, 504})


def decide(
    result: Response | NoResponse,
    *,
    repeatable: bool,
    attempt: int,
    elapsed: float,
    refreshed: bool,
    jitter: float,
    now: datetime,
    policy: RetryPolicy,
) -> Decision:
    """What to do after attempt number ``attempt`` (from 1) gave ``result``, ``elapsed`` seconds into the call.

    ``jitter`` is a random number from 0 to 1. ``now`` is only used for a Retry-After that is a date.
    """
    if isinstance(result, Response) and result.ok and result.readable:
        return Decision(Step.DONE)
    if not repeatable and not (isinstance(result, NoResponse) and result.kind in NOT_SENT):
        return Decision(Step.UNCERTAIN, _retry_after(result, now) or 0.0, loss_of(result))
    if isinstance(result, Response) and result.status == 401:
        # The first 401 may be a token that expired early or was revoked. A second one, with a new token, means that the
        # agent lacks the right.
        return Decision(Step.FAIL if refreshed else Step.REFRESH)
    if not _passes(result):
        return Decision(Step.FAIL)
    wanted = _retry_after(result, now)
    own = _pause(attempt, jitter, policy)
    # A server that keeps asking for a second would get a hundred requests.
    pause = own if wanted is None else max(wanted, own if attempt > _TRUSTED else 0.0)
    if elapsed + pause > policy.max_wait:
        return Decision(Step.FAIL, wanted or 0.0)
    return Decision(Step.WAIT, pause)


# How often in a row a Retry-After is taken as it is.
_TRUSTED = 5
# A proxy that gave up on a Halo that may still be at work.
_GAVE_UP = frozenset({408, 502, 504, *range(520, 528)})


def loss_of(result: Response | NoResponse) -> Loss:
    """What a result other than a success tells of a write that was sent.

    No status proves that nothing was done: a proxy may have lost Halo's own answer and given one of its own.
    """
    if isinstance(result, NoResponse):
        return Loss.BROKEN if result.kind is NoResponseKind.LOST else Loss.SLOW
    # A 2xx that cannot be read was very likely a success.
    if result.ok or result.status in _GAVE_UP:
        return Loss.SLOW
    if result.status == 401:
        return Loss.TOKEN
    if result.status == 429:
        return Loss.LIMITED
    return Loss.BROKEN if result.status >= 500 else Loss.REFUSED


def _passes(result: Response | NoResponse) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(result, NoResponse):
        # Waiting neither makes a certificate valid nor a response smaller.
        return result.kind not in (NoResponseKind.TLS, NoResponseKind.CERTIFICATE, NoResponseKind.TOO_LARGE)
    return result.status == 429 or result.status in _PASSING


def _pause(attempt: int, jitter: float, policy: RetryPolicy) -> float:
    """A pause that doubles from ``first_pause``.

    It is spread over the upper half of that time, so that many clients do not all come back at once.
    """
    whole = min(policy.first_pause * 2.0 ** min(attempt - 1, 30), policy.longest_pause)
    return whole * (0.5 + jitter / 2)


def _retry_after(result: Response | NoResponse, now: datetime) -> float | None:
    """The seconds that Halo asks for with Retry-After (a number of seconds or a date); None when it asks for none.

    A date is compared with Halo's own clock if the response tells it: our clock may be wrong.
    """
    text = result.retry_after.strip() if isinstance(result, Response) else ""
    if not text or isinstance(result, NoResponse):
        return None
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        seconds = float(text)
    else:
        until = parse_http_date(text)
        seconds = (until - (result.date or now)).total_seconds() if until else 0.0
    # A server that asks for a pause of 0 gets the usual one: it is in trouble and must not be hammered.
    return seconds if seconds > 0 else None
