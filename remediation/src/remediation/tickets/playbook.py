"""A ticket's playbook as files of the ticket in Halo: attached because a person wants it, and once for one content.

A file's name tells of its content, and a file that is there is not sent again, so that nothing is attached twice. A
ticket's note keeps it: ``playbook`` names who wants it, ``playbook_said`` what came of that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import transaction

from haloitsm_client import HaloError, UncertainWrite

from ..domain.playbook import playbook_of
from ..store import audit, models
from ..store.json_keys import change_keys
from ..store.playbooks import fixes_of_ticket
from .asking import HaloAway, asked, in_words
from .attention import NotPossible, left_alone_by
from .cut_off import PLAYBOOK, CutOff
from .instance import Instance
from .journal import Journal
from .open_comments import ABSENT_BEFORE_RETRY

SAID = "playbook_said"
# RFC 9512.
_KIND = "application/yaml"
_LOOKED_FOR = "After ten minutes it is looked for, and attached if it is not there."


@transaction.atomic
def ask_for_playbook(row: models.Ticket, by: str) -> None:
    """Keep that a ticket's playbook is to be attached to it. Raises NotPossible."""
    _require_there(row)
    change_keys(row, "note", {PLAYBOOK: by}, without=[SAID])
    audit.record(by, "playbook to be attached", f"ticket {row.halo_id}")


def attach_playbook(
    row: models.Ticket, instance: Instance, journal: Journal, now: Callable[[], datetime], cut_off: CutOff
) -> str:
    """Attach the playbook of what is open on a ticket now, and its inventory; what came of it, in words.

    For the connection's one writer. Raises NotPossible where Halo refuses it, and HaloAway, also where it may have been
    attached: then it is looked for, and sent again only after ten minutes of absence.
    """
    row.refresh_from_db()
    if PLAYBOOK not in row.note:
        return "No playbook is to be attached any more."
    _require_there(row)
    fixes = fixes_of_ticket(row)
    if not fixes:
        raise NotPossible("Nothing that the ticket tells of is open any more, so there is nothing to make one for.")
    made = playbook_of(fixes)
    files = {made.name: made.text, made.inventory_name: made.inventory}
    newest = row.journal.filter(detail__has_key=PLAYBOOK).order_by("-pk").first()
    if cut_off.is_recent(newest):
        cut_off.wait()
    elif newest and newest.event == models.Journal.Event.UNKNOWN and newest.at > now() - ABSENT_BEFORE_RETRY:
        raise HaloAway(f"{newest.detail['said']} {_LOOKED_FOR}")
    number, detail = row.halo_id or 0, {PLAYBOOK: list(files)}
    journal.note(models.Journal.Event.ABOUT, row, None, detail, now())
    try:
        numbers = [asked(partial(instance.attach, number, name, text, _KIND)) for name, text in files.items()]
    except UncertainWrite as error:
        journal.note(models.Journal.Event.UNKNOWN, row, None, {**detail, "said": error.cause}, now())
        raise HaloAway(f"{error.cause} {_LOOKED_FOR}") from error
    except HaloAway as error:
        journal.note(models.Journal.Event.FAILED, row, None, {**detail, "said": str(error)}, now())
        raise
    except HaloError as error:
        journal.note(models.Journal.Event.FAILED, row, None, {**detail, "said": in_words(error)}, now())
        raise NotPossible(f"HaloITSM did not take it. {in_words(error)}") from error
    said = f"{' and '.join(files)} are attached to ticket {number}."
    with journal.held():
        journal.note(models.Journal.Event.DONE, row, None, {**detail, "attached": numbers}, now())
        change_keys(row, "note", {SAID: said}, without=[PLAYBOOK])
    return said


def not_attached(row: models.Ticket, reason: str, *, waits: bool = False) -> None:
    """Keep why a ticket's playbook was not attached. ``waits``: it is tried again."""
    said = f"It was not attached{' yet' if waits else ''}. {reason}"
    change_keys(row, "note", {SAID: said}, without=[] if waits else [PLAYBOOK])


def _require_there(row: models.Ticket) -> None:
    if row.halo_id is None:
        raise NotPossible("The ticket is not made in HaloITSM yet. Wait for the next run of its project.")
    if reason := left_alone_by(row):
        raise NotPossible(f"The ticket is {reason}. Let it go on, or attach it again, first.")
