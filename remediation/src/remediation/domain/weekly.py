"""The weekly report: what came, what went, what is late and who owns it, as plain data and as a mail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from .week import Week

NOBODY = "nobody"


@dataclass(frozen=True)
class SourceLine:
    """Of a source: what was ``open`` of it at the end of the week and ``before`` it, by findings; None where nothing
    was ever counted by then. ``is_read``: whether it says anything of a day of the week."""

    number: int
    name: str
    came: int
    went: int
    before: int | None
    open: int | None
    is_read: bool


@dataclass(frozen=True)
class Line:
    """Of a severity or of an owner: findings that came up or came back, and that were settled."""

    name: str
    came: int
    went: int


@dataclass(frozen=True)
class LateTicket:
    """A ticket that was due by the end of the week and is not settled now. ``owner``: whom it is assigned to in Halo,
    else the owner of its project, else ``nobody``."""

    number: int
    halo_id: int
    title: str
    due: date
    owner: str
    project: str


@dataclass(frozen=True)
class Weekly:
    """``late`` are the first of ``late_count``; ``late_owners``: owners and how many late tickets each has."""

    week: Week
    sources: tuple[SourceLine, ...]
    severities: tuple[Line, ...]
    owners: tuple[Line, ...]
    late: tuple[LateTicket, ...]
    late_count: int
    late_owners: tuple[tuple[str, int], ...]

    @property
    def came(self) -> int:
        """Of all sources."""
        return sum(line.came for line in self.sources)

    @property
    def went(self) -> int:
        """Of all sources."""
        return sum(line.went for line in self.sources)

    @property
    def open(self) -> int:
        """Of all sources, at the end of the week."""
        return sum(line.open or 0 for line in self.sources)

    @property
    def not_read(self) -> list[str]:
        """The names of the sources that say nothing of the week."""
        return [line.name for line in self.sources if not line.is_read]


SOURCES = ("Source", "Came", "Went", "Open before", "Open at its end")
OWNERS = ("Owner", "Came", "Went")
SEVERITIES = ("Severity", "Came", "Went")
LATE = ("Ticket", "Due", "Owner", "Project", "Title")
# So many late tickets stand in a mail.
MOST_IN_MAIL = 50


def subject(made: Weekly) -> str:
    """Of the mail. It holds numbers only: subjects are shown on locked screens."""
    return f"Weekly report, {made.week}: {made.came} came, {made.went} went, {made.late_count} late"


def not_read(made: Weekly) -> str:
    """That sources say nothing of the week, "" where each does."""
    if not made.not_read:
        return ""
    return f"Not read in this week, so nothing of it is in these numbers: {', '.join(made.not_read)}."


def text(made: Weekly, address: str) -> str:
    """The mail as plain text. ``address`` is that of the page, "" where nobody knows it."""
    parts = [f"Weekly report, {made.week} (UTC)", summary(made), not_read(made)]
    for title, head, rows in _tables(made):
        parts += [title.upper(), "\n".join("  ".join(map(_one_line, row)) for row in [head, *rows])]
    parts += [_more(made), f"The page: {address}" if address else ""]
    return "\n\n".join(filter(None, parts)) + "\n"


def html(made: Weekly, address: str) -> str:
    """The same as HTML, with every text escaped and nothing to load."""
    parts = [f"<h1>Weekly report, {escape(str(made.week))} (UTC)</h1>"]
    parts += [f"<p>{escape(words)}</p>" for words in (summary(made), not_read(made)) if words]
    for title, head, rows in _tables(made):
        heads = "".join(f'<th align="left">{escape(cell)}</th>' for cell in head)
        lines = "".join(f"<tr>{''.join(f'<td>{escape(_one_line(cell))}</td>' for cell in row)}</tr>" for row in rows)
        parts.append(f"<h2>{escape(title)}</h2><table cellpadding=4><tr>{heads}</tr>{lines}</table>")
    parts += [f"<p>{escape(_more(made))}</p>"] if _more(made) else []
    parts += [f'<p><a href="{escape(address)}">The page</a></p>'] if address else []
    return f"<!doctype html><html lang=en><body>{''.join(parts)}</body></html>\n"


def summary(made: Weekly) -> str:
    """In one line."""
    return (
        f"{made.came} findings came up or came back, {made.went} were settled. {made.open} were open at its end. "
        f"{made.late_count} tickets that were due by then are not settled."
    )


def cells(number: int | None) -> str:
    """A number, or that there is none."""
    return "-" if number is None else str(number)


def _tables(made: Weekly) -> Iterable[tuple[str, Sequence[str], list[Sequence[str]]]]:
    of_sources = [
        (one.name, cells(one.came), cells(one.went), cells(one.before), cells(one.open)) for one in made.sources
    ]
    late = [
        (str(one.halo_id), one.due.isoformat(), one.owner, one.project, one.title) for one in made.late[:MOST_IN_MAIL]
    ]
    tables = (
        ("By source", SOURCES, of_sources),
        ("By severity", SEVERITIES, [(one.name, str(one.came), str(one.went)) for one in made.severities]),
        ("By owner", OWNERS, [(one.name, str(one.came), str(one.went)) for one in made.owners]),
        ("Late tickets by owner", ("Owner", "Late"), [(name, str(count)) for name, count in made.late_owners]),
        ("Late tickets", LATE, late),
    )
    return [(title, head, list(rows)) for title, head, rows in tables if rows]


def _more(made: Weekly) -> str:
    more = made.late_count - min(len(made.late), MOST_IN_MAIL)
    return f"... and {more} more late tickets." if more > 0 else ""


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
