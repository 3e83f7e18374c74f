"""The vulnerability exceptions of an InsightVM console, by its API v3.

Paths, bodies and words are official, unless said otherwise. An exception hides a finding once somebody has approved it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from ..domain.exceptions import Listed
from .answer_part import Part
from .console_http import MEANINGS, ConsoleHttp
from .console_list import whole_list
from .errors import NoRightToWrite, NotTaken, NotThere
from .http_answer import Meanings, json_object

EXCEPTIONS = "/vulnerability_exceptions"
PAGE = 500
REASON = "Acceptable Risk"
# Official: 400, 404. That a user without the right gets 403 is a guess.
REFUSALS: Meanings = {
    **MEANINGS,
    400: (
        NotTaken,
        "The console refuses {path}. It says: {said}",
        "Compare with what it shows of this asset and vulnerability.",
    ),
    403: (
        NoRightToWrite,
        "The console's user may not do this: {path}.",
        "Give its role the rights to see, to submit and to recall vulnerability exceptions.",
    ),
    404: (
        NotThere,
        "The console does not know what was meant at {path}, or does not show it to this user.",
        "Check that the asset is still there, and that the user has access to its site.",
    ),
}


class InsightVmExceptions:
    """One conversation with a console about its exceptions. Its refusals are read as REFUSALS says.

    A write is sent once. Where it raises NotTaken, NotThere or NoRightToWrite, nothing was done; after any other
    SourceError it may have been.
    """

    def __init__(self, http: ConsoleHttp) -> None:
        self._http = http

    def all(self) -> list[Listed]:
        """All exceptions of any scope and state, by their numbers. There is no filter. Raises SourceError."""

        def ask(path: str) -> Part:
            return Part(self._http.ask("GET", path)[0], EXCEPTIONS)

        return list(whole_list(ask, EXCEPTIONS, PAGE, lambda part: (part.key("id"), _listed(part))).values())

    def one(self, number: int) -> Listed:
        """One exception, as it is now. Raises SourceError."""
        path = f"{EXCEPTIONS}/{number}"
        return _listed(Part(self._http.ask("GET", path)[0], path))

    def submit(self, asset: str, vulnerability: str, comment: str, until: date) -> int:
        """Ask for an exception of one asset up to and on a day; its number. Raises SourceError."""
        if not asset.isdecimal():
            raise NotTaken(f"{asset!r} is no number of an asset.", "Exceptions are asked for assets of a console only.")
        body = {
            "scope": {"type": "Asset", "id": int(asset), "vulnerability": vulnerability},
            "submit": {"reason": REASON, "comment": comment},
            "expires": _end_of(until),
            "state": "Under Review",
        }
        answer = json_object(self._http.write("POST", EXCEPTIONS, body), "the console's")
        return Part(answer, EXCEPTIONS).given("id")

    def recall(self, number: int) -> None:
        """Take back what nobody has judged yet. What the console makes of another one is not documented.

        Raises SourceError.
        """
        self._http.write("POST", f"{EXCEPTIONS}/{number}/recall")

    def extend(self, number: int, until: date) -> None:
        """Let an exception hold up to and on a day. Raises SourceError."""
        self._http.write("PUT", f"{EXCEPTIONS}/{number}/expires", _end_of(until))


def _end_of(day: date) -> str:
    """The moment at which a day has ended, as the console takes it. That it is meant in UTC is a guess."""
    return f"{(day + timedelta(days=1)).isoformat()}T00:00:00.000Z"


def _listed(part: Part) -> Listed:
    """Seen live: words of what is read are in lower case."""
    scope = part.part("scope")
    expires: datetime | None = part.time("expires")
    # The last moment before its end.
    until = (expires.astimezone(timezone.utc) - timedelta(microseconds=1)).date() if expires else None
    return Listed(
        part.given("id"),
        scope.text("type") or "",
        scope.word("id") or "",
        scope.text("vulnerability") or "",
        part.text("state") or "",
        part.part("submit").text("comment") or "",
        until,
    )
