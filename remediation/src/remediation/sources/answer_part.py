"""A part of a JSON answer, read with suspicion. Pure."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from .errors import NotUnderstood


class Part:
    """An object in the answer to ``path``. What is absent or null reads as None, as no text or as an empty list.

    Raises NotUnderstood for what is of another kind, with the path and the name, and without the value.
    """

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(path, "an object", "it")
        self._value: dict[str, Any] = value
        self._path = path

    def text(self, name: str) -> str | None:
        """A text, without what PostgreSQL or UTF-8 cannot hold."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _wrong(self._path, "a text", name)
        return storable(value)

    def word(self, name: str) -> str | None:
        """A text, a number or a truth value, as text: for what is judged elsewhere."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, (str, int, float)):
            raise _wrong(self._path, "a text or a number", name)
        return storable(str(value).lower() if isinstance(value, bool) else str(value))

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise _wrong(self._path, "texts", name)
        return [storable(value) for value in values]

    def numbers(self, name: str) -> list[int]:
        """A list of whole numbers."""
        values = self._list(name)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise _wrong(self._path, "whole numbers", name)
        return values

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number within bounds."""
        value = self._value.get(name)
        if value is None:
            return None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or math.isnan(value) or not least <= value <= most:
            raise _wrong(self._path, f"a number from {least:g} to {most:g}", name)
        return float(value)

    def whole(self, name: str, least: int = 0, most: int = 2**63 - 1) -> int | None:
        """A whole number within bounds."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(self._path, f"a whole number from {least} to {most}", name)
        return value

    def given(self, name: str) -> int:
        """A whole number that has to be there."""
        value = self.whole(name)
        if value is None:
            raise _wrong(self._path, "a whole number", name)
        return value

    def key(self, name: str) -> str:
        """What names something: a whole number or a text that is not empty. It has to be there."""
        value = self._value.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not storable(str(value)).strip():
            raise _wrong(self._path, "what names it", name)
        return storable(str(value))

    def time(self, name: str) -> datetime | None:
        """A time in ISO 8601, in UTC where it tells no zone."""
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            raise _wrong(self._path, "a time", name) from None

    def part(self, name: str) -> Part:
        """An object within; an empty one where there is none."""
        value = self._value.get(name)
        return Part({} if value is None else value, self._path)

    def parts(self, name: str) -> list[Part]:
        """A list of objects."""
        return [Part(value, self._path) for value in self._list(name)]

    def resources(self) -> list[Part]:
        """The objects of a list without pages. One that is empty may lack them, and is known by its links."""
        if not self.has("resources") and not self.has("links"):
            raise _wrong(self._path, "a list", "resources")
        return self.parts("resources")

    def has(self, name: str) -> bool:
        """Whether it is there and not null."""
        return self._value.get(name) is not None

    def is_no(self, name: str) -> bool:
        """Whether it is there, and false."""
        return self._value.get(name) is False

    def _list(self, name: str) -> list[Any]:
        value = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise _wrong(self._path, "a list", name)
        return value


def storable(text: str) -> str:
    """A text without what PostgreSQL or UTF-8 cannot hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _wrong(path: str, kind: str, name: str) -> NotUnderstood:
    return NotUnderstood(
        f"The answer to {path} does not hold {kind} where it should: {name}.",
        "Check the address. If it is right, what answers there may have a release that is not known here.",
    )
