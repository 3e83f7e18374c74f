"""The accepted risks of a source as exceptions of its console: read back, asked for, extended and recalled.

Only where the source says so (``set_most``): an exception changes what the console shows to everybody. One process at a
time writes to a console. What is about to be written is stored before it is sent, once, and its outcome after that. An
outcome that is not known is looked up in the console's list by the next run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from ..domain.acceptance import covered
from ..domain.exceptions import REFERENCE, Act, Asked, Decision, State, Wanted, comment_of, decide, read_back
from ..domain.ticket import Pair
from ..store import audit, bulk, models
from ..store.acceptances import as_known, holding, subject_of
from ..store.json_keys import change_keys
from ..store.one_at_a_time import Lock, only_one
from .errors import NoRightToWrite, NotTaken, NotThere, SourceBusy
from .insightvm_exceptions import REFUSALS, InsightVmExceptions
from .reading import CONSOLE, NotAsked, console_of

# In the settings of a source: how many exceptions one run may ask for. Absent: none are asked for.
MOST = "most_exceptions"
USUAL_MOST = 20
# Who writes, in the audit.
SERVICE = "the service"
# So many of what is begun are named in the audit.
NAMED = 100
_NOTHING = "nothing had to be written"


@dataclass(frozen=True)
class Sent:
    """How many exceptions one run has ``submitted``, ``extended`` and ``recalled``, how many the console has
    ``refused``, and how many are ``waiting`` for an approver."""

    submitted: int = 0
    extended: int = 0
    recalled: int = 0
    refused: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        words = {
            "asked for": self.submitted,
            "extended": self.extended,
            "recalled": self.recalled,
            "refused by the console": self.refused,
            "waiting for an approver": self.waiting,
        }
        told = ", ".join(f"{count} {word}" for word, count in words.items() if count)
        return f"Vulnerability exceptions: {told or _NOTHING}."


def most_of(source: models.Source) -> int | None:
    """How many exceptions one run may ask a source's console for; None where accepted risks are not sent to it."""
    return source.settings.get(MOST) if source.kind == CONSOLE else None


@transaction.atomic
def set_most(source: models.Source, most: int | None, by: str) -> None:
    """Let one run ask for so many exceptions; None: for none, which leaves those that there are as they are.

    Raises NotAsked for a source that is no console.
    """
    if source.kind != CONSOLE:
        raise NotAsked(f"The source {source.name!r} is no InsightVM console.", "Only a console takes exceptions.")
    before = source.settings.get(MOST)
    change_keys(source, "settings", {} if most is None else {MOST: most}, without=[MOST] if most is None else [])
    audit.record(by, "sending of exceptions changed", source.name, most=[before, most])


@transaction.atomic
def release(acceptance: models.RiskAcceptance, by: str) -> int:
    """Let what waits of an acceptance be asked for, however many those are; how many."""
    waiting = acceptance.exceptions.filter(state=State.WAITING.value, released=False)
    count: int = waiting.update(released=True, said="", at=timezone.now())
    if count:
        audit.record(by, "exceptions released", subject_of(acceptance), acceptance=acceptance.pk, count=count)
    return count


def send_exceptions(
    source: models.Source,
    *,
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
    new_reference: Callable[[], str] = lambda: REFERENCE + uuid4().hex,
) -> Sent:
    """Bring a console's exceptions to what is accepted, as far as the source's settings let it.

    Raises SourceError, also where another process is at it, and KeyTrouble. What was written until then is kept.
    """
    most = most_of(source)
    if most is None:
        raise NotAsked(
            f"The accepted risks of {source.name!r} are not sent.", f"remediation source exceptions {source.name!r}"
        )
    with only_one(Lock.WRITING, source.pk) as is_ours, console_of(source, REFUSALS, sleep) as http:
        if not is_ours:
            raise SourceBusy("Another process is writing to this console.", "Run this again when that is done.")
        return _Sending(source, InsightVmExceptions(http), now, new_reference).send(most)


class _Sending:
    """One run, by the one process that writes to the console."""

    def __init__(
        self,
        source: models.Source,
        console: InsightVmExceptions,
        now: Callable[[], datetime],
        new_reference: Callable[[], str],
    ) -> None:
        self._source = source
        self._console = console
        self._now = now
        self._new_reference = new_reference
        self._rows: dict[Pair, models.ConsoleException] = {}
        self._acceptances: Mapping[int, models.RiskAcceptance] = {}

    def send(self, most: int) -> Sent:
        listed = self._console.all()
        known = models.ConsoleException.objects.filter(source=self._source).select_related("acceptance")
        self._rows = {(row.asset, row.vulnerability): row for row in known}
        before = {pair: _asked(row) for pair, row in self._rows.items()}
        asked = read_back(before, listed, self._now())
        for pair, one in asked.items():
            if one != before[pair]:
                self._keep(pair, one)
        self._acceptances = {row.pk: row for row in holding([self._source.pk], timezone.localdate(self._now()))}
        days = {number: row.expires for number, row in self._acceptances.items()}
        decisions = decide(self._wanted(), days, asked, listed, most)
        writes = [one for one in decisions if one.act is not Act.NONE]
        self._begin(writes, [one for one in decisions if one.act is Act.NONE])
        done = Counter(filter(None, map(self._written, writes)))
        waiting = known.filter(state=State.WAITING.value, released=False).count()
        return Sent(**done, waiting=waiting)

    def _wanted(self) -> dict[Pair, Wanted]:
        """What the acceptances that hold cover. Of several, the one that holds longest; of those, the newest."""
        findings = bulk.read_ledger(self._source.pk)
        wanted: dict[Pair, Wanted] = {}
        for row in sorted(self._acceptances.values(), key=lambda one: (one.expires, one.pk)):
            wanted |= dict.fromkeys(covered(findings, as_known(row)), Wanted(row.pk, row.expires))
        return wanted

    @transaction.atomic
    def _begin(self, writes: list[Decision], others: list[Decision]) -> None:
        """Keep what needs no writing, and who is about to write what."""
        for one in others:
            if one.asked is None:
                self._rows.pop(one.pair).delete()
            else:
                self._keep(one.pair, one.asked)
        if writes:
            named = [[one.act.value, *one.pair] for one in writes[:NAMED]]
            audit.record(SERVICE, "exceptions begun", self._source.name, count=len(writes), writes=named)

    def _written(self, decision: Decision) -> str | None:
        """Carry a decision out; what to count it as. Raises SourceError where the others would fare no better."""
        pair, asked = decision.pair, decision.asked
        if asked is None:
            return None
        before = _asked(self._rows[pair]) if pair in self._rows else replace(asked, state=State.WAITING, released=True)
        try:
            return {Act.SUBMIT: self._submit, Act.EXTEND: self._extend, Act.RECALL: self._recall}[decision.act](
                pair, asked
            )
        except (NotTaken, NotThere) as error:
            self._keep(pair, _refused(before, _asked(self._rows[pair]), str(error)))
            return "refused"
        except NoRightToWrite:
            self._keep(pair, before)
            raise

    def _submit(self, pair: Pair, asked: Asked) -> str:
        about = self._about(pair, replace(asked, reference=asked.reference or self._new_reference()), Act.SUBMIT)
        row = self._acceptances[asked.acceptance]
        comment = comment_of(row.reason, row.approver, asked.until, about.reference)
        number = self._console.submit(*pair, comment, asked.until)
        self._keep(pair, replace(about, number=number, doing=Act.NONE, since=None))
        return "submitted"

    def _extend(self, pair: Pair, asked: Asked) -> str:
        self._about(pair, asked, Act.EXTEND)
        self._console.extend(_number(asked), asked.until)
        self._keep(pair, asked)
        return "extended"

    def _recall(self, pair: Pair, asked: Asked) -> str | None:
        """Looked at just before: what somebody has judged meanwhile is left, and the next run reads that."""
        if self._console.one(_number(asked)).state.casefold() != State.UNDER_REVIEW.value:
            return None
        self._about(pair, asked, Act.RECALL)
        self._console.recall(_number(asked))
        self._keep(pair, replace(asked, state=State.RECALLED))
        return "recalled"

    def _about(self, pair: Pair, asked: Asked, act: Act) -> Asked:
        about = replace(asked, doing=act, since=self._now())
        self._keep(pair, about)
        return about

    def _keep(self, pair: Pair, asked: Asked) -> None:
        row = self._rows.get(pair)
        if row is None:
            row = models.ConsoleException(source=self._source, asset=pair[0], vulnerability=pair[1])
            self._rows[pair] = row
        row.acceptance_id, row.state, row.number, row.until = (
            asked.acceptance,
            asked.state.value,
            asked.number,
            asked.until,
        )
        row.reference, row.doing, row.since = asked.reference, asked.doing.value, asked.since
        row.released, row.said, row.at = asked.released, asked.said, self._now()
        row.save()


def _refused(before: Asked, about: Asked, said: str) -> Asked:
    """What is known after the console has refused to do something."""
    if about.doing is Act.SUBMIT:
        refused = replace(about, state=State.REFUSED, doing=Act.NONE, since=None)
        return replace(refused, said=f"{said} It is not asked for again.")
    return replace(before, said=said)


def _number(asked: Asked) -> int:
    if asked.number is None:
        raise ValueError("what the console has not told the number of can be neither extended nor recalled")
    return asked.number


def _asked(row: models.ConsoleException) -> Asked:
    return Asked(
        row.acceptance_id,
        row.until,
        row.reference,
        State(row.state),
        row.number,
        Act(row.doing),
        row.since,
        row.released,
        row.said,
    )
