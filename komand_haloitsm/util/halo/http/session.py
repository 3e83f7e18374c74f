"""Sends a request, again if needed, until there is a response or trying again is of no use."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Protocol

from ..clock import Clock
from ..errors import HaloError, Loss, UncertainWrite
from .error_texts import error_for
from .messages import NoResponse, Request, Response
from .retry import Decision, RetryPolicy, Step, decide
from .transport import Transport


@dataclass(frozen=True)
class Waiting:
    """How long a call may wait, and the clock time from which that counts."""

    policy: RetryPolicy
    began: float


class Tokens(Protocol):
    """Where access tokens come from."""

    def token(self, waiting: Waiting) -> str:
        """A token that is valid now, fetched within ``waiting`` when there is none."""

    def discard(self, token: str) -> None:
        """Forget ``token``, which Halo no longer accepts."""


class Session:
    """Sends requests by ``transport`` and repeats attempts as ``retry.decide`` says. Safe to share among threads.

    Each request has the policy's ``max_wait`` for itself. The requests of one operation share a single ``max_wait`` if
    they are sent by the session that ``begin`` returns. ``tokens`` is None for the requests that fetch a token.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        policy: RetryPolicy,
        logger: Any,
        tokens: Tokens | None = None,
        secrets: tuple[str, ...] = (),
        clock: Clock = Clock(),
    ) -> None:
        self.clock = clock
        self.policy = policy
        self._transport = transport
        self._tokens = tokens
        self._logger = logger
        self._secrets = secrets
        self._waiting: Waiting | None = None

    def begin(self, policy: RetryPolicy | None = None) -> Session:
        """A session for one operation that begins now, with another policy if one is given."""
        return self.within(Waiting(policy or self.policy, self.clock.monotonic()))

    def patient(self, policy: RetryPolicy) -> Session:
        """A session with another policy. Each of its requests has that policy's ``max_wait`` for itself."""
        other = copy.copy(self)
        other.policy = policy
        return other

    def within(self, waiting: Waiting) -> Session:
        """A session whose requests share ``waiting``: its policy and its beginning."""
        other = copy.copy(self)
        other.policy, other._waiting = waiting.policy, waiting
        return other

    @property
    def waiting(self) -> Waiting:
        """The waiting time of the operation; outside of one, a time that begins now."""
        return self._waiting or Waiting(self.policy, self.clock.monotonic())

    @property
    def left(self) -> float:
        """Seconds that the operation may still wait; all of them outside of one."""
        return self.policy.max_wait - self.elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the operation began; 0 for a session that belongs to no operation."""
        return self.clock.monotonic() - self._waiting.began if self._waiting else 0.0

    def call(self, request: Request) -> Response:
        """The successful response, with readable JSON.

        A request that is not repeatable is sent again only where it cannot have left. After any response but a success
        UncertainWrite is raised. In all other cases HaloError is raised.
        """
        waiting = self.waiting
        # A policy without waiting makes one attempt of each request, however long those before it took.
        if 0 < waiting.policy.max_wait < self.elapsed:
            raise _out_of_time(request, waiting.policy.max_wait)
        attempt, refreshed = 0, self._tokens is None
        while True:
            attempt += 1
            token = self._tokens.token(waiting) if self._tokens else ""
            result = self._attempt(request, token, attempt)
            decision = decide(
                result,
                repeatable=request.repeatable,
                attempt=attempt,
                elapsed=self.clock.monotonic() - waiting.began,
                refreshed=refreshed,
                jitter=self.clock.jitter(),
                now=self.clock.now(),
                policy=waiting.policy,
            )
            if decision.step is Step.DONE and isinstance(result, Response):
                return result
            if decision.step is Step.REFRESH and self._tokens:
                self._tokens.discard(token)
                refreshed = True
            elif decision.step is Step.WAIT:
                self.clock.sleep(decision.seconds)
            else:
                if decision.loss is Loss.TOKEN and self._tokens:
                    self._tokens.discard(token)
                raise self._error(request, result, attempt, decision, token)

    def _attempt(self, request: Request, token: str, attempt: int) -> Response | NoResponse:
        started = self.clock.monotonic()
        result = self._transport.send(request, token)
        outcome = result.status if isinstance(result, Response) else result.kind.value
        seconds = self.clock.monotonic() - started
        self._logger.info(f"HaloITSM: {request.label} -> {outcome} (attempt {attempt}, {seconds:.3f} s)")
        return result

    def _error(
        self, request: Request, result: Response | NoResponse, attempts: int, decision: Decision, token: str
    ) -> HaloError:
        secrets = (*self._secrets, token)
        error = error_for(request, result, attempts=attempts, wanted=decision.seconds, secrets=secrets)
        if decision.step is Step.UNCERTAIN:
            return UncertainWrite.of(error, decision.loss, decision.seconds)
        error.wait = decision.seconds
        return error


def _out_of_time(request: Request, seconds: float) -> HaloError:
    return HaloError(
        kind="out_of_time",
        cause=f"HaloITSM is so slow that this {{call}} has used up its {seconds:.0f} seconds.",
        assistance="Check whether HaloITSM is slow, and run this {call} again.",
        data=f"{request.label} was not sent any more.",
    )
