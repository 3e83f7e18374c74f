"""Actions (comments) that a client or somebody in Halo's screens adds to a ticket."""

from collections.abc import Callable
from typing import Any

from .field_values import whole_number
from .refusals import dotnet
from .seed import OUTCOMES
from .store import Action, Store
from .text import as_html, as_text
from .text_changes import as_stored
from .ticket_writes import UPDATED, agent_action, touch

Fields = dict[str, Any]
_KEPT = ("important", "timetaken", "sendemail", "emailto", "emailcc", "emailsubject")


def outcome_rows(store: Store) -> list[dict[str, Any]]:
    """Rows of /Outcome: those that may be used."""
    allowed = store.settings.outcomes
    rows = [(number, name) for number, name in OUTCOMES if allowed is None or name in allowed]
    known = {name for _, name in rows}
    rows += [(100 + place, name) for place, name in enumerate(sorted((allowed or set()) - known))]
    return [{"id": number, "outcome": name, "name": name, "hidden": False} for number, name in rows]


def resolved_outcome(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    """`outcome` and, where known, `outcome_id`. Refused, in Halo's words, without one (official and seen live); that an
    unknown one is refused in the same words is a guess."""
    rows = outcome_rows(store)
    name = given.get("outcome")
    if isinstance(name, str) and name.strip():
        for row in rows:
            if row["outcome"].casefold() == name.strip().casefold():
                return {"outcome": row["outcome"], "outcome_id": row["id"]}
        if store.settings.outcomes is None:
            return {"outcome": name}
    elif given.get("outcome_id") is not None:
        number = whole_number("outcome_id", given["outcome_id"])
        for row in rows:
            if row["id"] == number:
                return {"outcome": row["outcome"], "outcome_id": number}
    raise dotnet("An Outcome must be entered for this Action")


def add_action(
    store: Store,
    ticket_id: int,
    given: Fields,
    agent_id: int,
    rules: Callable[[Store, Fields, Fields], Fields] | None = None,
) -> Action:
    """Stores a note; moves the ticket's `last_update`, and nothing else of it: a status in an action is ignored (one
    client). Fires "ticket updated" with the action (a guess as to the name)."""
    with store.lock:
        outcome = resolved_outcome(store, given)
        note, markup = given.get("note"), given.get("note_html")
        text = str(note) if note is not None else as_text(str(markup or ""))
        fields = agent_action(store, agent_id, "", text)
        fields |= outcome | {name: given[name] for name in _KEPT if given.get(name) is not None}
        fields["note_html"] = str(markup) if markup is not None else as_html(text)
        fields["hiddenfromuser"] = bool(given.get("hiddenfromuser", False))
        fields = as_stored(store.settings.stored_text, fields)
        if rules is not None:
            fields = rules(store, {"ticket_id": ticket_id, **fields}, given)
        action = store.add_action(ticket_id, fields)
        ticket = touch(store, ticket_id, action)
        store.emit(UPDATED, ticket, action, agent_id)
        return action


def delete_action(store: Store, action: Action) -> None:
    """Takes an action away for good (documented only)."""
    with store.lock:
        held = store.actions[action["ticket_id"]]
        store.action_lag.replaced(action["ticket_id"], held)
        store.actions[action["ticket_id"]] = [row for row in held if row["id"] != action["id"]]
