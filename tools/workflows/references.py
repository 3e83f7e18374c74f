"""What texts of a workflow refer to, ``{{[step].[field]}}``, and of which type that is by the step's schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_TAG = re.compile(r"\{\{(.*?)\}\}")
_PART = re.compile(r"\[([^\]]*)\]|([^.\[\]\s]+)")


@dataclass(frozen=True)
class Reference:
    """``step`` is a step's id, ``$workflow`` or ``$job``; ``path`` leads from it to what is meant."""

    step: str
    path: tuple[str, ...]
    tag: str

    @property
    def dotted(self) -> str:
        """The same as conditions write it."""
        return ".".join((self.step, *self.path))

    @classmethod
    def from_dotted(cls, name: str) -> Reference:
        """From the name of a variable in a condition. A name of a parameter may hold dots."""
        step, _, rest = name.partition(".")
        return cls(step, (rest,) if step == "$workflow" else tuple(rest.split(".")), name)


def _read(inside: str, tag: str) -> Reference:
    parts = [bracketed or plain for bracketed, plain in _PART.findall(inside)]
    return Reference(parts[0], tuple(parts[1:]), tag)


def whole_reference(text: str) -> Reference | None:
    """The reference that a text consists of, None for any other text."""
    match = re.fullmatch(r"\{\{([^{}#/]+)\}\}", text)
    return _read(match[1], text) if match else None


def references_in(text: str) -> Iterator[Reference]:
    """All references of a text. What a tag inside of ``{{#each}}`` takes from the item is referred to in the list."""
    lists: list[Reference] = []
    for match in _TAG.finditer(text):
        inside, tag = match[1].strip(), match[0]
        if inside.startswith(("#each ", "#if ")):
            reference = _read(inside.partition(" ")[2], tag)
            yield reference
            if inside.startswith("#each"):
                lists.append(reference)
        elif inside == "/each":
            lists.pop()
        elif inside.startswith(("[", "$")):
            yield _read(inside, tag)
        elif inside not in ("else", "/if", "this"):
            over = lists[-1] if lists else Reference("", (), tag)
            yield Reference(over.step, (*over.path, "0", inside), tag)


def type_at(schema: Mapping[str, Any] | None, path: tuple[str, ...]) -> Json | None:
    """The part of a JSON schema that a path leads to; numbers are places in a list. None where it leads nowhere.

    An object without properties may hold anything, and nothing is known of it: {}.
    """
    here: Json = dict(schema or {})
    definitions = here.get("definitions", {})
    for name in path:
        if not here:
            return {}
        if type_of(here) == "array" and name.isdigit():
            here = here.get("items", {})
        elif name in here.get("properties", {}):
            here = here["properties"][name]
        elif here.get("type") == "object" and "properties" not in here:
            return {}
        else:
            return None
        here = _followed(here, definitions)
    return {**here, "definitions": definitions} if definitions else here


def _followed(schema: Json, definitions: Mapping[str, Json]) -> Json:
    reference = schema.get("$ref")
    return dict(definitions[str(reference).rpartition("/")[2]]) if reference else dict(schema)


def type_of(schema: Mapping[str, Any] | None) -> str:
    """The name of a schema's type, "" where it is not known."""
    found = (schema or {}).get("type", "")
    return found if isinstance(found, str) else ""
