"""An advisory of Cisco's as openVuln tells it.

The names are official. Two things are not of one form: the documentation has lists of CVEs where the vendor's API
description has texts, and a score is a number or a text (both seen). "NA" stands for nothing (seen).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from ...sources.errors import NotUnderstood
from ..facts import CVE

# As Cisco has named them since 2012: cisco-sa-20160217-asa, cisco-sa-iosxe-webui-privesc-j22SaA4z. One that begins
# otherwise is passed over.
ID = re.compile(r"[Cc]isco-[A-Za-z]{1,10}-[A-Za-z0-9_-]{1,100}")
# So much of a text is kept.
_LONGEST = 500
_MOST = 500
_OTHER = "Nothing was changed. Check the address in REMEDIATION_CISCO_URL."


@dataclass(frozen=True)
class Advisory:
    """``sir`` is Cisco's word for how bad it is, "" where it tells none; ``cvss`` 0 to 10. ``fixed``: the first
    releases that have it no more, told only where a release was asked for. ``products``: their names, as Cisco writes
    them."""

    advisory: str
    title: str
    cves: tuple[str, ...]
    sir: str
    cvss: float | None
    published: datetime | None
    updated: datetime | None
    url: str
    fixed: tuple[str, ...] = ()
    products: tuple[str, ...] = ()


def advisories_in(answer: dict[str, Any]) -> list[Advisory]:
    """All of an answer, each once. Raises NotUnderstood where it is no list of them and no single one."""
    listed = answer.get("advisories", [answer] if "advisoryId" in answer else None)
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise NotUnderstood("Cisco's answer lists no advisories.", _OTHER)
    found = {one.advisory: one for one in map(_advisory, listed)}
    return list(found.values())


def _advisory(told: dict[str, Any]) -> Advisory:
    number = _text(told.get("advisoryId"))
    if not ID.fullmatch(number):
        raise NotUnderstood("An advisory in Cisco's answer has no identifier.", _OTHER)
    cves = (text.upper() for text in _texts(told.get("cves")))
    return Advisory(
        number,
        _text(told.get("advisoryTitle")) or number,
        tuple(dict.fromkeys(cve for cve in cves if re.fullmatch(CVE, cve))),
        _text(told.get("sir")),
        _score(told.get("cvssBaseScore")),
        _time(told.get("firstPublished")),
        _time(told.get("lastUpdated")),
        _address(told.get("publicationUrl")),
        tuple(_texts(told.get("firstFixed"))),
        tuple(_texts(told.get("productNames"), ",")),
    )


def _text(value: Any) -> str:
    """A text without what no page and no database takes, "" for NA and for what is no text."""
    text = "".join(one for one in value if one.isprintable()).strip() if isinstance(value, str) else ""
    return "" if text.upper() == "NA" else text[:_LONGEST]


def _texts(value: Any, between: str = ", ") -> list[str]:
    """A list of texts, or a bare one with commas or blanks between."""
    parts: Iterable[Any] = (
        re.split(rf"[{between}]+", value[: _LONGEST * 10])
        if isinstance(value, str)
        else value if isinstance(value, list) else []
    )
    return list(dict.fromkeys(filter(None, map(_text, parts))))[:_MOST]


def _score(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if math.isfinite(score) and 0 <= score <= 10 else None


def _time(value: Any) -> datetime | None:
    """In UTC, which Cisco says all its dates are (official)."""
    try:
        told = datetime.fromisoformat(_text(value))
        return told.replace(tzinfo=timezone.utc) if told.tzinfo is None else told.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _address(value: Any) -> str:
    """A link that a page may show, "" for any other."""
    text = _text(value)
    try:
        return text if urlsplit(text).scheme == "https" and urlsplit(text).hostname else ""
    except ValueError:
        return ""
