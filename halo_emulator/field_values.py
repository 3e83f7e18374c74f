"""What a client may write into a ticket: each property is read, converted and checked against the lists.

Unknown properties and nulls are ignored (official and seen live). That an unknown id or team name is refused, and in
which words, is a guess.
"""

from typing import Any

from .refusals import Refusal, dotnet, model_state
from .store import EXTERNAL_ID, Row, Store, row_by
from .text import as_html, as_text

_TEXTS = (
    "summary",
    "category_1",
    "category_2",
    "category_3",
    "category_4",
    "reportedby",
    "users_name",
    "supplier_reference",
    # Documented only, as fixbydate and targetdate are. That it comes back as it was written is a guess.
    "deadlinedate",
)
_NUMBERS = ("impact", "urgency", "third_party_id", "source")
_REFERENCES = {
    "status_id": ("statuses", "id"),
    "priority_id": ("priorities", "priorityid"),
    "agent_id": ("agents", "id"),
    "tickettype_id": ("ticket_types", "id"),
    "client_id": ("clients", "id"),
    "site_id": ("sites", "id"),
    "user_id": ("users", "id"),
}


def whole_number(name: str, value: object) -> int:
    """An int, also from "18" and 18.0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise model_state(name, value)
    try:
        number = float(value) if not isinstance(value, int) else value
        if number != int(number):
            raise ValueError
        return int(number)
    except (ValueError, OverflowError):
        raise model_state(name, value) from None


def _text(name: str, value: object) -> str:
    if isinstance(value, (dict, list)):
        raise model_state(name, value)
    return value if isinstance(value, str) else str(value)


def written_fields(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    """The ticket fields that `given` sets, by the names they are stored under; without custom fields."""
    texts = (*_TEXTS, EXTERNAL_ID) if store.settings.keeps_external_id else _TEXTS
    fields: dict[str, Any] = {name: _text(name, given[name]) for name in texts if given.get(name) is not None}
    fields |= {name: whole_number(name, given[name]) for name in _NUMBERS if given.get(name) is not None}
    fields |= _references(store, given) | _details(given) | _team(store, given)
    if isinstance(given.get("tags"), list):
        fields["tags"] = [{"id": 0, "text": str(tag.get("text", ""))} for tag in given["tags"] if isinstance(tag, dict)]
    if isinstance(given.get("assets"), list):
        # Documented only, with an id each. By which fields Halo shows what an asset is called is a guess.
        fields["assets"] = [dict(asset) for asset in given["assets"] if isinstance(asset, dict)]
    if given.get("parent_id") is not None:
        fields["parent_id"] = whole_number("parent_id", given["parent_id"])
        if store.readable(fields["parent_id"]) is None:
            raise dotnet(f"Parent ticket {fields['parent_id']} was not found")
    return fields


def _references(store: Store, given: dict[str, Any]) -> dict[str, int]:
    fields = {}
    for name, (table, key) in _REFERENCES.items():
        if given.get(name) is None:
            continue
        number = whole_number(name, given[name])
        if row_by(getattr(store, table), key, number) is None:
            if store.settings.ignores_unknown_ids:
                continue
            raise dotnet(f"Invalid {name}: {number}")
        fields[name] = number
    return fields


def _details(given: dict[str, Any]) -> dict[str, str]:
    plain, markup = given.get("details"), given.get("details_html")
    if plain is None and markup is None:
        return {}
    text = _text("details", plain) if plain is not None else as_text(_text("details_html", markup))
    return {"details": text, "details_html": as_html(text) if markup is None else _text("details_html", markup)}


def _team(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    # Official: the team is written by its name. `team_id` is not a field of the write schema and is ignored.
    name = given.get("team")
    if name is None or name == "":
        return {}
    row = row_by(store.teams, "name", name)
    if row is None:
        raise dotnet(f"Invalid team: {name}")
    return {"team": row["name"], "team_id": row["id"]}


def merged_custom_fields(store: Store, held: list[Row], given: object) -> list[Row]:
    """The stored custom fields with the given ones set, by name or id. Unknown ones are ignored (a guess)."""
    if not isinstance(given, list):
        return held
    result = {row["id"]: row for row in held}
    for item in given:
        known = _custom_field(store, item) if isinstance(item, dict) else None
        if known is not None:
            value = item.get("value")
            result[known["id"]] = {**known, "value": value, "display": None if value is None else str(value)}
    return list(result.values())


def _custom_field(store: Store, item: Row) -> Row | None:
    if isinstance(item.get("name"), str):
        return row_by(store.custom_fields, "name", item["name"])
    return row_by(store.custom_fields, "id", item.get("id"))


_LABELS = {"summary": "Summary", "details": "Details", "category_1": "Category", "user_id": "User", "team": "Team"}


def check_mandatory(store: Store, ticket_type: int, fields: dict[str, Any]) -> None:
    """Refuses a create that lacks a mandatory field of its type (seen live: 400 and a bare JSON text)."""
    wanted = store.settings.mandatory_fields.get(ticket_type, set())
    custom = merged_custom_fields(store, [], fields.get("customfields"))
    fields = {**{row["name"]: row["value"] for row in custom}, **fields}
    order = {name: place for place, name in enumerate(_LABELS)}
    missing = sorted((name for name in wanted if not fields.get(name)), key=lambda name: (order.get(name, 99), name))
    if missing:
        labels = [_LABELS.get(name, name.replace("_", " ").capitalize()) for name in missing]
        listed = " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)
        raise Refusal(400, f"{listed} {'were' if len(labels) > 1 else 'was'} required")


def form_fields(store: Store, ticket_type: int) -> list[Row]:
    """The fields of a ticket type's form: the custom ones, and those that are mandatory. The rows are documented only;
    that `technew` 2 is "visible and required" and 1 "visible" is a guess."""
    wanted = store.settings.mandatory_fields.get(ticket_type, set())
    custom = {row["name"]: row["label"] for row in store.custom_fields}
    names = [*custom, *sorted(wanted - custom.keys())]
    return [
        {
            "id": place,
            "rtid": ticket_type,
            "seq": place,
            "technew": 2 if name in wanted else 1,
            "fieldinfo": {
                "name": name,
                "label": custom.get(name) or _LABELS.get(name, name.replace("_", " ").capitalize()),
                "custom": int(name in custom),
                "mandatory": name in wanted,
            },
        }
        for place, name in enumerate(names, start=1)
    ]
