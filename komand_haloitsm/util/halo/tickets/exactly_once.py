"""Creates exactly once: finds what a write with an unknown outcome has made, before anything is sent again.

Halo has no idempotency keys (official documentation has none, no client uses one). So what was sent is looked for:
tickets by the key that they carry where the instance keeps it, everything else by its text among what is newer. What
one call has claimed is never given to another. ``recovery.py`` decides how long is looked and what is sent again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import Any, Callable, Hashable, Iterator

from ..clock import Clock
from ..errors import HaloError, Loss, UncertainWrite, converted_to
from ..http.error_texts import misunderstood
from ..http.messages import Request
from ..http.rows import single
from ..http.session import Session
from .recovery import Next, Situation, after_absence

Made = dict[str, Any]

# Two tickets that were made in the same tick were reported to collide in Halo's numbering (one vendor).
SECONDS_APART = 1.0
# How long a call waits for the creates before it: its own time counts from its turn.
LONGEST_QUEUE = 600.0
_REMEMBERED = 10_000


class ClaimRegistry:
    """What the calls of this process know of one Halo: what they have made there, and who may create there now.

    ``keeps_key`` says, by key field and ticket type, whether the instance keeps the key of a create: a rule may
    clear it for some types. It has no entry until an answer has shown it.
    """

    def __init__(self) -> None:
        self.keeps_key: dict[tuple[str, int | None], bool] = {}
        self._queue = threading.Lock()
        self._lock = threading.Lock()
        # Notified when a create is done, or a reference is free again.
        self._changed = threading.Condition(self._lock)
        self._references_at_work: set[str] = set()
        self._claimed: OrderedDict[Hashable, None] = OrderedDict()
        self._references: OrderedDict[str, int] = OrderedDict()
        self._under_way = 0
        self._started = float("-inf")

    @contextmanager
    def exclusive(self, patience: float) -> Iterator[None]:
        """Lets one call at a time create. Raises HaloError after ``patience`` seconds of waiting for the others.

        Only so can a look-up by text tell what one call has made from what another has made with the same text.
        """
        with self._queued(patience), self._changed:
            if not self._changed.wait_for(lambda: not self._under_way, patience):
                raise _busy(patience)
            self._under_way += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def paced(self, patience: float, clock: Clock, kept_for: tuple[str, int | None]) -> Iterator[None]:
        """Lets calls create that know their tickets by a key: one starts after the other, and answers may overlap.

        Where it is not known yet that the instance keeps keys, it is as ``exclusive``.
        """
        until = time.monotonic() + patience
        with self._queued(patience), self._changed:
            while self._under_way:
                apart = self._started + SECONDS_APART - clock.monotonic()
                kept = self.keeps_key.get(kept_for, False)
                if kept and apart <= 0:
                    break
                left = until - time.monotonic()
                if left <= 0:
                    raise _busy(patience)
                self._changed.wait(min(left, apart) if kept else left)
            self._started = clock.monotonic()
            self._under_way += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def _queued(self, patience: float) -> Iterator[None]:
        """Lets one call at a time wait for its start."""
        if not self._queue.acquire(timeout=patience):
            raise _busy(patience)
        try:
            yield
        finally:
            self._queue.release()

    def _leave(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    @contextmanager
    def alone_with(self, reference: str, patience: float) -> Iterator[None]:
        """Lets one call of this process at a time look for a reference and create its ticket."""
        with self._changed:
            if not self._changed.wait_for(lambda: reference not in self._references_at_work, patience):
                raise _busy(patience)
            self._references_at_work.add(reference)
        try:
            yield
        finally:
            with self._changed:
                self._references_at_work.discard(reference)
                self._changed.notify_all()

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


def _busy(patience: float) -> HaloError:
    return HaloError(
        kind="busy",
        cause="Other {call}s have been creating in HaloITSM for too long.",
        assistance="Check whether HaloITSM is slow, and run this {call} again. Nothing was sent for it.",
        data=f"Waited {patience:.0f} seconds for other creates on the same connection.",
    )


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
    the first pause between two looks, in seconds; each is twice as long as the one before, up to 16 seconds.

    ``resent`` is True once a write was sent again that may have been carried out before.
    """

    def __init__(
        self, session: Session, claims: ClaimRegistry, thing: str, *, logger: Any, recheck_delay: float = 2.0
    ) -> None:
        self.claims = claims
        self.resent = False
        self._session = session
        self._clock = session.clock
        self._thing = thing
        self._logger = logger
        self._recheck_delay = recheck_delay

    def create(
        self,
        request: Request,
        find: Callable[[], list[Made]],
        identity: Callable[[Made], Hashable],
        *,
        reliable: Callable[[], bool] = lambda: False,
        fits: Callable[[Made], bool] = lambda made: True,
    ) -> Made:
        """What ``request`` has made, sent until that is certain.

        ``find`` returns everything that may be it after an uncertain send; ``identity`` tells one thing from all
        others. ``reliable`` says whether ``find`` finds the very thing if it is there, and nothing like it. ``fits``
        says whether an answer can be about what was sent. Raises HaloError; UncertainWrite when it may have been made.
        """
        return self.run(lambda: self._send(request, identity, fits), lambda: self._unclaimed(find, identity), reliable)

    def _unclaimed(self, find: Callable[[], list[Made]], identity: Callable[[Made], Hashable]) -> list[Made]:
        """What ``find`` finds; a single find is claimed, so that no other call can have it."""
        found = find()
        if len(found) == 1:
            self.claims.claim(identity(found[0]))
        return found

    def _send(self, request: Request, identity: Callable[[Made], Hashable], fits: Callable[[Made], bool]) -> Made:
        response = self._session.call(request)
        try:
            made = single(request, response.data)
        except HaloError as error:
            # Halo said yes in a form that tells no id: most likely it has made it.
            raise UncertainWrite.of(error, Loss.SLOW) from None
        if not fits(made) or not self.claims.claim(identity(made)):
            # An answer about something else, or one that another call has had: a cache on the way gives such.
            foreign = misunderstood(request, "its answer is about something that this request has not made")
            raise UncertainWrite.of(foreign, Loss.SLOW)
        return made

    def run(
        self,
        send: Callable[[], Made],
        find: Callable[[], list[Made]],
        reliable: Callable[[], bool] = lambda: False,
    ) -> Made:
        """What ``send`` returns, or what ``find`` finds after an uncertain send. Raises as ``create`` does."""
        sends, renewed, limited = 0, False, 0
        while True:
            try:
                return send()
            except UncertainWrite as error:
                uncertain = error
            sends += uncertain.loss in (Loss.SLOW, Loss.BROKEN)
            limited += uncertain.loss is Loss.LIMITED
            found = self._look_up(uncertain, find, reliable, sends, renewed, limited)
            if found is not None:
                self._logger.warning(
                    f"HaloITSM: {self._thing.lower()} was made although its answer was lost; it is used."
                )
                return found
            renewed = renewed or uncertain.loss is Loss.TOKEN
            self.resent = self.resent or uncertain.loss in (Loss.SLOW, Loss.BROKEN)
            self._logger.warning(f"HaloITSM: {self._thing.lower()} is not there ({uncertain.kind}), it is sent again.")

    def _look_up(
        self,
        uncertain: UncertainWrite,
        find: Callable[[], list[Made]],
        reliable: Callable[[], bool],
        sends: int,
        renewed: bool,
        limited: int,
    ) -> Made | None:
        """What an uncertain send has made; None when it may be sent again. Raises HaloError in all other cases."""
        began, looks = self._clock.monotonic(), 0
        while True:
            found = self._look(uncertain, find)
            if found is not None:
                if uncertain.loss is Loss.REFUSED and not reliable():
                    # Halo said no, and what is there only looks like it.
                    why = f"{found.get('id')} looks like it. The answer was: {uncertain.in_words({})[0]}"
                    raise may_exist(self._thing, uncertain, why)
                return found
            looks += 1
            situation = Situation(
                uncertain.loss,
                looked=self._clock.monotonic() - began,
                looks=looks,
                left=self._session.left,
                sends=sends,
                renewed=renewed,
                limited=limited,
                reliable=reliable(),
                clear=uncertain.status == 400 and bool(uncertain.said) and not uncertain.said.startswith("an HTML"),
                first_pause=self._recheck_delay,
                wait=uncertain.wait,
            )
            step, pause = after_absence(situation)
            if step is Next.REFUSED:
                raise uncertain.plain()
            if step is Next.UNKNOWN:
                why = f"It was looked up for {situation.looked:.0f} seconds and is not there yet."
                raise may_exist(self._thing, uncertain, why)
            self._clock.sleep(pause)
            if step is Next.SEND:
                # Once more after the pause: what is there by now must not be made again.
                return self._look(uncertain, find) if pause else None

    def _look(self, uncertain: UncertainWrite, find: Callable[[], list[Made]]) -> Made | None:
        try:
            found = find()
        except HaloError as error:
            why = f"It could not be looked up either ({error.kind}). {error.data}"
            if uncertain.loss in (Loss.REFUSED, Loss.TOKEN, Loss.LIMITED):
                raise _refused_unseen(uncertain, why) from None
            raise may_exist(self._thing, uncertain, why) from None
        if len(found) > 1:
            ids = ", ".join(str(item.get("id")) for item in found)
            raise may_exist(self._thing, uncertain, f"There are several that could be it: {ids}.")
        return found[0] if found else None


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


def _refused_unseen(uncertain: UncertainWrite, why: str) -> HaloError:
    """A refusal of which nobody could see whether it was Halo's last word."""
    error = uncertain.plain()
    cause, assistance = error.in_words({})
    refused = converted_to(
        error,
        type(error),
        cause=cause,
        assistance=f"{assistance} Whether something was created all the same could not be looked up: look in HaloITSM "
        "before you run this {call} again.",
        data=f"{error.data} {why}",
    )
    refused.unseen = True
    return refused
