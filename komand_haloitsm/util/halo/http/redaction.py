"""Removes secrets, and sent texts that Halo repeats, from what Halo says. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Iterable, Iterator, Mapping
from urllib.parse import quote_plus

_REMOVED = "[removed]"
# A message of Halo's that has this many characters in a row in common with a sent text repeats that text. Shorter sent
# texts are removed as a whole, but not below _SHORTEST_PRIVATE: so short a text may be a word of any message.
_ECHO = 16
_SHORTEST_PRIVATE = 8


def redact(text: str, secrets: Iterable[str], sent: Iterable[str]) -> str:
    """``text`` without any stretch that is also part of a text in ``secrets`` (8 characters) or ``sent`` (16)."""
    # Each secret as it is, and as it is encoded in a form.
    secret = [spelled for part in secrets if part for spelled in (part, quote_plus(part, errors="replace"))]
    private = [" ".join(part.split()) for part in sent]
    hidden = [False] * len(text)
    _hide(text, secret, _SHORTEST_PRIVATE, hidden)
    _hide(text, private, _ECHO, hidden)
    stretches = groupby(zip(text, hidden), key=lambda pair: pair[1])
    shown = "".join(_REMOVED if hide else "".join(char for char, _ in pairs) for hide, pairs in stretches)
    for part in secret + [part for part in private if len(part) >= _SHORTEST_PRIVATE]:
        shown = shown.replace(part, _REMOVED)
    return shown


def without_echo(heard: str, sent: Iterable[str]) -> str:
    """What Halo said itself: ``heard`` without those sent texts that it repeats as a whole."""
    for text in sent:
        whole = " ".join(text.split())
        heard = heard.replace(whole, " ") if len(whole) >= _ECHO else heard
    return heard


def _hide(text: str, parts: list[str], length: int, hidden: list[bool]) -> None:
    """Mark in ``hidden`` each stretch of ``text`` that has ``length`` characters and is also in one of ``parts``.

    A part may have ten megabytes, so not every stretch is searched for. ``text`` is divided into blocks of half the
    length, and every stretch holds a whole block. Only stretches around a block that is in the part are searched for.
    """
    half = length // 2
    for part in parts:
        for block in range(0, len(text), half):
            if text[block : block + half] not in part:
                continue
            for start in range(max(0, block - half), min(block, len(text) - length) + 1):
                if text[start : start + length] in part:
                    hidden[start : start + length] = [True] * length


def texts_of(body: Any) -> Iterator[str]:
    """All texts in a JSON-able value, at any depth."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from texts_of(value)
    elif isinstance(body, (list, tuple)):
        for value in body:
            yield from texts_of(value)
