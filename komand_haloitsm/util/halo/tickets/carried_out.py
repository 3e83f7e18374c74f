"""Whether the ticket in Halo's answer to a write shows what was asked for. Pure.

Halo ignores what it does not know without an error (seen live for query parameters; that it drops an unknown custom
field is a guess), and rules of the instance change a ticket before the answer is sent (seen live for the type). So the
answer is compared with what was sent. A field that the answer does not have tells nothing, with these exceptions: the
list of custom fields has those that a ticket has (seen live). A category or a parent that is not there is told, since
Halo leaves out what is empty (seen live). So is a field that the caller chose by Halo's own name, because nobody else
knows whether Halo takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from ..errors import HaloError, field_word
from ..values.dates import parse_date
from ..values.ids import as_id
from ..values.markup import text_of
from ..values.stored_text import may_be_stored_as
from .fields import GIVEN_AS
from .output import UNASSIGNED

Fields = Mapping[str, Any]

# Rules may change these in any write, so that another value is told and no error.
_RULES_CHANGE = frozenset({"tickettype_id", "team", "status_id", "priority_id"})
_IDS = ("tickettype_id", "status_id", "priority_id", "agent_id", "client_id", "site_id", "user_id", "parent_id")
_CATEGORIES = ("category_1", "category_2", "category_3", "category_4")
_TEXTS = ("summary", "details", "details_html")
_KNOWN = frozenset({"id", "customfields", "team", "closure_note", "closure_note_html", *_IDS, *_CATEGORIES, *_TEXTS})
# What tells Halo how to write is no field of a ticket. Names with an underscore in front are such, too.
_INSTRUCTIONS = frozenset({"dont_do_rules", "donotapplytemplateintheapi", "sendack"})
_OFTEN_EMPTY = frozenset({"parent_id", *_CATEGORIES})
# Types of custom fields whose value is a text that a person typed: a line, or several (seen live).
_TYPED = frozenset({0, 1})


@dataclass(frozen=True)
class Unlike:
    """How an answer differs from what was sent, by the names under which a caller gives the fields.

    ``dropped`` are the custom fields that the ticket does not have, or has without a value; ``custom`` those that have
    another text. ``unchanged`` are the fields that have another value, and that no rule is expected to change. ``told``
    are all others that differ, or that the answer does not show.
    """

    dropped: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """The names of all fields that differ."""
        return (*self.dropped, *self.custom, *self.unchanged, *self.told)


def unlike(sent: Fields, ticket: Fields) -> Unlike:
    """How the ticket in an answer differs from the fields that were sent, in the form in which Halo takes them."""
    dropped, others = _custom_fields(sent.get("customfields") or (), ticket.get("customfields"))
    unchanged: list[str] = []
    told: list[str] = [name for name, typed in others if not typed]
    for name, value in sent.items():
        if name in _OFTEN_EMPTY and ticket.get(name) is None:
            told += [GIVEN_AS.get(name, name)] if _is_something(value) else []
            continue
        if name in _RULES_CHANGE and not _agrees(name, value, ticket):
            told.append(GIVEN_AS.get(name, name))
        elif name in _KNOWN and name != "customfields" and not _agrees(name, value, ticket):
            unchanged.append(GIVEN_AS.get(name, name))
        elif name not in _KNOWN and name not in _INSTRUCTIONS and not name.startswith("_"):
            if ticket.get(name) is None:
                told += [name] if _is_something(value) else []
            elif not _same(value, ticket[name]):
                unchanged.append(name)
    custom = tuple(name for name, typed in others if typed)
    return Unlike(tuple(dropped), custom, _once(unchanged), _once(told))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _agrees(name: str, value: Any, ticket: Fields) -> bool:
    """Whether a field of the answer does not contradict the value that was sent."""
    if name in ("closure_note", "closure_note_html", "id") or not _is_something(value):
        return True
    if name in _TEXTS:
        field = "details" if name == "details_html" else name
        text = text_of(ticket, field, f"{field}_html")
        sent = text_of({name: value}, field, f"{field}_html")
        return not text or may_be_stored_as(sent, text, prefixed=name == "summary")
    shown = ticket.get(name)
    if shown is None:
        return True
    if name in _IDS:
        # Halo writes 0 or -1 for "none", and has an agent for it.
        none = UNASSIGNED if name == "agent_id" else None
        return (as_id(shown) or none) == (as_id(value) or none)
    return str(shown).strip().casefold() == str(value).strip().casefold()


def _custom_fields(sent: Iterable[Fields], shown: Any) -> tuple[list[str], list[tuple[str, bool]]]:
    """The names of the custom fields that were dropped, and of those with another value, each with whether it is a
    text that a person typed: such a text has one form only, while a date or a choice may come back in another."""
    dropped: list[str] = []
    others: list[tuple[str, bool]] = []
    if not isinstance(shown, list):
        return dropped, others
    rows = [row for row in shown if isinstance(row, dict)]
    for item in sent:
        if not _is_something(item.get("value")):
            continue
        row = next((row for row in rows if _is_field(row, item)), None)
        name = str(item.get("name") or item.get("id"))
        if row is None or not (_is_something(row.get("value")) or _is_something(row.get("display"))):
            dropped.append(name)
        elif not any(_same(item["value"], row.get(key)) for key in ("value", "display")):
            others.append((name, isinstance(item["value"], str) and row.get("type") in _TYPED))
    return dropped, others


def _is_field(row: Fields, item: Fields) -> bool:
    name, number = item.get("name"), as_id(item.get("id"))
    if isinstance(name, str) and name and str(row.get("name")).casefold() == name.strip().casefold():
        return True
    return number is not None and as_id(row.get("id")) == number


def _is_something(value: Any) -> bool:
    return value is not None and value not in ("", [], {}) and not (isinstance(value, str) and not value.strip())


def _same(sent: Any, shown: Any) -> bool:
    """Whether two plain values are the same in another form. Of lists and objects nothing is known, so they are."""
    if isinstance(sent, (list, dict)) or isinstance(shown, (list, dict)):
        return shown is not None
    if isinstance(sent, bool) or isinstance(shown, bool):
        return _flag(sent) == _flag(shown)
    one, other = str(sent).strip(), str(shown).strip()
    if parse_date(one) and parse_date(other):
        return parse_date(one) == parse_date(other)
    try:
        return float(one) == float(other)
    except ValueError:
        return shown is not None and may_be_stored_as(one, other)


def _flag(value: Any) -> str:
    text = str(value).strip().casefold()
    return {"1": "true", "yes": "true", "0": "false", "no": "false", "none": "false", "": "false"}.get(text, text)


_WHERE = "Check the names or ids of the custom fields in HaloITSM's configuration, and that the ticket type has them."


def _listed(custom: Iterable[str], fields: Iterable[str] = ()) -> str:
    return ", ".join([*(f'custom field "{name}"' for name in custom), *map(field_word, fields)])


def dropped_in_create(ticket_id: int, dropped: Iterable[str]) -> HaloError:
    """The error for a ticket that Halo created without some of its custom fields."""
    return HaloError(
        kind="not_carried_out",
        cause=f"Ticket {ticket_id} was created, but HaloITSM did not keep: {_listed(dropped)}.",
        assistance=f"{_WHERE} Then set them in ticket {ticket_id} with {{update}}. Without an External Reference, "
        "running {create} again would make a second ticket.",
        data=f"The ticket that HaloITSM returned has ID {ticket_id}, and these fields are missing or empty in it.",
    )


def undone_in_update(ticket_id: int, differences: Unlike) -> HaloError:
    """The error for a change that Halo accepted, and that its answer does not show."""
    custom = (*differences.dropped, *differences.custom)
    fields = _listed(custom, differences.unchanged)
    advice = (
        f"Look at ticket {ticket_id} in HaloITSM. Check that the API agent's role may change these fields there, and "
        "that no rule or workflow step sets them. Everything else was changed as asked for."
    )
    return HaloError(
        kind="not_carried_out",
        cause=f"HaloITSM accepted the change of ticket {ticket_id}, but its answer does not show: {fields}.",
        assistance=f"{_WHERE} {advice}" if custom else advice,
        data="In the answer to POST /Tickets these fields are missing, empty, or have another value.",
    )
