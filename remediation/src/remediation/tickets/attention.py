"""What people say of a ticket: that the service leaves it alone, forgets it, or takes another of Halo's for it.

A ticket's note keeps it: ``paused`` and ``detached`` name who said so, ``forgotten`` are the findings of a detached
ticket that get no other one until a person asks for it, ``tying`` is the ticket of Halo's that its findings are to be
tied to, ``not_tied`` why they were not, and ``tied`` what that ticket is to be told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from haloitsm_client.values.ids import as_id

from ..domain.status import Status, StatusMap
from ..domain.ticket import left_alone, pair_of, still_its
from ..store import audit, bulk, models
from ..store.json_keys import change_keys
from .asking import asked
from .cut_off import open_write
from .instance import Instance
from .journal import Journal
from .inventory import reference_of
from .keeping import TIED, found_by
from .references import OURS
from .retyped import RETYPED, TYPE
from .twins import UNLOOKED

PAUSED, DETACHED, FORGOTTEN = "paused", "detached", "forgotten"
TYING, NOT_TIED, TIED_AT = "tying", "not_tied", "tied_at"


class NotPossible(Exception):
    """What a person wants of a ticket cannot be done. The text says why, and what to do."""


def left_alone_by(row: models.Ticket) -> str:
    """Why nothing is written to a ticket: ``paused by anna``. "" where nobody has said so."""
    return left_alone(row.note.get(PAUSED, ""), row.note.get(DETACHED, ""))


def chosen_instead(row: models.Ticket) -> str:
    """Why no ticket is made for a row that there is none of yet: a person has chosen one. "" where nobody has."""
    wanted = row.note.get(TYING) if row.halo_id is None else None
    return f"ticket {wanted['to']} of HaloITSM is to stand for it, as {wanted['by']} wants it" if wanted else ""


@transaction.atomic
def pause(row: models.Ticket, by: str) -> None:
    """Plan and write nothing for a ticket until somebody lets it go on. Raises NotPossible."""
    _require_there(row)
    change_keys(row, "note", {PAUSED: by})
    audit.record(by, "ticket paused", _name(row))


@transaction.atomic
def go_on(row: models.Ticket, by: str) -> None:
    """Let a paused ticket go on."""
    change_keys(row, "note", {}, without=[PAUSED])
    audit.record(by, "ticket resumed", _name(row))


@transaction.atomic
def detach(row: models.Ticket, by: str) -> None:
    """Forget a ticket. It stays in Halo as it is, and its findings get no other one until a person asks for it.

    Raises NotPossible.
    """
    _require_there(row)
    if row.kind == "parent":
        raise NotPossible("This is the ticket of a project, and the others are its children. Pause it instead.")
    told: Mapping[str, str] = row.note.get("told") or {}
    forgotten = sorted(still_its(told))
    change_keys(row, "note", {DETACHED: by, FORGOTTEN: forgotten}, without=[PAUSED, TYING, NOT_TIED])
    found_by(row, ())
    audit.record(by, "ticket detached", _name(row), findings=len(forgotten))


@transaction.atomic
def attach(row: models.Ticket, by: str) -> None:
    """Take care of a detached ticket again. Raises NotPossible where another ticket has taken its place."""
    # What a new ticket would be made of is not to change in between.
    models.Connection.objects.select_for_update().get(pk=row.project.connection_id)
    told: Mapping[str, str] = row.note.get("told") or {}
    mine = set(still_its(told))
    later = models.Ticket.objects.filter(project=row.project, key=row.key, generation__gt=row.generation)
    others = models.Ticket.objects.filter(
        project__connection=row.project.connection_id,
        project__source=row.project.source_id,
        assets__overlap=sorted({pair_of(pair)[0] for pair in mine}),
    )
    taken = [one for one in others if mine & (one.note.get("told") or {}).keys()]
    if found := later.first() or next(iter(taken), None):
        raise NotPossible(f"Another ticket has taken its place: {found.halo_id or 'one that is being made'}.")
    investigation = models.Investigation.objects.filter(source__project=row.project, rrn=row.key)
    if set(row.note.get(FORGOTTEN) or ()) != mine or investigation.exclude(ticket=row).exists():
        raise NotPossible("Somebody has asked for another ticket in its place meanwhile.")
    change_keys(row, "note", {}, without=[DETACHED, FORGOTTEN])
    found_by(row, mine)
    audit.record(by, "ticket attached again", _name(row))


def asked_again(project: models.Project, pairs: Collection[str]) -> None:
    """A person asks for a ticket of findings, by their texts: those of detached tickets may have another one now.

    ``project`` is the one that takes them in.
    """
    same = {"project__connection": project.connection_id, "project__source": project.source_id}
    for row in models.Ticket.objects.filter(**same, note__has_key=DETACHED):
        forgotten = set(row.note.get(FORGOTTEN) or ())
        if forgotten & set(pairs):
            change_keys(row, "note", {FORGOTTEN: sorted(forgotten - set(pairs))})


@transaction.atomic
def ask_to_tie(row: models.Ticket, number: int, by: str) -> None:
    """Keep that a ticket's findings are to be tied to another ticket of Halo's. Raises NotPossible."""
    _require_there(row)
    if row.kind == "parent":
        raise NotPossible("This is the ticket of a project, and the others are its children. It stays as it is.")
    change_keys(row, "note", {TYING: {"to": number, "by": by}}, without=[NOT_TIED])
    audit.record(by, "ticket to be tied", _name(row), to=number)


def tie(row: models.Ticket, instance: Instance, statuses: StatusMap, journal: Journal, now: datetime) -> str:
    """Tie a ticket's findings to the one of Halo's that was asked for; what came of it, in words.

    From now on that ticket stands for them. The one before stays in Halo as it is. For the connection's one writer.
    Raises HaloError, HaloAway and NotPossible.
    """
    row.refresh_from_db()
    wanted = row.note.get(TYING)
    if not wanted:
        return "Nothing is to be tied any more."
    number, by, before = int(wanted["to"]), str(wanted["by"]), row.halo_id
    if before is not None:
        _require_there(row)
    if reason := refusal(row, number):
        raise NotPossible(reason)
    ticket = ticket_to_take(instance, number, row.reference)
    shown = instance.shown(ticket)
    ours = statuses.read(shown.status_id)
    with journal.held():
        row.refresh_from_db(fields=["note"])
        row.halo_id, row.halo_status_id, row.halo_changed = number, shown.status_id, shown.changed
        row.status, row.agreed_status = ours.value if ours else "", Status.NOT_STARTED.value
        row.title, row.assigned, row.due = str(ticket.get("summary") or ""), "", None
        row.save()
        told = f"{by} tied what ticket {before} stood for to this ticket: findings of a vulnerability scanner."
        if before is None:
            told = f"{by} chose this ticket for findings of a vulnerability scanner."
        over = [TYING, NOT_TIED, "missing", "settling", "listed", "reopened", "taken_back", "released", TYPE, RETYPED]
        change_keys(row, "note", {TIED: told, TIED_AT: now.isoformat()}, without=over)
        journal.note(models.Journal.Event.DONE, row, None, {"tied": number, "before": before, "by": by}, now)
    what = "What was asked for" if before is None else f"What ticket {before} stood for"
    return f"{what} is tied to ticket {number}, which is told so by the next run."


@transaction.atomic
def not_tied(row: models.Ticket, reason: str) -> None:
    """Keep why a ticket's findings were not tied. Those that have no ticket yet can be asked for again."""
    models.Connection.objects.select_for_update().get(pk=row.project.connection_id)
    row.refresh_from_db()
    wanted = row.note.get(TYING)
    if not wanted:
        return
    if row.halo_id is None:
        bulk.remove_listed(row.project_id, [pair_of(text) for text in wanted.get("findings") or ()])
    change_keys(row, "note", {NOT_TIED: {"to": wanted.get("to"), "said": reason}}, without=[TYING])


def _require_there(row: models.Ticket) -> None:
    if row.halo_id is None:
        raise NotPossible("The ticket is not made in HaloITSM yet. Wait for the next run of its project.")
    if row.note.get(DETACHED):
        raise NotPossible(f"The ticket was detached by {row.note[DETACHED]}. Attach it again first.")


def refusal(row: models.Ticket, number: int) -> str:
    """Why a ticket cannot be tied to a number, as far as the service knows by itself. "" where it can."""
    if row.halo_id == number:
        return f"It is ticket {number} already."
    held = models.Ticket.objects.filter(project__connection=row.project.connection_id, halo_id=number)
    other = next((one for one in held.select_related("project") if not one.note.get(DETACHED)), None)
    if other is not None and other.project_id != row.project_id:
        return f"Ticket {number} is of another project, {other.project.name!r}. Detach it there first."
    if other is not None:
        return f"Ticket {number} stands for something else of this project already: {other.key}. Detach it first."
    if open_write(row) is not None or UNLOOKED in row.note:
        return "HaloITSM may still be at the last write to the ticket. Run its project, and try again."
    return ""


def ticket_to_take(instance: Instance, number: int, mine: str = "") -> Mapping[str, Any]:
    """A ticket of Halo's that can stand for findings; ``mine``: the reference that it may carry.

    Raises HaloError, HaloAway, and NotPossible where it cannot.
    """
    ticket = asked(lambda: instance.ticket(number))
    if ticket is None:
        raise NotPossible(
            f"HaloITSM has no ticket {number}, or the API's agent may not see it. Look at the number in HaloITSM."
        )
    if reason := _foreign(ticket, mine):
        raise NotPossible(reason)
    return ticket


def _foreign(ticket: Mapping[str, Any], mine: str) -> str:
    """Why a ticket of Halo's cannot be taken, by the reference that it carries, unless that is ``mine``; "" where it
    carries none of ours."""
    reference = reference_of(ticket)
    if not reference.startswith(OURS) or reference == mine:
        return ""
    owner = models.Ticket.objects.filter(reference=reference).first()
    if owner is not None and (owner.note.get(DETACHED) or owner.halo_id not in (None, as_id(ticket.get("id")))):
        # The service has forgotten that it made it, or its findings were tied to another one.
        return ""
    return f"Ticket {as_id(ticket.get('id'))} was made by this service for something else: {reference}."


def _name(row: models.Ticket) -> str:
    return f"ticket {row.halo_id}"
