"""Rules of the instance, which change what a client has just written by the API.

That rules change a new ticket before the client gets its answer is seen live. That `dont_do_rules` true skips them is
documented only. Rules for a new action are a guess.
"""

from copy import deepcopy
from typing import Any

from .store import Store, Ticket
from .text import as_html, as_text
from .ticket_writes import change_by_rule


def after_create(store: Store, ticket: Ticket, given: dict[str, Any]) -> Ticket:
    """A ticket that a client has just created with the body `given`, as the rules leave it."""
    if given.get("dont_do_rules") is True:
        return ticket
    for rule in store.settings.rules:
        changes = rule(deepcopy(ticket))
        if changes:
            ticket = change_by_rule(store, ticket["id"], changes)
    return ticket


def on_new_action(store: Store, fields: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an action that a client adds with the body `given`, as the rules leave them."""
    if given.get("dont_do_rules") is True:
        return fields
    for rule in store.settings.note_rules:
        fields = fields | _with_both_texts(rule(dict(fields)))
    return fields


def _with_both_texts(changes: dict[str, Any]) -> dict[str, Any]:
    """A rule that changes only the text of a note, or only its HTML, changes the other with it."""
    if "note" in changes and "note_html" not in changes:
        return {**changes, "note_html": as_html(changes["note"])}
    if "note_html" in changes and "note" not in changes:
        return {**changes, "note": as_text(changes["note_html"])}
    return changes
