"""The key that every create carries, in a field of the ticket that users do not write.

``third_party_id_string`` is in Halo's newest API description, both as a field of a ticket and as an exact filter of the
list (documented only). Whether an instance keeps it shows in the answers to its creates. Instead of it, an instance may
have a custom field for the purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ..values.ids import as_id

Ticket = Mapping[str, Any]

THIRD_PARTY_ID = "third_party_id_string"
NO_FIELD = "none"


@dataclass(frozen=True)
class KeyField:
    """Where the key is written: ``third_party_id_string``, a custom field's name, or "" for nowhere."""

    name: str = THIRD_PARTY_ID

    @classmethod
    def named(cls, text: str | None) -> KeyField:
        """From what a person writes: nothing means ``third_party_id_string``, ``none`` means nowhere."""
        name = (text or "").strip() or THIRD_PARTY_ID
        return cls("" if name.casefold() == NO_FIELD else name)

    @property
    def is_custom(self) -> bool:
        """Whether it is a custom field."""
        return self.name not in ("", THIRD_PARTY_ID)

    def written(self, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """``body`` with the key in its field."""
        if not self.name:
            return dict(body)
        if not self.is_custom:
            return {**body, THIRD_PARTY_ID: key}
        others = [item for item in body.get("customfields") or [] if item.get("name") != self.name]
        return {**body, "customfields": [*others, {"name": self.name, "value": key}]}

    def kept_for(self, body: Mapping[str, Any]) -> tuple[str, int | None]:
        """What it depends on whether a key is kept: its field, and the type, for which a rule may clear it."""
        return self.name, as_id(body.get("tickettype_id"))

    def of(self, ticket: Ticket) -> str | None:
        """The key of a ticket, "" where it has none; None where the ticket does not show the field."""
        if not self.name:
            return None
        if not self.is_custom:
            value = ticket.get(THIRD_PARTY_ID)
            return value if isinstance(value, str) else None
        fields = ticket.get("customfields")
        if not isinstance(fields, list):
            return None
        found = (item.get("value") for item in fields if isinstance(item, dict) and item.get("name") == self.name)
        return next((str(value) for value in found if value not in (None, "")), "")

    def query(self, key: str) -> dict[str, str]:
        """The list's filter for a key: exact for ``third_party_id_string``, else free text (both documented only)."""
        return {"search": key} if self.is_custom else {THIRD_PARTY_ID: key}
