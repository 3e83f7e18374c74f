"""Plain text to Halo's HTML and back, and what makes two texts the same. Pure."""

from __future__ import annotations

import html
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any, Mapping

_BLOCKS = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"})


def to_html(text: str) -> str:
    """HTML that shows ``text`` letter for letter, line breaks included."""
    return html.escape(text.replace("\r\n", "\n").replace("\r", "\n"), quote=False).replace("\n", "<br>")


def one_line(text: str) -> str:
    """``text`` with each run of line breaks as one space: a Halo summary has a single line."""
    return re.sub(r"\s*[\r\n\u2028\u2029]+\s*", " ", text).strip()


class _TextOnly(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def to_text(markup: str) -> str:
    """The text of an HTML fragment, a line break where a block or ``<br>`` begins."""
    reader = _TextOnly()
    try:
        reader.feed(markup)
        reader.close()
    except AssertionError:
        # Older versions of Python do not know every marked section ("<![x").
        return html.unescape(re.sub(r"<[^>]*>", " ", markup)).strip()
    return "".join(reader.parts).strip()


def text_of(fields: Mapping[str, Any], plain: str, markup: str) -> str:
    """The text of a Halo object that has it plain in one field and as HTML in another; "" when it has neither."""
    if isinstance(fields.get(plain), str) and fields[plain]:
        return str(fields[plain])
    return to_text(fields[markup]) if isinstance(fields.get(markup), str) else ""


def essence(text: str) -> str:
    """What is left of a text when markup, white space, control characters and case are taken away.

    Halo may clean HTML, change line ends or trim on storing (how far is not known), so this, not the text itself, tells
    whether a stored text is the one that was sent.
    """
    plain = unicodedata.normalize("NFKC", to_text(text) if "<" in text or "&" in text else text)
    return "".join(char for char in plain if char.isprintable() and not char.isspace()).casefold()
