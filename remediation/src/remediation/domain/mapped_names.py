"""The names of HaloITSM's that a connection and its projects use, and which of them it does not have any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The kinds, as people call one of each.
KINDS = {
    "status": "status",
    "tickettype": "ticket type",
    "priority": "priority",
    "agent": "agent",
    "team": "team",
    "field": "custom field",
}

Rows = Iterable[tuple[int, str]]
"""Numbers and names of one kind, as HaloITSM has them."""
Used = Mapping[tuple[str, str], Sequence[str]]
"""By kind and name: in words, by what it is used."""


@dataclass(frozen=True)
class Vanished:
    """A name that is used and that HaloITSM does not have, or has more than once. ``now``: how it is named now, ""
    where that is not known."""

    kind: str
    name: str
    used_by: tuple[str, ...]
    count: int = 0
    now: str = ""

    @property
    def text(self) -> str:
        """In words, with what to do."""
        what, used = KINDS[self.kind], f"Used by {', '.join(self.used_by)}."
        if self.count:
            return f"HaloITSM has {self.count} of the kind {what} named {self.name!r}. {used} Rename one."
        now = f", but one that is named {self.now!r} now" if self.now else ""
        return f"HaloITSM has no {what} named {self.name!r}{now}. {used} What needs it waits until another is chosen."


def used_names(
    connection: Mapping[str, Any],
    projects: Mapping[str, Mapping[str, Any]],
    investigations: Mapping[str, Mapping[str, Any]],
) -> dict[tuple[str, str], list[str]]:
    """The names that are used, out of the settings of a connection, of its projects and of what investigations stand
    for (``investigation_settings`` as a table): these two by their names."""
    found: dict[tuple[str, str], list[str]] = {}

    def use(kind: str, name: Any, by: str) -> None:
        if name and by not in found.setdefault((kind, str(name)), []):
            found[kind, str(name)].append(by)

    for ours, theirs in (connection.get("statuses") or {}).items():
        use("status", theirs, f"the status {ours}")
    for theirs, ours in (connection.get("reads") or {}).items():
        use("status", theirs, f"the status {ours}")
    use("tickettype", connection.get("ticket_type"), "new tickets")
    use("tickettype", connection.get("parent_type"), "projects' own tickets")
    use("agent", connection.get("closing_agent"), "the closing of tickets")
    for project, settings in projects.items():
        for kind, name in _of_project(settings):
            use(kind, name, f"the project {project!r}")
    for source, settings in investigations.items():
        for kind, name in _of_investigations(settings):
            use(kind, name, f"the investigations of {source!r}")
    return found


def _of_project(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The kinds and names that the settings of a project use."""
    for name in (settings.get("priorities") or {}).values():
        yield "priority", name
    for kind in ("agent", "team"):
        for name in (settings.get(f"default_{kind}"), *(rule.get(kind) for rule in settings.get("rules") or ())):
            yield kind, name
    for name in (*(settings.get("fields") or {}), *(settings.get("parent_fields") or {})):
        yield "field", name


def _of_investigations(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The kinds and names that the settings of investigations use."""
    for name in (*(settings.get("states") or {}).values(), *(settings.get("reads") or {})):
        yield "status", name
    for name in (settings.get("priorities") or {}).values():
        yield "priority", name
    yield "team", settings.get("team", "")


def numbers_of(used: Used, there: Mapping[str, Rows]) -> dict[str, dict[str, int]]:
    """The number of each used name that HaloITSM has, by kind: by these a renamed one is known again."""
    found: dict[str, dict[str, int]] = {}
    for kind, name in used:
        numbers = _numbers(name, there.get(kind, ()))
        if numbers:
            found.setdefault(kind, {})[name] = min(numbers)
    return found


def vanished(used: Used, there: Mapping[str, Rows], before: Mapping[str, Mapping[str, int]]) -> list[Vanished]:
    """The used names that HaloITSM does not have. ``before`` is what ``numbers_of`` gave when it had them.

    A kind that is not in ``there`` could not be read, and nothing is said of it, nor of a custom field's number.
    """
    found = []
    for (kind, name), by in used.items():
        if kind not in there or (kind == "field" and name.strip().isdecimal()):
            # The form of a ticket type need not tell the numbers of its fields.
            continue
        numbers = _numbers(name, there[kind])
        if not numbers:
            number = before.get(kind, {}).get(name)
            now = next((called for one, called in there[kind] if one == number), "")
            found.append(Vanished(kind, name, tuple(by), now=now))
        elif len(numbers) > 1 and kind != "status":
            # Of two statuses of one name the older counts.
            found.append(Vanished(kind, name, tuple(by), len(numbers)))
    return found


def _numbers(name: str, rows: Rows) -> set[int]:
    wanted = name.strip().casefold()
    return {number for number, called in rows if called.casefold() == wanted}
