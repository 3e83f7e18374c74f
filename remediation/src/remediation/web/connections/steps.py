"""The steps of the wizard, and the form of each with what is entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.urls import reverse

from ...store import models
from ...store.projects import DEFAULTS
from . import assignment, details, statuses, ticket_template
from .entered import Entered, query_of
from .halo_lists import lists_of

# Name of the step in addresses and in what is entered, and its title.
TITLES = {
    "details": details.Details.title,
    "statuses": statuses.Statuses.title,
    "template": ticket_template.TicketTemplate.title,
    "assignment": assignment.Assignment.title,
}


@dataclass(frozen=True)
class ShownStep:
    """A step in the list of them. ``state``: complete, to be corrected, or not entered yet."""

    number: int
    name: str
    title: str
    address: str
    state: str
    is_here: bool


def form_of(step: str, draft: models.ConnectionDraft, sent: QueryDict | None = None) -> Any:
    """The form of a step: with what was sent, else with what the draft has of it, else empty."""
    entered = draft.entered.get(step)
    data = sent if sent is not None else query_of(entered) if entered is not None else None
    lists = lists_of(draft)
    if step == "details":
        return details.Details(data, draft=draft)
    if step == "statuses":
        return statuses.Statuses(data, names=lists.get("status"))
    if step == "template":
        mandatory = draft.seen.get("mandatory") or {}
        return ticket_template.TicketTemplate(data, lists=lists, mandatory=mandatory)
    return assignment.Assignment(data, lists=lists)


def shown(draft: models.ConnectionDraft | None, here: str) -> list[ShownStep]:
    """All steps, and the last page."""
    found = []
    for number, (name, title) in enumerate(TITLES.items(), start=1):
        state = "not entered yet"
        if draft is not None and name in draft.entered:
            state = "complete" if form_of(name, draft).is_valid() else "to be corrected"
        address = reverse(f"draft-{name}", args=[draft.pk]) if draft else ""
        found.append(ShownStep(number, name, title, address, state, name == here))
    address = reverse("draft-enable", args=[draft.pk]) if draft else ""
    return [*found, ShownStep(len(found) + 1, "enable", "Save and enable", address, "", here == "enable")]


def forms_of(draft: models.ConnectionDraft) -> dict[str, Any]:
    """The forms of all steps with what the draft has, checked."""
    found = {step: form_of(step, draft) for step in TITLES}
    for form in found.values():
        form.is_valid()
    return found


def settings_of(checked: Mapping[str, Any]) -> dict[str, Any]:
    """The connection's settings out of valid forms."""
    tables = [form.settings() for form in checked.values()]
    whole = {key: value for table in tables for key, value in table.items()}
    whole[DEFAULTS] = {key: value for table in tables for key, value in (table.get(DEFAULTS) or {}).items()}
    return whole


def of_connection(connection: models.Connection) -> dict[str, Entered]:
    """What would have been entered for a connection that there is."""
    settings = connection.settings
    return {
        "details": details.of_settings(connection.name, settings),
        "statuses": statuses.of_settings(settings),
        "template": ticket_template.of_settings(settings),
        "assignment": assignment.of_settings(settings),
    }
