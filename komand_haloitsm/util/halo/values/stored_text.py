"""Whether a text in Halo may be one that was sent, after what is done to texts on the way. Pure.

Halo may cut a summary at 255 characters, escape ``&`` and ``<``, join lines, trim, change how Unicode is composed, and
turn what is beyond 16 bits into question marks. A rule of the instance may put words before a summary, and after any
text. Everything else is another text: a sign, a letter's case and a word in between count.
"""

from __future__ import annotations

import html
import re
import unicodedata

from .markup import to_text

# Halo cuts a summary at 255 characters (seen live). A stored text that is shorter than this was not cut.
_SHORTEST_CUT = 200


def may_be_stored_as(sent: str, stored: str, *, prefixed: bool = False) -> bool:
    """Whether ``stored`` may be what became of ``sent``. ``prefixed``: a rule may have put words before it."""
    text, other = _plain(sent), _plain(stored)
    joined, others = text.replace(" ", ""), other.replace(" ", "")
    if joined == others:
        return True
    if not joined or not others:
        return False
    if len(stored.strip()) >= _SHORTEST_CUT and joined.startswith(others):
        return True
    return other.startswith(f"{text} ") or (prefixed and other.endswith(f" {text}"))


def _plain(text: str) -> str:
    """A text without markup and without what a data base may have lost, with one space for each white space."""
    plain = html.unescape(html.unescape(text))
    if "<" in plain:
        # A text that was sent may have a "<" of its own. It is taken for markup in both texts alike.
        plain = to_text(plain)
    basic = "".join(char if char <= "\uffff" else " " for char in plain)
    return " ".join(re.sub(r"\?+", " ", unicodedata.normalize("NFKC", basic)).split())
