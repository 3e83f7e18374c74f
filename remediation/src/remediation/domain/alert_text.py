"""A message with alerts as mail, ticket and JSON. Pure; what scanners say is only text in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from .alerting import NAMES, Kind

# So many alerts stand in one message. The others are counted.
MOST = 50
LONGEST_LINE = 300


@dataclass(frozen=True)
class Line:
    """One alert. ``path`` is that of its page here, "" where it has none. ``level`` is empty, or says that it is told
    as well to somebody else after a time."""

    kind: str
    key: str
    title: str
    detail: str = ""
    severity: str = ""
    path: str = ""
    level: str = ""


@dataclass(frozen=True)
class Message:
    """``lines`` are at most MOST of ``count``. ``link`` is the address of the pages, "" where nobody has set it."""

    rule: str
    lines: tuple[Line, ...]
    count: int
    link: str = ""

    @classmethod
    def of(cls, rule: str, lines: Sequence[Line], link: str) -> Message:
        """The first of them, and how many there are."""
        return cls(rule, tuple(lines[:MOST]), len(lines), link)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Message:
        """Out of a JSON table."""
        lines = tuple(Line(**line) for line in table["lines"])
        return cls(table["rule"], lines, table["count"], table["link"])

    def to_table(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @property
    def subject(self) -> str:
        """One line: what it is, or how many there are."""
        first = self.lines[0]
        said = f"{NAMES[Kind(first.kind)]}: {first.title}" if self.count == 1 else f"{self.count} alerts"
        return cut(f"{self.rule}: {said}", 200)

    @property
    def more(self) -> str:
        """What is not in it, "" where all is."""
        left = self.count - len(self.lines)
        return f"... and {left:,} more." if left > 0 else ""

    def text(self) -> str:
        """As plain text."""
        parts = []
        for kind in Kind:
            own = [line for line in self.lines if line.kind == kind.value]
            if own:
                parts.append("\n".join([f"{NAMES[kind]}:", *(f"- {self._told(line)}" for line in own)]))
        return "\n\n".join([*parts, *filter(None, [self.more]), self._end()]) + "\n"

    def html(self) -> str:
        """As HTML, with everything that is not ours escaped."""
        parts = []
        for kind in Kind:
            own = [line for line in self.lines if line.kind == kind.value]
            if own:
                rows = "".join(f"<li>{self._linked(line)}</li>" for line in own)
                parts.append(f"<h2>{escape(NAMES[kind])}</h2><ul>{rows}</ul>")
        more = f"<p>{escape(self.more)}</p>" if self.more else ""
        body = "".join(parts)
        return f"<!DOCTYPE html><html><body>{body}{more}<p>{escape(self._end())}</p></body></html>\n"

    def payload(self, identity: str) -> dict[str, Any]:
        """As a webhook gets it. ``id`` is the same for the same message, however often it comes."""
        alerts = [
            {**asdict(line), "kind_name": NAMES[Kind(line.kind)], "link": self._address(line)} for line in self.lines
        ]
        return {"id": identity, "rule": self.rule, "count": self.count, "subject": self.subject, "alerts": alerts}

    def _told(self, line: Line) -> str:
        facts = [line.severity, line.detail, line.level]
        words = cut(": ".join(filter(None, [line.title, ", ".join(filter(None, facts))])), LONGEST_LINE)
        address = self._address(line)
        return f"{words}\n  {address}" if address else words

    def _linked(self, line: Line) -> str:
        title, address = escape(cut(line.title, LONGEST_LINE)), self._address(line)
        linked = f'<a href="{escape(address)}">{title}</a>' if address else title
        facts = ", ".join(filter(None, [line.severity, line.detail, line.level]))
        return linked + (f": {escape(cut(facts, LONGEST_LINE))}" if facts else "")

    def _address(self, line: Line) -> str:
        return f"{self.link}{line.path}" if self.link and line.path else ""

    def _end(self) -> str:
        where = f" {self.link}/alerts/" if self.link else ""
        return f"Sent by the rule {cut(self.rule, 100)} of the remediation service.{where}"


def cut(text: str, length: int) -> str:
    """A text in one line, without what cannot be shown, of at most so many characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= length else line[: length - 3].rstrip() + "..."
