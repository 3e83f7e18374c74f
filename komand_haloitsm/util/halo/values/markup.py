"""Converts plain text to Halo's HTML and back. Pure."""

from __future__ import annotations

import html
import re
from typing import Any, Mapping


def to_html(text: str) -> str:
    """HTML that shows ``text`` letter for letter, line breaks included."""
    return html.escape(text.replace("\r\n", "\n").replace("\r", "\n"), quote=False).replace("\n", "<br>")


def one_line(text: str) -> str:
    """``text`` with each run of line breaks replaced by a space: a Halo summary has a single line."""
    return re.sub(r"\s*[\r\n\u2028\u2029]+\s*", " ", text).strip()


# These patterns search no further than the next bracket and never backtrack ("+" after a quantifier). A log full of "<"
# therefore takes no more time or memory than any other text.
_INSIDE = r"""(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>"""
_BREAK = re.compile(rf"<(?:br|p|div|li|tr|h[1-6]|pre|blockquote)\b{_INSIDE}", re.IGNORECASE)
_TAG = re.compile(rf"</?[a-z!]{_INSIDE}", re.IGNORECASE)


def to_text(markup: str) -> str:
    """The text of an HTML fragment, with a line break where a block or ``<br>`` begins."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", markup))).strip()


def text_of(fields: Mapping[str, Any], plain: str, markup: str) -> str:
    """The text of a Halo object, from its field ``plain`` or, as HTML, from its field ``markup``; "" without both."""
    if isinstance(fields.get(plain), str) and fields[plain]:
        return str(fields[plain])
    return to_text(fields[markup]) if isinstance(fields.get(markup), str) else ""
