"""Whether a text in Halo may be one that was sent, after all that is done to texts on the way. Pure.

Halo, a rule of the instance or its database may put words before or after a text, cut a summary at 255 characters,
escape ``&`` and ``<``, join lines, trim, change how Unicode is composed, and turn what is beyond 16 bits into question
marks. So only words of letters and digits are compared, and a text that holds those that were sent, in their order and
without others between them, counts as it.
"""

from __future__ import annotations

import html
import re
import unicodedata

from .markup import to_text

# Halo cuts a summary at 255 characters (seen live). A stored text that is shorter than this was not cut.
_SHORTEST_CUT = 200


def may_be_stored_as(sent: str, stored: str) -> bool:
    """Whether ``stored`` may be what became of ``sent``."""
    words, others = _words(sent), _words(stored)
    if not words:
        # Nothing but signs was sent, and nobody can foretell what is left of them.
        return bool(stored.strip()) or not sent.strip()
    letters, other = "".join(words), "".join(others)
    if letters == other:
        return True
    if len(stored.strip()) >= _SHORTEST_CUT and other and letters.startswith(other):
        return True
    return f" {' '.join(words)} " in f" {' '.join(others)} "


def _words(text: str) -> list[str]:
    """The words of a text, without markup, signs and case."""
    plain = html.unescape(html.unescape(text))
    if "<" in plain:
        # A text that was sent may have a "<" of its own. It is taken for markup in both texts alike.
        plain = to_text(plain)
    basic = "".join(char if char <= "\uffff" else " " for char in plain)
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", basic).casefold())
