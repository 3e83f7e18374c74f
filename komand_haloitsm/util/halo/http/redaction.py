"""Takes out of what Halo says what nobody may read: secrets, and texts that were sent and that it repeats. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Iterable, Iterator, Mapping
from urllib.parse import quote_plus

_REMOVED = "[removed]"
# A stretch this long that Halo repeats from what was sent is no coincidence. Shorter texts are removed as a whole, but
# not those that are so short that they are words of any message.
_ECHO = 16
_SHORTEST_PRIVATE = 8


def redact(text: str, secrets: Iterable[str], sent: Iterable[str]) -> str:
    """``text`` without any stretch that also stands in one of the ``secrets`` (8 characters) or ``sent`` texts (16)."""
    # As it is, and as a form spells it.
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
    """What Halo said of its own, without the texts that were sent and that it repeats as a whole."""
    for text in sent:
        whole = " ".join(text.split())
        heard = heard.replace(whole, " ") if len(whole) >= _ECHO else heard
    return heard


def _hide(text: str, parts: list[str], length: int, hidden: list[bool]) -> None:
    """Mark in ``hidden`` each stretch of ``text`` with ``length`` characters that also stands in a part.

    Every such stretch holds a whole block of half its length. So the blocks are looked up first, and stretches only
    around those that were found: a part may have ten megabytes.
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
