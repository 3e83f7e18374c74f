"""What is kept of a ticket once it is known what became of a write to it.

Only what the write means is saved: a person's status may have been read back meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction

from ..domain.marks import REOPENED, said_by
from ..domain.status import Status, StatusMap
from ..domain.ticket import pair_of, still_its
from ..store import models
from ..store.json_keys import change_keys
from .instance import Shown
from .journal import Journal
from .twins import UNLOOKED

# In a ticket's note: its last comment announced a status, which is not set yet; who let it end; what it was told was
# taken back, and nothing is new since.
SETTLING = "settling"
RELEASED = "released"
TAKEN_BACK = "taken_back"
# The number of its agent, and Halo's for nobody.
AGENT = "agent"
UNASSIGNED = 1
# The agent to whom the service has given a ticket only because Halo closes none without one.
CLOSING = "closing_agent"
# What a ticket that findings were tied to is to be told with the next comment.
TIED = "tied"
# What it is to be told of tickets that it is dealt with together with: texts, by the number of what was decided.
JOINED = "joined"
# What was asked of the scanner since a person called it done, or why nothing was.
RESCAN = "rescan"
# The template by which it was made, as it was then (``domain.ticket_template``).
TEMPLATE = "template"
# What the newest comment of ours in Halo says, where the journal does not have that comment (``domain.marks``).
HEARD = "heard"


def keep_made(row: models.Ticket, shown: Shown, sent: Mapping[str, Any], statuses: StatusMap, now: datetime) -> None:
    """A ticket is there, and ``sent`` is what is known of its create: what it ``told``, its ``title``, ``due``,
    ``agent`` and ``numbers``. It is kept as Halo has it: a rule or a person may have changed its status already."""
    number = shown.status_id if shown.status_id is not None else statuses.write.get(Status.NOT_STARTED)
    ours = statuses.read(number)
    row.halo_id, row.halo_status_id, row.halo_changed = shown.halo_id, number, shown.changed
    row.status = ours.value if ours else ""
    row.agreed_status = Status.NOT_STARTED.value
    row.title = str(sent["title"])
    row.due = date.fromisoformat(sent["due"]) if sent.get("due") else None
    row.assigned = str(sent.get("agent") or "")
    row.save(
        update_fields=[
            *("halo_id", "halo_status_id", "halo_changed", "status", "agreed_status", "title", "due", "assigned")
        ]
    )
    wording = models.TicketWording.objects.filter(project=row.project_id, key=row.key)
    chosen = wording.values_list("wording__chosen", flat=True).first()
    template = {TEMPLATE: chosen} if chosen else {}
    keep_told(row, sent["told"], {UNLOOKED: now.isoformat(), **template, **numbers_told(sent, now)})
    # What somebody typed for this ticket is no matter of the next one for the same.
    wording.delete()


def is_heard(row: models.Ticket, told: Mapping[str, str], body: Mapping[str, Any]) -> bool:
    """Whether the comment of a step with this body says what the newest one in Halo says already, which the journal
    does not have: it was made after a backup, from which the store was restored."""
    if "joined" in body:
        # What people decided is no news of findings: apply looks for its own comment.
        return False
    # What is not news here is said for another reason: that a person's word was refuted, or is respected.
    is_news = dict(told) != (row.note.get("told") or {}) or "agreed" in body or "numbers" in body
    return is_news and str(row.note.get(HEARD, "")).removesuffix(REOPENED) == said_by(told, body)


def keep_comment(
    row: models.Ticket, body: Mapping[str, Any], told: Mapping[str, str], now: datetime, made: int | None = None
) -> None:
    """The comment of a step with this body was made: what it has told is told. ``made`` is its number, if known."""
    keep_joined(row, body.get("joined", ()))
    if body.get("only_joined"):
        if body.get("listed"):
            change_keys(row, "note", {"listed": True})
        return
    note: dict[str, Any] = {"reopened": body.get("reopened", ""), **numbers_told(body, now)}
    marks = {name: True for name in ("listed", SETTLING, TAKEN_BACK) if body.get(name)}
    keep_investigation(row, body, now, str(made or ""))
    keep_told(row, told, {**note, **marks}, without={SETTLING, TAKEN_BACK, TIED, HEARD} - marks.keys())
    if body.get("agreed"):
        row.agreed_status = str(body["agreed"])
        row.save(update_fields=["agreed_status"])


@transaction.atomic
def keep_joined(row: models.Ticket, told: Collection[str]) -> None:
    """A ticket was told of these joinings. What somebody has decided since is still to be told."""
    if told:
        # Under a lock: a person may be deciding.
        note = models.Ticket.objects.select_for_update().values_list("note", flat=True).get(pk=row.pk)
        left = {number: text for number, text in (note.get(JOINED) or {}).items() if number not in told}
        change_keys(row, "note", {JOINED: left} if left else {}, without=[] if left else [JOINED])


def agent_of(row: models.Ticket) -> int:
    """The number of the agent who has a ticket, as Halo showed it last."""
    return int(row.note.get(AGENT, UNASSIGNED))


def keep_agent(row: models.Ticket, number: int, name: str) -> None:
    """Keep whose a ticket is."""
    row.assigned = name
    row.save(update_fields=["assigned"])
    change_keys(row, "note", {AGENT: number}, without=[] if row.note.get(CLOSING) == number else [CLOSING])


@transaction.atomic
def keep_told(
    row: models.Ticket, told: Mapping[str, str], note: Mapping[str, Any], *, without: Collection[str] = ()
) -> None:
    """The states of findings that a ticket has told, beside other keys of its note. Pages find it by what it tells."""
    change_keys(row, "note", {"told": dict(told), **note}, without=without)
    found_by(row, still_its(told))


def found_by(row: models.Ticket, texts: Collection[str]) -> None:
    """Let pages find a ticket by these findings, and by no others."""
    pairs = [pair_of(text) for text in texts]
    row.assets = sorted({asset for asset, _ in pairs})
    row.vulnerabilities = sorted({vulnerability for _, vulnerability in pairs})
    row.save(update_fields=["assets", "vulnerabilities"])


def numbers_told(body: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """What a project's ticket tells of its children, and the day on which it does."""
    return {"numbers": body["numbers"], "numbers_told": now.date().isoformat()} if "numbers" in body else {}


def keep_status(
    row: models.Ticket, body: Mapping[str, Any], halo_status: int, statuses: StatusMap, now: datetime
) -> None:
    """The status of a step with this body was set."""
    row.halo_status_id = halo_status
    keep_investigation(row, body, now)
    if "restores" in body:
        # As if a person had set it: what was agreed stays.
        ours = statuses.read(halo_status)
        row.status, row.halo_changed = ours.value if ours else "", now
        row.save(update_fields=["status", "halo_status_id", "halo_changed"])
        return
    row.status = row.agreed_status = str(body["status"])
    row.save(update_fields=["status", "agreed_status", "halo_status_id"])
    # Who opens it again after this is told once more.
    change_keys(row, "note", {}, without=[SETTLING, RELEASED, RESCAN, "reopened"])


@transaction.atomic
def keep_investigation(row: models.Ticket, body: Mapping[str, Any], now: datetime, other: str = "") -> None:
    """What the step with this body has done to a ticket of an investigation, or to the investigation, is agreed now.

    ``other`` is what was made on the other side of what it has carried.
    """
    agreed = dict(body.get("investigation") or {})
    carries = agreed.pop("carries", "")
    investigation = models.Investigation.objects.filter(ticket=row).first()
    if investigation is None:
        return
    if agreed:
        agree(investigation, row, **agreed)
    if carries:
        keep_carried(investigation, carries, now, other)


def agree(investigation: models.Investigation, row: models.Ticket, **agreed: str | bool) -> None:
    """Keep what an investigation and its ticket agree on. What was agreed with another ticket is forgotten."""
    if investigation.agreed_ticket != row.halo_id:
        agreed = {"agreed_state": "", "agreed_assignee": "", "asked": False, **agreed}
    status = {"agreed_status": row.halo_status_id} if "agreed_state" in agreed else {}
    models.Investigation.objects.filter(pk=investigation.pk).update(**agreed, **status, agreed_ticket=row.halo_id)


def keep_carried(investigation: models.Investigation, what: str, now: datetime, other: str = "") -> None:
    """Keep that something was carried between an investigation and its ticket."""
    models.Carried.objects.get_or_create(investigation=investigation, what=what, defaults={"other": other, "at": now})


def keep_end(journal: Journal, row: models.Ticket, step: models.Step, result: Mapping[str, Any], now: datetime) -> None:
    """A step was done, with this result. In the transaction in which the ticket is changed."""
    journal.note(models.Journal.Event.DONE, row, step, result, now)
    step.state, step.result, step.at = models.Step.State.DONE, dict(result), now
    step.save()
