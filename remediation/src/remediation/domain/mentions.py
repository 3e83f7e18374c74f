"""What in a text may be the name or the address of a machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Letters, digits and what names and addresses have within them; so a word ends before a slash, an @ or a quote.
_WORD = re.compile(r"\w(?:[\w.:-]*\w)?")
_PORT = re.compile(r"([^:]+):\d{1,5}")
# No host name is longer, and no ticket that people have written has more words.
LONGEST, MOST = 253, 20_000


def words_in(texts: Iterable[str]) -> frozenset[str]:
    """The whole words of texts in small letters, at most MOST: ``web01`` is none of those of "web01-old". A port after
    a colon is left out."""
    found: set[str] = set()
    for text in texts:
        for match in _WORD.finditer(text):
            word = match[0].lower()
            if len(word) <= LONGEST:
                port = _PORT.fullmatch(word)
                found.add(port[1] if port else word)
            if len(found) >= MOST:
                return frozenset(found)
    return frozenset(found)
