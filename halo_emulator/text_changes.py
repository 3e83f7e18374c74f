"""What an instance may do to a text as it stores it, for the setting `stored_text`.

All of it is a test device of ours, no claim about Halo. Each function takes the name of the field (`summary`, `details`
or `note`) and its text.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from .text import as_html

TextChange = Callable[[str, str], str]
MOST_OF_A_SUMMARY = 255
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
_FIELDS = ("summary", "details", "note")


def as_stored(change: TextChange | None, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with their texts changed. The HTML of a changed text is made anew, so that the two agree."""
    if change is None:
        return fields
    kept = {name: change(name, fields[name]) for name in _FIELDS if name in fields}
    for name in [name for name in kept if kept[name] != fields[name] and f"{name}_html" in fields]:
        kept[f"{name}_html"] = as_html(kept[name])
    return fields | kept


def escaped(_field: str, text: str) -> str:
    """&, < and > come back as entities."""
    return html.escape(text, quote=False)


def cut_at_255(field: str, text: str) -> str:
    """A summary ends after 255 characters."""
    return text[:MOST_OF_A_SUMMARY] if field == "summary" else text


def question_marks(_field: str, text: str) -> str:
    """Each character beyond the basic multilingual plane, such as an emoji, becomes two question marks."""
    return _BEYOND_BMP.sub("??", text)


def joined_lines(_field: str, text: str) -> str:
    """Each line break becomes one space."""
    return _LINE_BREAK.sub(" ", text)


def nfc(_field: str, text: str) -> str:
    """A letter and its accents become one character."""
    return unicodedata.normalize("NFC", text)


def trimmed(_field: str, text: str) -> str:
    """White space at both ends is lost."""
    return text.strip()
