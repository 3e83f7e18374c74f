"""Creates exactly once: finds what a write with an unknown outcome has made, before anything is sent again.

Halo has no idempotency keys (official documentation has none, no client uses one). So what was sent is looked for among
what is newer than the request by Halo's own clock. What one call has claimed is never given to another.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Callable, Hashable, Iterator

from ..errors import HaloError, UncertainWrite, converted_to
from ..http.messages import Request, Response
from ..http.rows import single
from ..http.session import Session

Made = dict[str, Any]

RESENDS = 2
# Halo's Date header has whole seconds, and its database may have a clock of its own.
_CLOCK_SLACK = timedelta(seconds=3)
_REMEMBERED = 10_000


class ClaimRegistry:
    """What the calls of this process have made in one Halo, and which of them may create there now.

    Creates run one after the other: parallel ones have been reported to collide in Halo's ticket numbering (one
    vendor). And only so can a look-up tell the ticket of one call from that of another that sends the same text.
    """

    def __init__(self) -> None:
        self._exclusive = threading.Lock()
        self._lock = threading.Lock()
        self._claimed: OrderedDict[Hashable, None] = OrderedDict()
        self._references: OrderedDict[str, int] = OrderedDict()

    @contextmanager
    def exclusive(self, patience: float) -> Iterator[None]:
        """Lets one call at a time create. Raises HaloError after ``patience`` seconds of waiting for the others."""
        if not self._exclusive.acquire(timeout=patience):
            raise HaloError(
                kind="busy",
                cause="Another {call} has been creating in HaloITSM for too long.",
                assistance="Check whether HaloITSM is slow, and run this {call} again. Nothing was sent for it.",
                data=f"Waited {patience:.0f} seconds for other creates on the same connection.",
            )
        try:
            yield
        finally:
            self._exclusive.release()

    def claim(self, thing: Hashable) -> bool:
        """Claim ``thing`` for a call; False when another call has claimed it before."""
        with self._lock:
            if thing in self._claimed:
                return False
            _remember(self._claimed, thing, None)
            return True

    def is_claimed(self, thing: Hashable) -> bool:
        """Whether a call has claimed ``thing``."""
        with self._lock:
            return thing in self._claimed

    def note_reference(self, reference: str, ticket_id: int) -> None:
        """Remember a ticket that this process has made for a reference: Halo's search may lag behind."""
        with self._lock:
            _remember(self._references, reference, ticket_id)

    def by_reference(self, reference: str) -> int | None:
        """The ticket that this process has made for a reference."""
        with self._lock:
            return self._references.get(reference)


def _remember(memory: OrderedDict[Any, Any], key: Hashable, value: Any) -> None:
    memory[key] = value
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)


_REGISTRIES: dict[tuple[str, str], ClaimRegistry] = {}
_REGISTRIES_LOCK = threading.Lock()


def claim_registry(api: str, things: str) -> ClaimRegistry:
    """The registry of a resource server for ``things`` (tickets, comments).

    There is one per process, because a process may have several clients of one Halo.
    """
    with _REGISTRIES_LOCK:
        return _REGISTRIES.setdefault((api, things), ClaimRegistry())


class ExactlyOnce:
    """Sends the writes of one operation until it is certain that each happened once.

    ``session`` is that of the operation. ``thing`` names what is made, for errors ("The ticket"). ``recheck_delay`` is
    how many seconds a Halo that has not answered is given to finish what it may still be doing.
    """

    def __init__(
        self, session: Session, claims: ClaimRegistry, thing: str, *, logger: Any, recheck_delay: float = 2.0
    ) -> None:
        self.claims = claims
        self._session = session
        self._thing = thing
        self._logger = logger
        self._recheck_delay = recheck_delay

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Lets one operation at a time create in this Halo. Raises HaloError where that takes too long."""
        with self.claims.exclusive(self._session.policy.max_wait):
            yield

    def create(self, request: Request, find: Callable[[], list[Made]], identity: Callable[[Made], Hashable]) -> Made:
        """What ``request`` has made, sent until that is certain.

        ``find`` returns everything that may be it after an uncertain send; ``identity`` tells one thing from all
        others. Raises HaloError; UncertainWrite when it may have been made.
        """
        made = self.run(lambda: self._send(request), find)
        self.claims.claim(identity(made))
        return made

    def _send(self, request: Request) -> Made:
        response = self._session.call(request)
        try:
            return single(request, response.data)
        except HaloError as error:
            # Halo said yes in a form that tells no id: most likely it has made it.
            raise converted_to(error, UncertainWrite) from None

    def run(self, send: Callable[[], Made], find: Callable[[], list[Made]]) -> Made:
        """What ``send`` returns, or what ``find`` finds after an uncertain send. Raises as ``create`` does."""
        for sends in range(1, RESENDS + 2):
            try:
                return send()
            except UncertainWrite as error:
                uncertain = error
            found = self._look_up(find, uncertain)
            if found:
                self._logger.warning(
                    f"HaloITSM: {self._thing.lower()} was made although its answer was lost; it is used."
                )
                return found[0]
            self._logger.warning(f"HaloITSM: {self._thing.lower()} is not there after send {sends} of {RESENDS + 1}.")
        raise converted_to(
            uncertain,
            HaloError,
            cause=f"{self._thing} could not be created: {uncertain.in_words({})[0]}",
            assistance=f"{uncertain.in_words({})[1]} It was looked up and is not in HaloITSM.",
        )

    def _look_up(self, find: Callable[[], list[Made]], uncertain: UncertainWrite) -> list[Made]:
        try:
            found = find()
            if not found:
                self._session.clock.sleep(self._recheck_delay)
                found = find()
        except HaloError as error:
            why = f"It could not be looked up either ({error.kind}). {error.data}"
            raise may_exist(self._thing, uncertain, why) from None
        if len(found) > 1:
            ids = ", ".join(str(item.get("id")) for item in found)
            raise may_exist(self._thing, uncertain, f"There are several that could be it: {ids}.")
        return found

    def sent_after(self, response: Response) -> datetime:
        """A moment by Halo's own clock, which ``response`` tells, before which this operation had sent nothing."""
        return sent_at(response, self._session.elapsed, self._session.clock.now())


def sent_at(response: Response, elapsed: float, now: datetime) -> datetime:
    """The moment ``elapsed`` seconds ago by Halo's own clock, with slack: from the Date header of a response.

    ``now`` is our clock, for a server that sends no Date.
    """
    return (response.date or now) - timedelta(seconds=elapsed) - _CLOCK_SLACK


def may_exist(thing: str, uncertain: HaloError, why: str) -> UncertainWrite:
    """The error that says that something may have been made, and how to find out."""
    return converted_to(
        uncertain,
        UncertainWrite,
        kind="may_exist",
        cause=f"{thing} may exist in HaloITSM: its creation was sent, but the answer was lost. "
        f"{uncertain.in_words({})[0]}",
        assistance="Before you run this {call} again, look in HaloITSM for what it creates: newest first, same text. "
        "With an External Reference, {create} can be run again without making a second ticket.",
        data=f"{uncertain.data} {why}",
    )
