"""Whether Halo's ticket list leaves out closed tickets, which differs from instance to instance.

One client's documentation says that the list has the open and the recently closed tickets; other clients see all
tickets. The totals decide: the plain list hides tickets if it counts fewer than the open and closed ones together.
"""

from __future__ import annotations

import threading
from typing import Mapping

from ..errors import HaloError
from ..http.messages import Request
from ..http.rows import total_of
from ..http.session import Session
from .kept_answers import KeptAnswers

LIFETIME = 600.0
_NAME = "closed tickets are hidden"


class ClosedTickets:
    """Asks Halo at most once in ten minutes, by requests of ``session``. Safe to share among threads.

    What another process has asked in these ten minutes is in ``answers``.
    """

    def __init__(self, session: Session, answers: KeptAnswers) -> None:
        self._session = session
        self._answers = answers
        self._clock = session.clock.monotonic
        self._lock = threading.Lock()
        self._until: float | None = None
        self._hidden = True

    def are_hidden(self) -> bool:
        """True when the plain list leaves tickets out, or when that is not known."""
        with self._lock:
            if self._until is None:
                kept = self._answers.get(_NAME, LIFETIME)
                if kept and isinstance(kept.value, bool):
                    self._hidden, self._until = kept.value, self._clock() + LIFETIME - kept.age
            if self._until is None or self._clock() >= self._until:
                self._hidden = self._ask()
                self._until = self._clock() + LIFETIME
            return self._hidden

    def _ask(self) -> bool:
        try:
            # The plain list comes first. A ticket that is logged meanwhile then causes a needless search of the closed
            # tickets, not a wrong result.
            shown, open_ones, closed = (
                self._total(query) for query in ({}, {"open_only": "true"}, {"closed_only": "true"})
            )
        except HaloError:
            return True
        hidden = shown is None or open_ones is None or closed is None or shown < open_ones + closed
        self._answers.put(_NAME, hidden)
        return hidden

    def _total(self, query: Mapping[str, str]) -> int | None:
        request = Request("GET", "/Tickets", {"pageinate": "true", "page_size": "1", "page_no": "1", **query})
        return total_of(self._session.call(request).data)
