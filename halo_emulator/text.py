"""Plain text and HTML into each other, as Halo keeps both for details and notes (official and seen live)."""

import html
import re

_BREAK = re.compile(r"<\s*br\s*/?\s*>|</\s*(?:p|div|li|tr)\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def as_html(plain: str) -> str:
    """Escaped, line breaks kept, in one paragraph."""
    escaped = html.escape(plain, quote=False).replace("\r\n", "\n").replace("\n", "<br>")
    return f"<p>{escaped}</p>"


def as_text(markup: str) -> str:
    """Tags stripped, breaks and paragraph ends as line breaks."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", markup))).strip("\n")
