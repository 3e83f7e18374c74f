"""A ticket list in place of Halo's, which ignores or misunderstands what it is told to."""

from datetime import datetime, timedelta, timezone

from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.http.messages import Response
from komand_haloitsm.util.halo.tickets.read import TicketReader
from komand_haloitsm.util.halo.values.sort_key import SortKey

PAGE = 100
START = datetime(2026, 3, 1, 10, 0, tzinfo=timezone.utc)


def date(seconds: float) -> str:
    return f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}0Z"


SINCE = SortKey.of(date(0))


class Halo:
    """The ticket list alone, answered from `rows`; `before(page)` happens before a page is read."""

    def __init__(self, rows, *, ignored=(), dated=True, counted=True, cap=PAGE, counts_pages=False, zone=0) -> None:
        self.rows = {row["id"]: row for row in rows}
        self.ignored = set(ignored)
        self.dated, self.counted = dated, counted
        # The rows of a page, whatever was asked for; whether a page counts only its own; the hours by which the zone is
        # ahead of UTC for whose local time a moment is taken.
        self.cap, self.counts_pages, self.zone = cap, counts_pages, zone
        self.now = 10_000.0
        self.reads: list[dict[str, str]] = []
        self.before = lambda page: None

    def reader(self) -> TicketReader:
        return TicketReader(ScriptedSession(self.call))

    def touch(self, number: int, **more) -> None:
        self.now += 1
        self.rows[number] = {"id": number, **self.rows.get(number, {}), **more, "last_update": date(self.now)}

    def call(self, request, _) -> Response:
        query = {name: value for name, value in request.query.items() if name not in self.ignored}
        page = int(query["page_no"])
        self.before(page)
        self.reads.append(dict(request.query))
        rows = list(self.rows.values())
        if "lastupdatefromdate" in query:
            # As a text, since all dates here are written alike.
            start = SortKey.of(query["lastupdatefromdate"]).earlier(timedelta(hours=self.zone))[:-2] + "Z"
            rows = [row for row in rows if row["last_update"] >= start]
        key = (lambda row: row["last_update"]) if query.get("order") == "last_update" else (lambda row: row["id"])
        rows.sort(key=key, reverse=query.get("orderdesc") == "true")
        shown = [dict(row) for row in rows[(page - 1) * self.cap : page * self.cap]]
        data = {"tickets": shown}
        if self.counted:
            data["record_count"] = len(shown if self.counts_pages else rows)
        at = START + timedelta(seconds=self.now // 1)
        return Response(200, data, date=at if self.dated else None)


def tickets(count: int, first: int = 1, at: float = 1.0):
    """Tickets whose changes are not quite in the order of their numbers."""
    return [{"id": number, "last_update": date(at + (number ^ 1) * 0.25)} for number in range(first, first + count)]


def numbers(changes) -> list[int]:
    return [snapshot.ticket_id for snapshot, _ in changes.rows]
