"""Which known machine a name may mean that no scan has: only what is nearly the same, and only where it is one machine.
Pure.

An offer for a person, and never a rule. Numbers tell machines apart, so web02 is not near to web01: a digit that is
another, missing or too many makes another name. Two digits that are exchanged are taken for a slip.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

# Shorter ones are near to too many.
SHORTEST = 5
# Words of a text that are looked at.
MOST = 200
DOMAIN = "it differs only in its domain"
WRITTEN = "it differs only in hyphens, low lines or zeros in front"
TYPO = "one letter differs"
SWAPPED = "two characters are exchanged"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9_])?")
# What has the form of a name and is none: a version, a number of a vulnerability or of an update.
_OTHER = re.compile(r"v?\d[\d.]*|(?:cve|cwe|ghsa|kb|rhsa|ms\d\d|www)(?:[-.\d].*)?")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# A letter for a digit that looks like it, and the other way round.
_ALIKE = {"o": "0", "0": "o", "l": "1", "1": "l", "i": "1"}


@dataclass(frozen=True)
class Near:
    """``word`` is what somebody wrote, ``name`` what a known device is called, ``why`` how they differ."""

    word: str
    name: str
    device: int
    why: str


class KnownNames:
    """The names of known devices, in small letters, each with the number of its device."""

    def __init__(self, names: Iterable[tuple[str, int]]) -> None:
        self._names: dict[str, set[int]] = defaultdict(set)
        self._shorts: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._written: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for name, device in names:
            self._names[name].add(device)
            if not _is_address(name):
                short = name.partition(".")[0]
                self._shorts[short].add((name, device))
                self._written[_squeezed(short)].add((name, device))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def near(self, words: Iterable[str]) -> list[Near]:
        """An offer for each of the words that is like a name, that no device has and that is near to those of one
        device. In the order of the words, MOST of them at most."""
        wanted = [word for word in sorted(set(words)) if word not in self._names and is_like_a_name(word)]
        return [one for word in wanted[:MOST] if (one := self._nearest(word))]

    def _nearest(self, word: str) -> Near | None:
        short = word.partition(".")[0]
        if self._shorts.get(short):
            return _only(word, self._shorts[short], DOMAIN)
        if len(short) < SHORTEST:
            return None
        if written := self._written.get(_squeezed(short)):
            return _only(word, written, WRITTEN)
        found: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for other, why in _slips(short):
            if other != short and len(other) >= SHORTEST:
                found[why] |= self._shorts.get(other, set())
        every = set().union(*found.values()) if found else set()
        why = SWAPPED if found.get(SWAPPED) else TYPO
        return _only(word, every, why)


def is_like_a_name(word: str) -> bool:
    """Whether a word in small letters has the form of a host's name, with what sets those apart from other words: a
    digit, a hyphen, a low line or a domain."""
    if not _NAME.fullmatch(word) or _OTHER.fullmatch(word) or _is_address(word):
        return False
    return bool(re.search(r"[a-z]", word) and re.search(r"[0-9._-]", word))


def _only(word: str, found: set[tuple[str, int]], why: str) -> Near | None:
    if len({device for _, device in found}) != 1:
        return None
    name, device = min(found)
    return Near(word, name, device, why)


def _squeezed(short: str) -> str:
    """Without what people write in one place and leave out in another: but not what keeps two numbers apart."""
    text = re.sub(r"(?<!\d)-|-(?!\d)", "", short.replace("_", "-"))
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def _slips(short: str) -> Iterator[tuple[str, str]]:
    """What is one slip away, with its kind."""
    for place, is_one in enumerate(short):
        before, after = short[:place], short[place + 1 :]
        if after and after[0] != is_one:
            yield before + after[0] + is_one + after[1:], SWAPPED
        if not is_one.isdigit():
            yield before + after, TYPO
            yield from ((before + other + after, TYPO) for other in _LETTERS)
        if is_one in _ALIKE:
            yield before + _ALIKE[is_one] + after, TYPO
    for place in range(len(short) + 1):
        yield from ((short[:place] + other + short[place:], TYPO) for other in _LETTERS)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
