"""Creates exactly once: finds what a write with an unknown outcome has made, before anything is sent again.

Halo has no idempotency keys (official documentation has none, no client uses one). So what was sent is looked for among
what is newer than the request by Halo's own clock, and a find that another call was already given is never given twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Callable, Hashable, Iterator

from .errors import HaloITSMError, UncertainWriteError, retold
from .exchange import Answer

Found = list[dict[str, Any]]

RESENDS = 2
# Halo's Date header has whole seconds, and its database may have a clock of its own.
_CLOCK_SLACK = timedelta(seconds=3)
_REMEMBERED = 10_000


class Ledger:
    """What this process was given by one Halo, and whose turn it is to create there.

    Creates take turns: parallel ones have been reported to collide in Halo's ticket numbering (one vendor), and only so
    can a look-up tell its own ticket from that of a neighbour who sends the same text.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._given: OrderedDict[Hashable, None] = OrderedDict()
        self._references: OrderedDict[str, int] = OrderedDict()

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """Holds the turn to create. Raises HaloITSMError after ``patience`` seconds of waiting for it."""
        if not self._turn.acquire(timeout=patience):
            raise HaloITSMError(
                kind="busy",
                cause="Another step has been creating in HaloITSM for too long.",
                assistance="Check whether HaloITSM is slow, and run this step again. Nothing was sent for it.",
                data=f"Waited {patience:.0f} seconds for other creates on the same connection.",
            )
        try:
            yield
        finally:
            self._turn.release()

    def give(self, thing: Hashable) -> bool:
        """Note that a call is given ``thing``; False when an earlier call was."""
        with self._lock:
            if thing in self._given:
                return False
            _remember(self._given, thing, None)
            return True

    def was_given(self, thing: Hashable) -> bool:
        """Whether a call was given ``thing``."""
        with self._lock:
            return thing in self._given

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


_LEDGERS: dict[tuple[str, str], Ledger] = {}
_LEDGERS_LOCK = threading.Lock()


def ledger_of(api: str, things: str) -> Ledger:
    """The ledger of a resource server for ``things`` (tickets, comments): one per process, because InsightConnect makes
    several connections to one Halo."""
    with _LEDGERS_LOCK:
        return _LEDGERS.setdefault((api, things), Ledger())


@dataclass(frozen=True)
class OnceOnly:
    """Sends a write until it is certain that it happened once.

    ``settle`` is how many seconds a Halo that has not answered is given to finish what it may still be doing.
    """

    sleep: Callable[[float], None]
    logger: Any
    settle: float = 2.0

    def run(self, send: Callable[[], dict[str, Any]], find: Callable[[], Found], thing: str) -> dict[str, Any]:
        """What ``send`` returns, or what ``find`` finds after an uncertain send.

        ``find`` returns everything that may be it. ``thing`` names what is made, for errors ("The ticket"). Raises
        HaloITSMError; UncertainWriteError when it may have happened.
        """
        for sends in range(1, RESENDS + 2):
            try:
                return send()
            except UncertainWriteError as error:
                uncertain = error
            found = self._look(find, thing, uncertain)
            if found:
                self.logger.warning(f"HaloITSM: {thing.lower()} was made although its answer was lost; it is used.")
                return found[0]
            self.logger.warning(f"HaloITSM: {thing.lower()} is not there after send {sends} of {RESENDS + 1}.")
        raise retold(
            uncertain,
            HaloITSMError,
            cause=f"{thing} could not be created: {uncertain.cause}",
            assistance=f"{uncertain.assistance} It was looked up and is not in HaloITSM.",
        )

    def _look(self, find: Callable[[], Found], thing: str, uncertain: UncertainWriteError) -> Found:
        try:
            found = find()
            if not found:
                self.sleep(self.settle)
                found = find()
        except HaloITSMError as error:
            raise may_exist(
                thing, uncertain, f"It could not be looked up either ({error.kind}). {error.data}"
            ) from None
        if len(found) > 1:
            ids = ", ".join(str(item.get("id")) for item in found)
            raise may_exist(thing, uncertain, f"There are several that could be it: {ids}.")
        return found


def sent_at(answer: Answer, elapsed: float, now: datetime) -> datetime:
    """The moment ``elapsed`` seconds ago by Halo's own clock, with slack: from the Date header of an answer.

    ``now`` is our clock, for a server that sends no Date.
    """
    return (answer.date or now) - timedelta(seconds=elapsed) - _CLOCK_SLACK


def may_exist(thing: str, uncertain: HaloITSMError, why: str) -> UncertainWriteError:
    """The error that says that something may have been made, and how to find out."""
    return retold(
        uncertain,
        UncertainWriteError,
        kind="may_exist",
        cause=f"{thing} may exist in HaloITSM: its creation was sent, but the answer was lost. {uncertain.cause}",
        assistance="Before you run this step again, look in HaloITSM for what it creates: newest first, same text. "
        "With an External Reference, Create Ticket can be run again without making a second ticket.",
        data=f"{uncertain.data} {why}",
    )
