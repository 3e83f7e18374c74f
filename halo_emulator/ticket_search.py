"""GET /Tickets: which tickets, in which order, which page.

Parameter names are official; those seen live are search, status_id, status, agent_id, team, priority, requesttype_id,
client_id, site_id, user_id, open_only, closed_only, datesearch with startdate and enddate, lastupdatefromdate, paging
and order; the others are documented only. Every other parameter is ignored without an error (seen live). That a value
which cannot be read is ignored too, and that 0 means "not given" for a number, are guesses.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from .clock import canonical
from .store import EXTERNAL_ID, Store, Ticket
from .ticket_shape import is_on, list_row

Test = Callable[[Ticket], bool]
# The number of rows without count and without paging: a guess.
ROWS_WITHOUT_COUNT = 50
_MOST_KEPT = 32
# Sorts after every date.
_NEVER = "never"
_PRESENTATION = {"page_no", "page_size", "pageinate", "count"}

_ONE_NUMBER = {
    "status_id": "status_id",
    "agent_id": "agent_id",
    "requesttype_id": "tickettype_id",
    "client_id": "client_id",
    "site_id": "site_id",
    "user_id": "user_id",
    "parent_id": "parent_id",
    "search_id": "id",
}
_NUMBER_LIST = {
    "ticketids": "id",
    "status": "status_id",
    "agent": "agent_id",
    "team": "team_id",
    "priority": "priority_id",
    "requesttype": "tickettype_id",
    "client_ids": "client_id",
}
_TEXT = {"search": ("summary", "details"), "search_summary": ("summary",), "search_details": ("details",)}
_DATE_FIELDS = {"dateoccured": "dateoccurred", "dateoccurred": "dateoccurred", "datecleared": "dateclosed"}


def numbers(value: str) -> set[int]:
    """The numbers of a comma separated list. What is not a number is left out."""
    found = set()
    for part in value.split(","):
        try:
            found.add(int(float(part)))
        except (ValueError, OverflowError):
            continue
    return found


def known_parameters(store: Store, query: Mapping[str, str]) -> dict[str, str]:
    """The query with lower-case names, without empty values and without parameters that this build is set to ignore."""
    ignored = store.settings.ignored_parameters
    if not store.settings.keeps_external_id:
        ignored = ignored | {EXTERNAL_ID}
    return {key.lower(): value for key, value in query.items() if value and key.lower() not in ignored}


def _field_in(field: str, wanted: set[int]) -> Test:
    return lambda ticket: ticket.get(field) in wanted


def _field_is(field: str, wanted: int) -> Test:
    return lambda ticket: ticket.get(field) == wanted


def _contains(fields: tuple[str, ...], text: str) -> Test:
    # Which fields `search` covers is documented nowhere; summary and details are a guess.
    wanted = text.lower()
    return lambda ticket: any(wanted in ticket[field].lower() for field in fields)


def _not_before(field: str, moment: str) -> Test:
    return lambda ticket: ticket.get(field, "") >= moment


def _not_after(field: str, moment: str) -> Test:
    return lambda ticket: field in ticket and ticket[field] <= moment


def _number_tests(query: Mapping[str, str]) -> list[Test]:
    tests = []
    for name, field in _ONE_NUMBER.items():
        wanted = numbers(query.get(name, "")) - {0}
        if len(wanted) == 1:
            tests.append(_field_is(field, wanted.pop()))
    for name, field in _NUMBER_LIST.items():
        listed = numbers(query.get(name, ""))
        if listed:
            tests.append(_field_in(field, listed))
    return tests


def _category_tests(store: Store, query: Mapping[str, str]) -> list[Test]:
    tests = []
    for level in (1, 2, 3, 4):
        wanted = numbers(query.get(f"category_{level}", ""))
        if wanted:
            values = {row["value"] for row in store.categories if row["id"] in wanted and row["type_id"] == level}
            tests.append(_value_in(f"category_{level}", values))
    return tests


def _value_in(field: str, values: set[str]) -> Test:
    return lambda ticket: ticket.get(field) in values


def _date_tests(store: Store, query: Mapping[str, str]) -> list[Test]:
    """Documented only: startdate and enddate mean nothing without datesearch. Both ends included: a guess."""
    tests = []
    field = _DATE_FIELDS.get(query.get("datesearch", "").lower())
    ranges = [(field, "startdate", "enddate", 0.0)] if field else []
    changes = ("last_update", "lastupdatefromdate", "lastupdatetodate", store.settings.reads_local_time)
    for name, first, last, hours_ahead in [*ranges, changes]:
        start, end = canonical(query.get(first), hours_ahead), canonical(query.get(last), hours_ahead)
        if start is not None:
            tests.append(_not_before(name, start))
        if end is not None:
            tests.append(_not_after(name, end))
    return tests


def _visibility_tests(store: Store, query: Mapping[str, str]) -> list[Test]:
    closed = frozenset(store.closed_statuses)
    hidden = frozenset(store.settings.hidden_tickets)
    tests: list[Test] = [lambda ticket: not ticket["deleted"] and not ticket["inactive"]]
    if hidden:
        tests.append(lambda ticket: ticket["id"] not in hidden)
    if is_on(query, "open_only"):
        tests.append(lambda ticket: ticket["status_id"] not in closed)
    elif is_on(query, "closed_only"):
        tests.append(lambda ticket: ticket["status_id"] in closed)
    elif not _asks_for_old(query, changes=not store.settings.hides_closed_changes):
        days = store.settings.recently_closed_days
        # With no days at all, not even a ticket that was closed at this very moment counts as recently closed.
        oldest = store.clock.database_ago(days) if days > 0 else _NEVER
        tests.append(lambda ticket: ticket["status_id"] not in closed or ticket.get("dateclosed", "") >= oldest)
    return tests


def _asks_for_old(query: Mapping[str, str], *, changes: bool) -> bool:
    dated = query.get("datesearch", "").lower() in _DATE_FIELDS and ("startdate" in query or "enddate" in query)
    since = changes and ("lastupdatefromdate" in query or "lastupdatetodate" in query)
    return dated or since or "ticketids" in query or "search_id" in query


def _candidates(store: Store, query: Mapping[str, str], late: Mapping[int, Ticket | None]) -> list[Ticket]:
    """All tickets except those that the index by last_update excludes, lowest id first. `late` holds the ones that the
    list shows as they were, None for one that it does not show yet."""
    since = canonical(query.get("lastupdatefromdate"), store.settings.reads_local_time)
    if since is None:
        ids = list(store.tickets)
    else:
        recent = store.by_update[bisect_left(store.by_update, (since, 0)) :]
        ids = sorted({number for _, number in recent} | set(late))
    tickets = (late[number] if number in late else store.tickets[number] for number in ids)
    return [ticket for ticket in tickets if ticket is not None]


def _ordered(tickets: list[Ticket], query: Mapping[str, str]) -> list[Ticket]:
    field = query.get("order", "").lower()
    field = {"dateoccured": "dateoccurred", "ticketid": "id"}.get(field, field)
    if not field or not any(field in ticket for ticket in tickets):
        return tickets[::-1]
    with_it = [ticket for ticket in tickets if ticket.get(field) is not None]
    without = [ticket for ticket in tickets if ticket.get(field) is None]
    descending = is_on(query, "orderdesc")
    try:
        with_it.sort(key=lambda ticket: ticket[field], reverse=descending)
    except TypeError:
        return tickets[::-1]
    return with_it + without if descending else without + with_it


def matching(store: Store, query: Mapping[str, str]) -> list[Ticket]:
    """All tickets that match the query, in its order. The list is kept until a ticket changes: so paging is cheap."""
    wanted = frozenset((key, value) for key, value in query.items() if key not in _PRESENTATION)
    settings = store.settings
    closed = (frozenset(store.closed_statuses), settings.recently_closed_days, settings.hides_closed_changes)
    seen_as = (frozenset(settings.hidden_tickets), closed)
    key = (wanted, seen_as, store.clock.offset, store.clock.database_ahead, settings.reads_local_time)
    with store.lock:
        late = store.ticket_lag.still_shown()
        if late:
            # What the list shows changes with time then, without a change of any ticket.
            return _found(store, query, late)
        if key not in store.found:
            if len(store.found) >= _MOST_KEPT:
                store.found.clear()
            store.found[key] = _found(store, query, late)
        return store.found[key]


def _found(store: Store, query: Mapping[str, str], late: Mapping[int, Ticket | None]) -> list[Ticket]:
    tickets = _candidates(store, query, late)
    tests = _visibility_tests(store, query) + _number_tests(query) + _category_tests(store, query)
    tests += _date_tests(store, query)
    if EXTERNAL_ID in query:
        tests.append(_value_in(EXTERNAL_ID, {query[EXTERNAL_ID]}))
    tests += [_contains(fields, query[name]) for name, fields in _TEXT.items() if name in query]
    for test in tests:
        tickets = [ticket for ticket in tickets if test(ticket)]
    return _ordered(tickets, query)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    found = numbers(query.get(name, ""))
    return found.pop() if len(found) == 1 else default


def ticket_list(store: Store, raw_query: Mapping[str, str]) -> dict[str, Any]:
    """The envelope. `record_count` is the total with paging and the number returned without (both were seen live)."""
    query, settings = known_parameters(store, raw_query), store.settings
    tickets = matching(store, query)
    answer: dict[str, Any] = {}
    if is_on(query, "pageinate"):
        asked = max(_number(query, "page_size", 50), 1)
        size = min(asked, settings.page_cap)
        page = max(_number(query, "page_no", 1), 1)
        rows = tickets[(page - 1) * size : page * size]
        answer = {"page_no": page, "record_count": len(rows if settings.counts_per_page else tickets)}
        if settings.tells_page_size:
            answer["page_size"] = asked if settings.tells_page_size_asked_for else size
    else:
        count = _number(query, "count", ROWS_WITHOUT_COUNT)
        rows = tickets[: count if count > 0 else ROWS_WITHOUT_COUNT]
        answer = {"record_count": len(rows)}
    answer["tickets"] = [list_row(store, ticket, query) for ticket in rows]
    answer["include_children"] = False
    if is_on(query, "includecolumns"):
        answer["columns"] = [{"id": 1, "name": "Summary"}]
    return answer


def named_rows(rows: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Rows of a lookup list whose name or mail address contains the text (seen live for /Users)."""
    wanted = text.lower()
    return [row for row in rows if any(wanted in str(row.get(key) or "").lower() for key in _NAMES)]


_NAMES = ("name", "emailaddress", "email", "value")
