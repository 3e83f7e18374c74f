"""Scans of some hosts of a site, as an InsightVM console begins and lists them, by its API v3.

Paths, bodies and words are official, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from .answer_part import Part
from .console_http import MEANINGS, ConsoleHttp
from .console_list import whole_list
from .errors import NoRightToWrite, NotTaken, NotThere
from .http_answer import Meanings, json_object

PAGE = 500
# Official: 400, 404. That a user without the right gets 403 is a guess.
REFUSALS: Meanings = {
    **MEANINGS,
    400: (
        NotTaken,
        "The console refuses {path}. It says: {said}",
        "Compare with the site's hosts and engines.",
    ),
    403: (
        NoRightToWrite,
        "The console's user may not do this: {path}.",
        "Give its role the right to start scans, and access to the site.",
    ),
    404: (
        NotThere,
        "The console does not know {path}, or does not show it to this user.",
        "Check that the site is still there, and that the user has access to it.",
    ),
}


class InsightVmScans:
    """One conversation with a console about its scans. Its refusals are read as REFUSALS says."""

    def __init__(self, http: ConsoleHttp) -> None:
        self._http = http

    def sites(self) -> dict[str, int]:
        """The numbers of all sites that the user sees, by their names. Raises SourceError."""
        return self._listed("/sites", "name")

    def active(self, site: int) -> dict[str, int]:
        """The numbers of the scans of a site that are not over, by their names. Raises SourceError."""
        return self._listed(f"/sites/{site}/scans?active=true", "scanName")

    def past(self, site: int) -> dict[str, int]:
        """The numbers of the scans of a site that are over, by their names. Raises SourceError."""
        return self._listed(f"/sites/{site}/scans?active=false", "scanName")

    def start(self, site: int, hosts: Sequence[str], name: str) -> int:
        """Scan hosts of a site now; the number of the scan. Sent once.

        Raises SourceError. After NotTaken, NotThere or NoRightToWrite nothing was begun, after any other it may be.
        """
        path = f"/sites/{site}/scans"
        answer = json_object(self._http.write("POST", path, {"hosts": list(hosts), "name": name}), "the console's")
        return Part(answer, path).given("id")

    def _listed(self, path: str, name: str) -> dict[str, int]:
        def ask(page: str) -> Part:
            return Part(self._http.ask("GET", page)[0], path)

        # A scan may lack a name, and is none of ours then.
        found = whole_list(ask, path, PAGE, lambda part: (part.key("id"), (part.text(name) or "", part.given("id"))))
        return dict(found.values())
