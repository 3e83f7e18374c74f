"""Tickets that were made twice for one reference, by two processes or by a request that came late.

A create does not look for them: one look after all creates of an apply costs less than one after each. The lowest
number counts, the ledger takes it, and the others are closed with a note that names it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Callable, Mapping

from haloitsm_client import HaloError, UncertainWrite

from ..domain.plan import PARENT_KEY
from ..domain.status import StatusMap
from ..store import models
from ..store.json_keys import change_keys
from .asking import HaloAway, asked, in_words
from .instance import Instance, NotInHalo, Shown
from .journal import Journal

# In a ticket's note: when it was made or found, until its twins have been looked for.
UNLOOKED = "twins_unlooked"
# How long a list may be without a new ticket. One that it never shows was deleted or is hidden.
_LONGEST_LAG = timedelta(minutes=10)


def by_reference(
    instance: Instance,
    rows: Mapping[str, models.Ticket],
    parent_id: int | None,
    *,
    are_parents: bool,
    has_parent: bool = True,
) -> Mapping[str, list[Shown]]:
    """What Halo has of the projects' own tickets among ``rows``, or of the others, by reference, the oldest first.

    Without a parent nothing has been made under it, unless the project is to have none. Raises HaloError and HaloAway.
    """
    wanted = [reference for reference, row in rows.items() if (row.key == PARENT_KEY) is are_parents]
    if not wanted or (parent_id is None and not are_parents and has_parent):
        return {}
    return asked(lambda: instance.references(wanted, None if are_parents else parent_id))


class Twins:
    """Those of one project. ``now`` is the present, ``say(text)`` gets a line for each."""

    def __init__(
        self,
        project: models.Project,
        instance: Instance,
        statuses: StatusMap,
        *,
        journal: Journal,
        now: Callable[[], datetime],
        say: Callable[[str], None],
    ) -> None:
        self._project = project
        self._instance = instance
        self._statuses = statuses
        self._journal = journal
        self._now = now
        self._say = say
        self._has_parent = bool(project.settings.get("parent", True))

    def settle(self, parent_id: Callable[[], int | None]) -> None:
        """Look once for all tickets with the references that were made or found, and close the later ones of each.

        A look that was impossible, or that does not show the ticket itself yet, is for the next run to repeat.
        """
        made = models.Ticket.objects.filter(project=self._project, note__has_key=UNLOOKED, halo_id__isnull=False)
        rows = {row.reference: row for row in made}
        try:
            for are_parents in (True, False):
                found = by_reference(
                    self._instance, rows, parent_id(), are_parents=are_parents, has_parent=self._has_parent
                )
                for reference, row in rows.items():
                    if (row.key == PARENT_KEY) is are_parents:
                        self._settle(row, found.get(reference, []))
        except (HaloError, HaloAway) as error:
            self._say(f"  WARNING  whether a ticket was made twice could not be looked up. {in_words(error)}")

    def _settle(self, row: models.Ticket, shown: list[Shown]) -> None:
        """Raises HaloAway."""
        made = datetime.fromisoformat(row.note[UNLOOKED])
        if row.halo_id not in [one.halo_id for one in shown] and made > self._now() - _LONGEST_LAG:
            # The list does not show it yet, so it would not show another either.
            return
        result: dict[str, Any] = {}
        for twin in shown[1:]:
            told = f"ticket {twin.halo_id} was made for the same as ticket {shown[0].halo_id}"
            try:
                asked(lambda one=twin: self._instance.close_twin(one, shown[0].halo_id))  # type: ignore[misc]
            except UncertainWrite:
                # The next run looks again; one that is closed by then is left as it is.
                return
            except (HaloError, NotInHalo) as error:
                result["warning"] = f"{told} and is open. {in_words(error)}"
                self._say(f"  WARNING  {row.key}: {result['warning']}")
                continue
            result["closed"] = [*result.get("closed", []), twin.halo_id]
            self._say(f"  closed   {row.key}: {told}")
        with self._journal.held():
            change_keys(row, "note", {}, without=[UNLOOKED])
            if shown and shown[0].halo_id != row.halo_id:
                self._take(row, shown[0])
            if result:
                _tell(row, {"ticket": row.halo_id, **result})

    def _take(self, row: models.Ticket, shown: Shown) -> None:
        """The ledger's ticket is the one that counts, as Halo has it."""
        ours = self._statuses.read(shown.status_id)
        row.halo_id, row.halo_status_id, row.halo_changed = shown.halo_id, shown.status_id, shown.changed
        row.status = ours.value if ours else ""
        row.save(update_fields=["halo_id", "halo_status_id", "halo_changed", "status"])


def _tell(row: models.Ticket, result: Mapping[str, Any]) -> None:
    """Add to the result of the step that made a ticket."""
    made = row.journal.filter(event="done", step__kind__startswith="create").order_by("-pk").first()
    if made is not None and made.step is not None:
        made.step.result = {**made.step.result, **result}
        made.step.save()
