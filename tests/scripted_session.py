"""A session of the client that sends nothing: a function of the test answers each request."""

import time
from collections.abc import Callable

from komand_haloitsm.util.halo.clock import Clock
from komand_haloitsm.util.halo.http.messages import Request, Response
from komand_haloitsm.util.halo.http.retry import RetryPolicy
from komand_haloitsm.util.halo.http.session import Session

_OWN = RetryPolicy()


class ScriptedSession(Session):
    """`respond(request, policy)` answers; `policy` is None unless a call has a policy of its own."""

    def __init__(
        self,
        respond: Callable[[Request, RetryPolicy | None], Response],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = Clock(monotonic=monotonic, sleep=sleep)
        self.policy = _OWN
        self._waiting = None
        self._respond = respond

    def call(self, request: Request) -> Response:
        return self._respond(request, None if self.policy is _OWN else self.policy)
