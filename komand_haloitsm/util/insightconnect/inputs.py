"""Reads the inputs of a step or a connection. Pure.

InsightConnect sets optional inputs that were left empty to ``None``, ``""`` or ``0``. All three count as not given.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any, Mapping

from ..halo.errors import invalid_input
from ..halo.tickets.attachment import File
from ..halo.values.dates import parse_date
from ..halo.values.ids import LARGEST_ID, whole_number
from .errors import HaloITSMError

Inputs = Mapping[str, Any]


def given_id(params: Inputs, name: str) -> int | None:
    """A positive integer, or None when not given. Raises HaloITSMError for anything else."""
    value = params.get(name)
    if value is None or value == "" or (value == 0 and not isinstance(value, bool)):
        return None
    number = whole_number(value)
    if number is None or not 1 <= number <= LARGEST_ID:
        raise _refused(name, "must be a positive whole number")
    return number


def required_id(params: Inputs, name: str) -> int:
    """A positive integer. Raises HaloITSMError when it is missing, 0 or no positive whole number."""
    number = given_id(params, name)
    if number is None:
        raise _refused(name, "is required and must be a positive whole number")
    return number


def given_ids(params: Inputs, *names: str) -> dict[str, int]:
    """The named ids, without those that are not given."""
    found = ((name, given_id(params, name)) for name in names)
    return {name: number for name, number in found if number is not None}


def given_text(params: Inputs, name: str) -> str | None:
    """The text as it was typed, or None when it is missing or empty. Raises HaloITSMError when it is not text."""
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _refused(name, "must be text")
    return value


def required_text(params: Inputs, name: str) -> str:
    """The text as it was typed. Raises HaloITSMError when it is missing or only white space."""
    value = given_text(params, name)
    if value is None or not value.strip():
        raise _refused(name, "is required and must not be empty")
    return value


def given_line(params: Inputs, name: str) -> str | None:
    """The text as it was typed, or None when not given. Raises HaloITSMError when it is only white space."""
    value = given_text(params, name)
    if value is not None and not value.strip():
        raise _refused(name, "must not be blank")
    return value


def given_flag(params: Inputs, name: str, default: bool) -> bool:
    """A boolean, ``default`` when not given. Raises HaloITSMError when it is anything else."""
    value = params.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, bool):
        raise _refused(name, "must be true or false")
    return value


def given_number(params: Inputs, name: str, *, default: int, lowest: int, highest: int) -> int:
    """A whole number within bounds, ``default`` when not given or 0. Raises HaloITSMError when out of bounds."""
    value = params.get(name)
    if value is None or value == "" or (value == 0 and not isinstance(value, bool)):
        return default
    number = whole_number(value)
    if number is None or not lowest <= number <= highest:
        raise _refused(name, f"must be a whole number from {lowest} to {highest}")
    return number


def given_objects(params: Inputs, name: str, *, named: bool = True) -> list[dict[str, Any]] | None:
    """Objects as given, None when there are none. Raises HaloITSMError when an element is not an object.

    ``named`` are custom fields. Each has a ``name`` or an ``id``, else Halo could not tell which field it is.
    """
    value = params.get(name)
    if value is None or value == "" or value == []:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, dict) for item in value):
        raise _refused(name, "must be an array of objects")
    if named and not all(item.get("name") or item.get("id") for item in value):
        raise _refused(name, 'needs a "name" or an "id" in each object')
    return [dict(item) for item in value]


def given_object(params: Inputs, name: str) -> dict[str, Any]:
    """An object as given, empty when there is none. Raises HaloITSMError for anything else."""
    value = params.get(name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise _refused(name, "must be an object")
    return dict(value)


def given_files(params: Inputs, name: str) -> list[File]:
    """The files of InsightConnect's type ``file``: objects with a ``filename`` and a ``content`` in base64.

    Raises HaloITSMError for what is no such object. An object with neither, which the runtime puts in places where
    nothing was given, counts as not given.
    """
    files = []
    for place, item in enumerate(given_objects(params, name, named=False) or (), start=1):
        if not any(item.get(key) for key in ("filename", "content")):
            continue
        filename, content = item.get("filename"), item.get("content")
        if not isinstance(filename, str) or not filename.strip():
            raise _refused(name, f"needs a filename in file {place}")
        try:
            files.append(
                File.named(filename.strip(), base64.b64decode("".join(str(content or "").split()), validate=True))
            )
        except (binascii.Error, ValueError):
            raise _refused(name, f"needs a content in base64 in file {place}") from None
    return files


def given_date(params: Inputs, name: str) -> datetime | None:
    """An aware UTC datetime from ISO 8601, or None when not given. Raises HaloITSMError for anything that is no date.

    In places the runtime sets a date that was left empty to ``0001-01-01T00:00:00Z``. That counts as not given.
    """
    text = given_text(params, name)
    if text is None or text.startswith("0001-01-01"):
        return None
    moment = parse_date(text)
    if moment is None:
        raise _refused(name, "must be a date in ISO 8601, for example 2026-01-31T08:00:00Z")
    return moment


def secret_text(value: Any) -> str:
    """The secret from a plain string, or from ``{"secretKey": "..."}``, the form of InsightConnect's credentials."""
    if isinstance(value, Mapping):
        value = value.get("secretKey")
    return value.strip() if isinstance(value, str) else ""


def _refused(name: str, what: str) -> HaloITSMError:
    return HaloITSMError(invalid_input(name, what))
