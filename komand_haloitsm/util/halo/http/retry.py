"""The one decision about what to do after an attempt. Pure: time, randomness and the past are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ..values.dates import parse_http_date
from .messages import NOT_SENT, NoResponse, NoResponseKind, Response


class Step(Enum):
    """DONE: use the answer. REFRESH: get a new token, send again. WAIT: sleep, send again. FAIL: raise.

    UNCERTAIN: Halo may have processed it: look before anything else.
    """

    DONE = "done"
    REFRESH = "refresh"
    WAIT = "wait"
    UNCERTAIN = "uncertain"
    FAIL = "fail"


@dataclass(frozen=True)
class Decision:
    """``seconds``: with WAIT how long; with FAIL how long Halo wanted us to wait, 0 when it said nothing."""

    step: Step
    seconds: float = 0.0


@dataclass(frozen=True)
class RetryPolicy:
    """Seconds. ``max_wait`` bounds one call from its first attempt to its last; 120 keeps a workflow step short of
    what a person would call hanging. ``longest_pause`` bounds one exponential wait, not one that Halo asks for."""

    max_wait: float = 120.0
    first_pause: float = 1.0
    longest_pause: float = 60.0


# 502, 503 and 504 come from what stands before Halo, or from a Halo that is starting: both pass.
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

    ``jitter`` is a random number from 0 to 1, ``now`` the present (only used for a Retry-After that is a date).
    """
    if isinstance(result, Response) and result.ok and result.readable:
        return Decision(Step.DONE)
    if isinstance(result, Response) and result.status == 401:
        # A token can expire early or be revoked; a second 401 means the agent lacks the right.
        return Decision(Step.FAIL if refreshed else Step.REFRESH)
    if not repeatable and _may_have_been_processed(result):
        return Decision(Step.UNCERTAIN)
    if not _passes(result):
        return Decision(Step.FAIL)
    wanted = _retry_after(result, now)
    pause = wanted if wanted is not None else _pause(attempt, jitter, policy)
    if elapsed + pause > policy.max_wait:
        return Decision(Step.FAIL, wanted or 0.0)
    return Decision(Step.WAIT, pause)


def _may_have_been_processed(result: Response | NoResponse) -> bool:
    if isinstance(result, NoResponse):
        return result.kind not in NOT_SENT
    # A 2xx that cannot be read was very likely a success, a 5xx may have been one.
    return result.ok or result.status >= 500


def _passes(result: Response | NoResponse) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(result, NoResponse):
        # A certificate does not become right by waiting, an answer does not become small.
        return result.kind not in (NoResponseKind.TLS, NoResponseKind.CERTIFICATE, NoResponseKind.TOO_LARGE)
    return result.status == 429 or result.status in _PASSING


def _pause(attempt: int, jitter: float, policy: RetryPolicy) -> float:
    """Doubling from ``first_pause``, spread over the upper half so that many clients do not come back together."""
    whole = min(policy.first_pause * 2.0 ** min(attempt - 1, 30), policy.longest_pause)
    return whole * (0.5 + jitter / 2)


def _retry_after(result: Response | NoResponse, now: datetime) -> float | None:
    """Seconds that Halo asks for by Retry-After (a number of seconds or a date); None when it asks for nothing.

    A date is compared with Halo's own clock where the answer carries it, so that a wrong clock of ours does not count.
    """
    text = result.retry_after.strip() if isinstance(result, Response) else ""
    if not text or isinstance(result, NoResponse):
        return None
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        seconds = float(text)
    else:
        until = parse_http_date(text)
        seconds = (until - (result.date or now)).total_seconds() if until else 0.0
    # Who asks for no pause gets the usual one: a server in trouble must not be hammered.
    return seconds if seconds > 0 else None
