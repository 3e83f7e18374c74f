"""InsightIDR: its investigations, their alerts and comments, by the API that Rapid7 calls a preview.

**Lists that move.** A page is known by its number only, so what enters or leaves a list between two pages moves the
rest, and something is told twice or not at all. Investigations are therefore asked for by the time of their creation,
which never changes: each page begins where the one before ended. Alerts and comments have no such filter. Where they
take more than one page, they are read until two readings agree.

**What writes prove.** Each write is one request. It has succeeded where the answer shows the investigation as it should
be. Whatever may have been done and is not known raises WriteUnknown, and is never sent again from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from ..domain.investigation import Alert, Comment, Investigation, State
from ..sources.answer_part import Part
from ..sources.errors import NotUnderstood
from .errors import UNKNOWN_USER, IdrAway, IdrError
from .insightidr_http import LATER, InsightIdrHttp, Request

INVESTIGATIONS, COMMENTS = "/idr/v2/investigations", "/idr/v1/comments"
# Official: what the header Accept-version says for each of them.
PREVIEWS = {INVESTIGATIONS: "investigations-preview", COMMENTS: "comments-preview"}
# As Rapid7's own client knows them.
REGIONS = ("us", "us2", "us3", "eu", "ca", "au", "ap")
# Where an address without TLS is taken: there is only this machine between.
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
# Official: the most things on a page.
SIZE = 100
# So often a list that moves under the reading is read.
READINGS = 4
# Official: times of creation are later than start_time and earlier than end_time; whether exactly, is not known. Times
# are sent in whole seconds, as Rapid7's own client does.
MARGIN = timedelta(seconds=1)
# For sorting what has no time.
UNTOLD = datetime.max.replace(tzinfo=timezone.utc)
Thing = TypeVar("Thing")


def base_address(where: str) -> str:
    """The address of InsightIDR in a region, or an address as it was given. Raises ValueError."""
    text = where.strip().rstrip("/")
    if text in REGIONS:
        return f"https://{text}.api.insight.rapid7.com"
    if not _is_address(text):
        raise ValueError(
            f"InsightIDR is in one of the regions {', '.join(REGIONS)}, or at an address such as "
            "https://idr.example.com, without a user name or a password in it."
        )
    return text


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in THIS_MACHINE)
    return is_safe and bool(host) and not any((parts.username, parts.password, parts.query, parts.fragment))


@dataclass(frozen=True)
class _Page(Generic[Thing]):
    """``things`` by what names each, so each once. ``total``: how many the whole list has."""

    things: dict[str, Thing]
    total: int


class InsightIdr:
    """InsightIDR in a region or at an address, ``where``, as the user of an API key sees it.

    ``ca_file`` holds the authority of a proxy that answers for it. Timeouts are in seconds: for a connection, for the
    longest silence, and ``longest`` for all that one call sends. ``sleep`` takes seconds, ``now`` tells the time with
    its zone. Raises ValueError for an address, and IdrError for a key, that cannot be one. All that asks raises
    IdrError, where it is IdrAway, later may be better; and ValueError for an RRN that cannot be one.
    """

    def __init__(
        self,
        where: str,
        api_key: str,
        *,
        ca_file: str | Path | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        longest: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        key = api_key.strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise IdrError("The API key is empty or has characters that no key has.", "Copy the key again.")
        trusted = str(ca_file) if ca_file else True
        self._longest = timedelta(seconds=longest)
        self._now = now
        self._http = InsightIdrHttp(base_address(where), key, trusted, (connect_timeout, read_timeout), sleep, now)

    def close(self) -> None:
        """Let the connections go. It can be asked again all the same."""
        self._http.close()

    def check(self) -> None:
        """Ask for one investigation, which shows that the address and the key are right."""
        self._page(INVESTIGATIONS, {}, 0, self._end(), _investigation, size=1)

    def listed(self, states: Collection[State], since: datetime, now: datetime) -> list[Investigation]:
        """All investigations in these states that were created from ``since`` until ``now``, the oldest first.

        Each is told once, as it was at some moment of the reading. Raises IdrAway where a page lacks what it should
        have.
        """
        end, found = self._end(), dict[str, Investigation]()
        words = ",".join(state.value for state in State if state in states)
        query = {"statuses": words, "end_time": _second(now + MARGIN), "sort": "created_time,ASC"}
        begin = _before(since)
        # Without a state, InsightIDR would list all of them.
        while states:
            rest = {**query, "start_time": begin}
            page = self._whole_page(INVESTIGATIONS, rest, end)
            found |= page.things
            if page.total <= SIZE:
                break
            following = _before(_last(list(page.things.values())))
            if following <= begin:
                # More than a page was created in a moment: only the numbers of pages lead on.
                found |= {one.rrn: one for one in self._all(INVESTIGATIONS, rest, _investigation, end)}
                break
            begin = following
        # What was asked for is checked on what came: a filter may be ignored, and times are sent in whole seconds.
        wanted = (one for one in found.values() if one.created >= since and one.state in (None, *states))
        return sorted(wanted, key=lambda one: (one.created, one.rrn))

    def read(self, rrn: str) -> Investigation | None:
        """An investigation; None where InsightIDR says that there is none."""
        try:
            return self._one("GET", rrn)
        except IdrError as error:
            # A proxy that knows no such page says nothing of why.
            if error.status == 404 and error.said:
                return None
            raise

    def alerts(self, rrn: str) -> list[Alert]:
        """All alerts of an investigation, the oldest first; those without a time at the end."""
        alerts = self._all(f"{_path(rrn)}/alerts", {}, _alert, self._end())
        return sorted(alerts, key=lambda one: (one.created is None, one.created or UNTOLD))

    def comments(self, rrn: str) -> list[Comment]:
        """All comments on an investigation, the oldest first."""
        comments = self._all(COMMENTS, {"target": rrn}, lambda part: _comment(part, rrn), self._end())
        return sorted(comments, key=lambda one: one.created)

    def comment(self, rrn: str, body: str) -> Comment:
        """Comment on an investigation. Raises WriteUnknown where the comment may have been made."""
        request = _request("POST", COMMENTS, {"target": rrn, "body": body})
        return self._http.ask(request, self._end(), lambda part: _comment(part, rrn)[1])

    def set_state(self, rrn: str, state: State, disposition: str = "") -> Investigation:
        """Put an investigation into a state, and give it a disposition where one is given. As it is after that."""
        changes = {"status": state.value, **({"disposition": disposition} if disposition else {})}
        told = self._one("PATCH", rrn, body=changes)
        if told.state is not state or (disposition and told.disposition.upper() != disposition.upper()):
            raise _undone("PATCH", rrn, "The investigation has another status or disposition than was set.")
        return told

    def assign(self, rrn: str, email: str) -> Investigation:
        """Assign an investigation to a user. As it is after that.

        Raises IdrError of the kind UNKNOWN_USER for somebody whom InsightIDR does not know. How it refuses them is not
        known. So a refusal that another address might not have met is taken for it, where the investigation is there.
        """
        try:
            told = self._one("PUT", rrn, "/assignee", {"user_email_address": email})
        except IdrError as error:
            if error.status not in (400, 404, 422) or self.read(rrn) is None:
                raise
            raise IdrError(
                "InsightIDR does not assign the investigation to the person with this e-mail address.",
                "Let the person have this address in InsightIDR, and a role that may change investigations there.",
                request=error.request,
                status=error.status,
                said=error.said,
                kind=UNKNOWN_USER,
            ) from None
        if told.assignee != email.lower():
            raise _undone("PUT", rrn, "The investigation has another assignee than was set.")
        return told

    def _end(self) -> datetime:
        return self._now() + self._longest

    def _one(self, method: str, rrn: str, rest: str = "", body: dict[str, Any] | None = None) -> Investigation:
        """The investigation that an answer is. Raises IdrError, also for another one."""

        def understand(part: Part) -> Investigation:
            name, told = _investigation(part)
            if name != rrn:
                raise NotUnderstood("The answer holds another investigation.", "Check the address.")
            return told

        return self._http.ask(_request(method, _path(rrn) + rest, body), self._end(), understand)

    def _page(
        self,
        path: str,
        query: Mapping[str, str],
        index: int,
        end: datetime,
        one: Callable[[Part], tuple[str, Thing]],
        size: int = SIZE,
    ) -> _Page[Thing]:
        def understand(answer: Part) -> _Page[Thing]:
            total = answer.part("metadata").whole("total_data")
            if total is None:
                raise NotUnderstood("A list does not tell how many things it has.", "Check the address.")
            return _Page(dict(one(part) for part in answer.parts("data")), total)

        place = f"{path}?{urlencode({**query, 'index': index, 'size': size})}"
        return self._http.ask(_request("GET", place), end, understand)

    def _whole_page(self, path: str, query: Mapping[str, str], end: datetime) -> _Page[Investigation]:
        """The first page of a list, with all that it should have."""
        for _ in range(READINGS):
            page = self._page(path, query, 0, end, _investigation)
            if len(page.things) == min(SIZE, page.total):
                return page
        raise _unsteady(path)

    def _all(
        self, path: str, query: Mapping[str, str], one: Callable[[Part], tuple[str, Thing]], end: datetime
    ) -> list[Thing]:
        """All things of a list, by the numbers of its pages."""
        before = list[str]()
        for _ in range(READINGS):
            pages = [self._page(path, query, 0, end, one)]
            while pages[-1].things and len(pages) * SIZE < pages[-1].total:
                pages.append(self._page(path, query, len(pages), end, one))
            things = {name: thing for page in pages for name, thing in page.things.items()}
            is_whole = {page.total for page in pages} == {len(things)}
            # One thing that left and another that came between two pages leave the number as it was.
            if is_whole and (len(pages) == 1 or list(things) == before):
                return list(things.values())
            before = list(things) if is_whole else []
        raise _unsteady(path)


def _request(method: str, path: str, body: dict[str, Any] | None = None) -> Request:
    version = next(version for prefix, version in PREVIEWS.items() if path.startswith(prefix))
    return Request(method, path, version, body)


def _path(rrn: str) -> str:
    if not rrn.startswith("rrn:"):
        raise ValueError("An investigation is named by an RRN, which begins with rrn:")
    return f"{INVESTIGATIONS}/{quote(rrn, safe='')}"


def _before(moment: datetime) -> str:
    """A start_time, so that a list surely holds what was created at a moment."""
    return _second(moment - MARGIN)


def _second(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _last(page: Sequence[Investigation]) -> datetime:
    """When the last one of a page was created. Raises IdrError where it is not the youngest."""
    times = [one.created for one in page]
    if times != sorted(times):
        raise IdrError(
            "InsightIDR does not list investigations in the order that it was asked for.",
            "Its API may have changed. Look for a newer release of this service.",
            request=f"GET {INVESTIGATIONS}",
            status=200,
        )
    return times[-1]


def _unsteady(path: str) -> IdrAway:
    return IdrAway("A list of InsightIDR was another each time that it was read.", LATER, request=f"GET {path}")


def _undone(method: str, rrn: str, cause: str) -> IdrError:
    return IdrError(
        f"{cause} InsightIDR did not do it, or somebody changed it at once.",
        "Look at the investigation in InsightIDR.",
        request=f"{method} {_path(rrn)}",
        status=200,
    )


def _told(value: Thing | None, name: str) -> Thing:
    if value is None or value == "":
        raise NotUnderstood(f"The answer does not tell what it should: {name}.", "Check the address.")
    return value


def _investigation(part: Part) -> tuple[str, Investigation]:
    rrn, word = _told(part.text("rrn"), "rrn"), _told(part.text("status"), "status")
    return rrn, Investigation(
        rrn=rrn,
        title=part.text("title") or "",
        state=State.__members__.get(word.upper()),
        state_word=word,
        priority=part.text("priority") or "",
        disposition=part.text("disposition") or "",
        source=part.text("source") or "",
        assignee=(part.part("assignee").text("email") or "").lower(),
        tags=tuple(part.texts("tags")),
        created=_told(part.time("created_time"), "created_time"),
        responsibility=part.text("responsibility") or "",
    )


def _alert(part: Part) -> tuple[str, Alert]:
    title, kind = part.text("title") or "", part.text("alert_type") or ""
    return part.key("id"), Alert(title, kind, part.time("created_time"), part.text("alert_source") or "")


def _comment(part: Part, target: str) -> tuple[str, Comment]:
    """A comment by its RRN. Its time is always there in what was seen live; officially it may be absent."""
    if part.text("target") != target:
        raise NotUnderstood("The answer holds a comment on something else.", "Check the address.")
    rrn, created = _told(part.text("rrn"), "rrn"), _told(part.time("created_time"), "created_time")
    return rrn, Comment(rrn, part.text("body") or "", part.part("creator").text("name") or "", created)
