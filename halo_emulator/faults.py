"""Misbehaviour on demand. All of it is a test device of ours and no claim about Halo."""

import threading
from dataclasses import dataclass
from typing import Any

from .paths import below_api, starts_with, token_address

KINDS = ("status", "hang", "drop", "html", "truncated", "late")


@dataclass(frozen=True)
class Fault:
    """What should go wrong, for which requests, and how often.

    `path` is a prefix, by whole segments, of the path below /api ("tickets", "tickets/5"). "auth/token" and
    "token" mean the token address of that name. An empty path means everything below /api. Without `after_commit` the
    request is never carried out, except by a hang. A hang delays the request for `seconds`. If the client is still
    connected then, it gets its real answer late. If it has gone, a request that was not carried out yet never is.
    stop() and clear_faults() end a hang early, without an answer.

    A late request is carried out `seconds` after it arrived, even if the client has gone. The client gets no answer
    before that, or at once the empty answer of status `answers`. clear_faults() leaves late work due. stop() calls it
    off.
    """

    kind: str
    method: str | None = None
    path: str = ""
    status: int = 503
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    after_commit: bool = False
    seconds: float = 60.0
    times: int | None = 1
    skip: int = 0
    answers: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.kind == "late" and (self.after_commit or self.status != Fault.status):
            raise ValueError("late work commits later by itself; the status that answers at once is `answers`")
        if self.kind != "late" and self.answers is not None:
            raise ValueError("`answers` is for late work only; any other kind answers with `status`")

    def concerns(self, method: str, path: str) -> bool:
        """Whether the fault is meant for a request."""
        if self.method is not None and self.method.upper() != method:
            return False
        address = token_address(path)
        if address is not None:
            return self.path.lower().strip("/") == address
        below = below_api(path)
        return below is not None and starts_with(below, self.path)


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.skip = fault.skip
        self.left = fault.times

    def fires(self) -> bool:
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class Faults:
    """The faults that are active, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._release = threading.Event()

    def inject(self, fault: Fault) -> None:
        """Adds a fault."""
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Removes all faults and ends every hang."""
        with self._lock:
            self._armed = []
            self._release.set()
            self._release = threading.Event()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if there is one. A request uses up at most one fault."""
        with self._lock:
            for armed in self._armed:
                if armed.left != 0 and armed.fault.concerns(method, path) and armed.fires():
                    return armed.fault
        return None

    def hang(self, seconds: float) -> bool:
        """Waits `seconds`. False if the hang was ended early."""
        release = self._release
        return not release.wait(seconds)
