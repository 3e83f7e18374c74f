"""Carries out what a person decides of suggestions to deal with tickets as one (domain.consolidation).

Each of the tickets is told by a comment, which the next plan of its project holds like any other. None is closed, tied
or changed. The comments name HaloITSM's numbers and links: a relation of two tickets in HaloITSM itself is documented
nowhere, and the parent of a ticket is its project's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from ..domain.consolidation import About, Suggestion
from ..domain.template import summary
from ..store import audit, models
from ..store.consolidation import names_of, suggestions
from ..store.json_keys import change_keys
from .keeping import JOINED
from .portal import link_of

# So many of the joined tickets are named by the one that stays; the page names all.
MOST_NAMED = 50


class NotAsShown(Exception):
    """What was shown is not suggested any more, because somebody decided or something changed. Nothing was done."""

    def __init__(self) -> None:
        super().__init__(
            "What was shown to you is not suggested any more: somebody decided, or a ticket changed. "
            "Nothing was done. Below is what is suggested now."
        )


@transaction.atomic
def carry_out(key: str, version: str, by: str) -> list[models.Project]:
    """Join the tickets of a suggestion; the projects whose runs tell them. Raises NotAsShown."""
    found, row = _decided(key, version, by, is_carried_out=True)
    rows = models.Ticket.objects.select_related("project__connection").order_by("pk")
    tickets = rows.select_for_update(of=("self",)).in_bulk(found.tickets)
    stays, *others = [tickets[number] for number in found.tickets]
    about = f"{'the device' if found.about is About.DEVICE else 'the solution'} {summary(row.name)}"
    told = _told_to_others(stays, about, by)
    texts = {one.pk: told for one in others}
    texts[stays.pk] = _told_to_first(others, about, by)
    for number, text in texts.items():
        one = tickets[number]
        change_keys(one, "note", {JOINED: {**(one.note.get(JOINED) or {}), str(row.pk): text}})
    numbers = [one.halo_id for one in others]
    audit.record(by, "tickets joined", f"ticket {stays.halo_id}", consolidation=row.pk, joined=numbers)
    projects = {one.project_id: one.project for one in tickets.values()}
    return [projects[number] for number in sorted(projects)]


@transaction.atomic
def reject(key: str, version: str, reason: str, by: str) -> None:
    """Suggest it no more until something new is in it. Raises NotAsShown."""
    found, row = _decided(key, version, by, reason=reason)
    audit.record(by, "joining rejected", summary(row.name), consolidation=row.pk, tickets=len(found.tickets))


def _decided(
    key: str, version: str, by: str, *, is_carried_out: bool = False, reason: str = ""
) -> tuple[Suggestion, models.Consolidation]:
    """The suggestion as it is now, and what is kept of the decision. Raises NotAsShown."""
    # One decision at a time: of two who click at once, the second is told.
    list(models.Connection.objects.select_for_update().order_by("pk"))
    found = next((one for one in suggestions() if (one.key, one.version) == (key, version)), None)
    if found is None or (is_carried_out and not found.tickets):
        raise NotAsShown
    row = models.Consolidation.objects.create(
        about=found.about.value,
        subject=found.subject,
        name=_name(found, names_of([found])),
        tickets=list(found.tickets),
        vulnerabilities=sorted(found.vulnerabilities),
        stays_id=found.tickets[0] if is_carried_out else None,
        reason=reason,
        who=by,
    )
    return found, row


def _name(found: Suggestion, names: Mapping[tuple[str, str], str]) -> str:
    return names.get((found.about.value, found.subject), found.subject)


def _told_to_others(stays: models.Ticket, about: str, by: str) -> str:
    return (
        f"This is dealt with together with ticket {_named(stays)}, as {by} decided: both are about {about}. "
        "This ticket stays open until scans settle it."
    )


def _told_to_first(others: Sequence[models.Ticket], about: str, by: str) -> str:
    named = "\n".join(f"- {_named(one)}" for one in others[:MOST_NAMED])
    more = f"\n- ... and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    return (
        f"These tickets are dealt with here, as {by} decided: all are about {about}.\n{named}{more}\n"
        "Each stays open until scans settle it."
    )


def _named(row: models.Ticket) -> str:
    """A ticket by HaloITSM's number and, where it is known, its link."""
    link = link_of(row)
    return f"{row.halo_id} ({link})" if link else str(row.halo_id)
