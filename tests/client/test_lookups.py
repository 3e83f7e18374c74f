"""Guards the lists of the instance: each is read once in ten minutes, by one thread, and never makes a call fail."""

from __future__ import annotations

import logging
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Request, Response
from komand_haloitsm.util.halo.http.retry import RetryPolicy
from komand_haloitsm.util.halo.tickets.kept_answers import KeptAnswers
from komand_haloitsm.util.halo.tickets.lookups import LIFETIME, Lookups, name_of

STATUSES = [
    {"id": 1, "name": "New", "type": 0},
    {"id": 2, "name": "In Progress"},
    {"id": 9.0, "name": "Closed"},
    {"id": "18", "name": "Approved"},
]
LISTS: dict[str, Any] = {
    "/Status": STATUSES,
    "/Priority": [
        {"id": "aeb80996-724c-e811-892e-b01041c8667a", "slaid": 1, "priorityid": 1, "name": "Critical"},
        {"id": "aeb80996-724c-e811-892e-b01041c8667b", "slaid": 1, "priorityid": 2, "name": "High"},
        {"id": "aeb80996-724c-e811-892e-b01041c8667c", "slaid": 2, "priorityid": 1, "name": "Urgent"},
        {"id": "aeb80996-724c-e811-892e-b01041c8667d", "slaid": 2, "priorityid": 2, "name": "High"},
    ],
    "/Team": [{"id": 4, "name": "Network"}, {"id": 5, "name": "Double"}, {"id": 6, "name": "double"}],
    "/Agent": [{"id": 1, "name": "Unassigned"}, {"id": 3, "name": "Kim"}, {"id": 4, "name": ""}, {"id": 5}],
    "/TicketType": [{"id": 43, "name": "Incident"}],
    "/Category": [{"id": 31, "value": "Hardware>Printer", "category_name": "Printer"}, {"id": 32, "name": "Other"}],
}
PATHS = {
    "status": "/Status",
    "priority": "/Priority",
    "team": "/Team",
    "agent": "/Agent",
    "tickettype": "/TicketType",
    "category": "/Category",
}


def error(status: int | None, kind: str = "forbidden") -> HaloError:
    return HaloError(kind=kind, cause="c", assistance="a", status=status)


class Halo:
    """Answers with the lists, or with what ``trouble`` has for a path. Keeps the requests and the clock."""

    def __init__(self, **lists: Any) -> None:
        self.lists = {**LISTS, **{PATHS[kind]: rows for kind, rows in lists.items()}}
        self.closed: set[Any] | None = {9}
        self.trouble: dict[str, HaloError] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.policies: list[RetryPolicy | None] = []
        self.time = 1000.0
        self.gate: threading.Event | None = None

    def call(self, request: Request, policy: RetryPolicy | None) -> Response:
        self.asked.append((request.path, dict(request.query)))
        self.policies.append(policy)
        if self.gate is not None:
            self.gate.wait(5)
        without_closed = "excludeclosed" in request.query
        trouble = self.trouble.get(request.path + ("?excludeclosed" if without_closed else ""))
        if trouble is not None:
            raise trouble
        rows = self.lists[request.path]
        if without_closed and self.closed is not None and isinstance(rows, list):
            rows = [row for row in rows if row.get("id") not in self.closed]
        return Response(200, data=rows)

    def lookups(self, path: Path | None = None) -> Lookups:
        """Those of a process of its own, which keeps its lists in the file `path`."""

        def now() -> datetime:
            return datetime(2026, 3, 2, tzinfo=timezone.utc) + timedelta(seconds=self.time)

        session = ScriptedSession(self.call, lambda: self.time)
        return Lookups(session, logger=logging.getLogger("test"), answers=KeptAnswers(path, now=now))

    def count(self, path: str) -> int:
        return sum(1 for asked, query in self.asked if asked == path and not query)


# -------------------------------------------------------------------------------------------------- names and ids


@pytest.mark.parametrize(
    "kind, number, name",
    [
        ("status", 1, "New"),
        ("status", 9, "Closed"),
        ("status", 18, "Approved"),
        ("team", 4, "Network"),
        ("agent", 3, "Kim"),
        ("tickettype", 43, "Incident"),
        ("category", 31, "Hardware>Printer"),
        ("category", 32, "Other"),
        ("priority", 2, "High"),
        ("team", 99, None),
        ("team", None, None),
        ("agent", 4, None),
        ("agent", 5, None),
    ],
)
def test_the_name_of_an_id(kind, number, name):
    assert Halo().lookups().name(kind, number) == name


@pytest.mark.parametrize(
    "kind, name, number",
    [
        ("team", "Network", 4),
        ("team", " NETWORK ", 4),
        ("team", "Nowhere", None),
        ("team", "Double", None),
        ("category", "Hardware>Printer", 31),
        ("priority", "High", 2),
        ("agent", "", None),
    ],
    ids=["a name", "in another case", "an unknown one", "an ambiguous one", "a category", "the same twice", "no name"],
)
def test_the_id_of_a_name(kind, name, number):
    assert Halo().lookups().number(kind, name) == number


@pytest.mark.parametrize("kind", list(PATHS))
def test_a_list_in_an_envelope_is_read_too(kind):
    halo = Halo(**{kind: {"record_count": 1, "results": LISTS[PATHS[kind]]}})
    assert len(halo.lookups().rows(kind)) == len(LISTS[PATHS[kind]])


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind != "status"])
def test_rows_are_halos_own(kind):
    assert Halo().lookups().rows(kind) == LISTS[PATHS[kind]]


@pytest.mark.parametrize(
    "kind, row, name",
    [
        ("team", {"name": "Network"}, "Network"),
        ("team", {"name": None}, ""),
        ("team", {"name": 5}, ""),
        ("team", {}, ""),
        ("category", {"value": "A>B", "category_name": "B"}, "A>B"),
        ("category", {"value": "", "category_name": "B"}, "B"),
        ("category", {"value": 5, "name": "C"}, "C"),
    ],
)
def test_the_name_in_a_row(kind, row, name):
    assert name_of(kind, row) == name


# ------------------------------------------------------------------------------------------------------ for how long


def test_a_list_is_read_when_it_is_first_needed():
    halo = Halo()
    halo.lookups()
    assert halo.asked == []


@pytest.mark.parametrize("kind", list(PATHS))
def test_a_list_is_kept_ten_minutes_on_the_given_clock(kind):
    halo = Halo()
    lookups = halo.lookups()
    lookups.rows(kind)
    halo.time += 599.9
    lookups.rows(kind)
    lookups.name(kind, 1)
    assert halo.count(PATHS[kind]) == 1
    halo.time += 0.2
    lookups.rows(kind)
    assert halo.count(PATHS[kind]) == 2 and LIFETIME == 600.0


def test_what_changed_in_halo_is_seen_after_ten_minutes():
    halo = Halo()
    lookups = halo.lookups()
    ticket = {"status_id": 2, "team_id": 4}
    assert lookups.names_for(ticket)["team_name"] == "Network"
    halo.lists["/Team"] = [{"id": 4, "name": "Renamed"}]
    halo.time += 599
    assert lookups.names_for(ticket)["team_name"] == "Network"
    halo.time += 2
    assert lookups.names_for(ticket)["team_name"] == "Renamed"


def test_two_connections_share_nothing():
    halo = Halo()
    halo.lookups().rows("team")
    halo.lookups().rows("team")
    assert halo.count("/Team") == 2


def test_an_unknown_id_does_not_make_it_read_again():
    halo = Halo()
    lookups = halo.lookups()
    for number in range(50, 80):
        lookups.name("team", number)
    assert halo.count("/Team") == 1


@pytest.mark.parametrize("trouble", [None, error(403), error(503, "unavailable")], ids=["allowed", "forbidden", "down"])
def test_twenty_threads_make_one_request(trouble):
    halo = Halo()
    if trouble is not None:
        halo.trouble["/Team"] = trouble
    halo.gate = threading.Event()
    lookups, barrier, names = halo.lookups(), threading.Barrier(20), []

    def ask() -> None:
        barrier.wait(5)
        names.append(lookups.name("team", 4))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    threading.Timer(0.15, halo.gate.set).start()
    for thread in threads:
        thread.join(10)
    assert names == ["Network" if trouble is None else None] * 20 and halo.count("/Team") == 1


def test_a_slow_list_does_not_hold_up_another():
    halo = Halo()
    lookups = halo.lookups()
    lookups.rows("team")
    halo.gate = threading.Event()
    slow = threading.Thread(target=lambda: lookups.rows("agent"), daemon=True)
    slow.start()
    done: list[Any] = []
    quick = threading.Thread(target=lambda: done.append(lookups.name("team", 4)), daemon=True)
    quick.start()
    quick.join(3)
    halo.gate.set()
    slow.join(5)
    assert done == ["Network"]


def test_threads_whose_tickets_need_different_lists_do_not_disturb_each_other():
    tickets = [{"status_id": 2, "agent_id": 3}, {"team_id": 4}, {"category_1": "x"}, {"priority_id": 1}] * 2
    troubles: list[Exception] = []

    def name(lookups: Lookups, ticket: dict[str, Any], barrier: threading.Barrier) -> None:
        barrier.wait(5)
        try:
            lookups.names_for(ticket)
        except RuntimeError as trouble:
            troubles.append(trouble)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(150):
            lookups, barrier = Halo().lookups(), threading.Barrier(len(tickets))
            threads = [threading.Thread(target=name, args=(lookups, ticket, barrier)) for ticket in tickets]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
    finally:
        sys.setswitchinterval(interval)
    assert troubles == []


# ------------------------------------------------------------------------------------------------- not permitted


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("kind", list(PATHS))
def test_a_list_that_is_not_permitted_leaves_names_out_for_ten_minutes(kind, status):
    halo = Halo()
    halo.trouble[PATHS[kind]] = error(status)
    lookups = halo.lookups()
    for _ in range(3):
        assert lookups.name(kind, 1) is None and lookups.number(kind, "New") is None
        assert lookups.closed(9) in (None, True)
    halo.time += 599
    lookups.name(kind, 1)
    assert halo.count(PATHS[kind]) == 1
    halo.time += 2
    lookups.name(kind, 1)
    assert halo.count(PATHS[kind]) == 2


@pytest.mark.parametrize(
    "trouble", [error(429, "rate_limit"), error(500, "server_error"), error(None, "lost"), error(503, "unavailable")]
)
def test_trouble_that_passes_is_asked_about_again_soon_but_not_at_once(trouble):
    halo = Halo()
    halo.trouble["/Team"] = trouble
    lookups = halo.lookups()
    assert lookups.name("team", 4) is None and lookups.name("team", 4) is None
    assert halo.count("/Team") == 1
    halo.trouble.clear()
    halo.time += 120
    assert lookups.name("team", 4) == "Network"


@pytest.mark.parametrize("rows", [{"error": "x"}, "text", None, [1, 2], {"teams": 5}], ids=repr)
def test_a_list_of_an_unknown_shape_leaves_names_out(rows):
    halo = Halo(team=rows)
    lookups = halo.lookups()
    assert lookups.name("team", 4) is None and lookups.names_for({"team_id": 4, "status_id": 1})["status_name"] == "New"
    with pytest.raises(HaloError):
        lookups.rows("team")


def test_for_a_name_nobody_waits_long_and_for_a_needed_list_as_long_as_usual():
    halo = Halo()
    lookups = halo.lookups()
    lookups.name("team", 4)
    lookups.rows("agent")
    assert halo.policies[0] is not None and halo.policies[0].max_wait <= 10 and halo.policies[1] is None


def test_who_needs_a_list_that_may_not_be_read_is_told_so():
    halo = Halo()
    halo.trouble["/Team"] = error(403)
    with pytest.raises(HaloError) as caught:
        halo.lookups().rows("team")
    assert caught.value.status == 403


def test_who_needs_a_list_asks_again_although_a_refusal_is_kept():
    halo = Halo()
    halo.trouble["/Team"] = error(403)
    lookups = halo.lookups()
    assert lookups.name("team", 4) is None
    halo.trouble.clear()
    assert len(lookups.rows("team")) == 3
    assert lookups.name("team", 4) == "Network"


def test_an_error_that_is_not_halos_leaves_no_lock_behind():
    halo = Halo()
    lookups = halo.lookups()
    halo.trouble["/Team"] = RuntimeError("not ours")  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        lookups.rows("team")
    halo.trouble.clear()
    assert lookups.name("team", 4) == "Network"


# -------------------------------------------------------------------------------------------------- closed statuses


def test_statuses_without_what_is_closed_take_one_request_and_are_not_kept():
    halo = Halo()
    lookups = halo.lookups()
    assert [row["name"] for row in lookups.statuses()] == [row["name"] for row in lookups.statuses()]
    assert halo.asked == [("/Status", {})] * 2
    assert all("closed" not in row for row in lookups.statuses())


def test_the_closed_statuses_are_those_that_halo_leaves_out():
    halo = Halo()
    halo.closed = {9.0, "18"}
    lookups = halo.lookups()
    assert [row["closed"] for row in lookups.rows("status")] == [False, False, True, True]
    assert [lookups.closed(number) for number in (1, 2, 9, 18)] == [False, False, True, True]
    assert halo.asked == [("/Status", {}), ("/Status", {"excludeclosed": "true"})]


@pytest.mark.parametrize("number", [None, 0, 77])
def test_of_an_unknown_status_it_is_not_known(number):
    assert Halo().lookups().closed(number) is None


def test_where_halo_ignores_the_question_it_is_not_known():
    halo = Halo()
    halo.closed = None
    lookups = halo.lookups()
    assert [row["closed"] for row in lookups.rows("status")] == [None] * 4
    assert lookups.closed(9) is None and lookups.closed(1) is None
    assert "closed" not in lookups.names_for({"status_id": 9})


def test_where_the_open_ones_cannot_be_read_the_names_are_there_all_the_same():
    halo = Halo()
    halo.trouble["/Status?excludeclosed"] = error(500, "server_error")
    lookups = halo.lookups()
    assert lookups.name("status", 9) == "Closed" and lookups.closed(9) is None


def test_open_statuses_that_could_not_be_read_for_a_moment_are_asked_for_again_soon():
    halo = Halo()
    lookups = halo.lookups()
    halo.trouble["/Status?excludeclosed"] = error(503, "unavailable")
    assert lookups.closed(9) is None
    halo.trouble.clear()
    halo.time += 120
    assert lookups.closed(9) is True


def test_who_needs_the_closed_statuses_asks_again_when_they_could_not_be_read_for_a_name():
    halo = Halo()
    lookups = halo.lookups()
    halo.trouble["/Status?excludeclosed"] = error(429, "rate_limit")
    lookups.name("status", 1)
    halo.trouble.clear()
    assert [row["closed"] for row in lookups.rows("status")] == [False, False, True, False]


# ------------------------------------------------------------------------------------------------ names for a ticket

_TICKETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing known": ({}, {}),
    "a status": ({"status_id": 2}, {"status_name": "In Progress", "closed": False}),
    "a closed status": ({"status_id": "9"}, {"status_name": "Closed", "closed": True}),
    "a status that says its name": ({"status_id": 9, "status_name": "Mine"}, {"closed": True}),
    "an agent": ({"agent_id": 3.0}, {"agent_name": "Kim"}),
    "an agent that says the name": ({"agent_id": 3, "agent_name": "Mine"}, {}),
    "nobody": ({"agent_id": 1}, {}),
    "nobody as text": ({"agent_id": "1"}, {}),
    "an agent that is not listed": ({"agent_id": 77}, {}),
    "a team by id": ({"team_id": 4}, {"team_name": "Network"}),
    "a team by name": ({"team": "network"}, {"team_id": 4}),
    "a team by both": ({"team": "Mine", "team_id": 4}, {}),
    "a team whose name is not unique": ({"team": "Double"}, {}),
    "a category by its value": ({"category_1": "Hardware>Printer"}, {"category_id": 31}),
    "a category with its id": ({"category_1": "Hardware>Printer", "categoryid_1": 77}, {}),
    "a category that does not exist": ({"category_1": "Nowhere"}, {}),
    "a priority under its SLA": ({"priority_id": 1, "sla_id": 2}, {"priority_name": "Urgent"}),
    "a priority under the other SLA": ({"priority_id": 1.0, "sla_id": "1"}, {"priority_name": "Critical"}),
    "a priority that the SLAs name differently, without SLA": ({"priority_id": 1}, {}),
    "a priority that all SLAs name alike, without SLA": ({"priority_id": 2}, {"priority_name": "High"}),
    "a priority that the SLA does not have": ({"priority_id": 2, "sla_id": 77}, {"priority_name": "High"}),
    "a priority that an unknown SLA names one way or the other": ({"priority_id": 1, "sla_id": 77}, {}),
    "a priority that comes along": ({"priority_id": 1, "sla_id": 1, "priority": {"name": "Mine"}}, {}),
    "a priority that says its name": ({"priority_id": 1, "sla_id": 1, "priority_name": "Mine"}, {}),
}


@pytest.mark.parametrize("ticket, names", list(_TICKETS.values()), ids=list(_TICKETS))
def test_what_the_lists_add_to_a_ticket(ticket, names):
    lookups = Halo().lookups()
    assert lookups.names_for(ticket) == names
    assert lookups.names_for(ticket) == names


def test_no_ticket_gets_the_names_of_another():
    lookups = Halo().lookups()
    for _ in range(2):
        for ticket, names in _TICKETS.values():
            assert lookups.names_for(ticket) == names


def test_a_ticket_that_says_all_costs_no_request_but_for_the_status():
    halo = Halo()
    halo.lookups().names_for({"status_id": 2, "status_name": "x", "agent_id": 1, "team": "x", "team_id": 4})
    assert {path for path, _ in halo.asked} == {"/Status"}


@pytest.mark.parametrize(
    "odd", [[], {}, [4], {"id": 4}, True, float("nan"), -1, "x" * 10_000], ids=lambda odd: str(odd)[:9]
)
@pytest.mark.parametrize("name", ["status_id", "agent_id", "team", "team_id", "priority_id", "sla_id", "category_1"])
def test_odd_values_in_a_ticket_do_no_harm(name, odd):
    names = Halo().lookups().names_for({"status_id": 2, "agent_id": 3, **{name: odd}})
    assert None not in names.values()


@pytest.mark.parametrize("kind", list(PATHS))
def test_a_list_with_odd_rows_gives_what_it_has(kind):
    halo = Halo(**{kind: [{}, {"id": None}, {"id": "x", "name": 5}, {"id": 8, "priorityid": 8, "name": "Good"}]})
    lookups = halo.lookups()
    assert lookups.name(kind, 8) == "Good" and lookups.number(kind, "good") == 8


def test_with_nothing_permitted_a_ticket_has_no_names_and_no_error():
    halo = Halo()
    halo.trouble = {path: error(403) for path in PATHS.values()}
    ticket = {"status_id": 2, "agent_id": 3, "team": "Network", "priority_id": 1, "category_1": "x"}
    lookups = halo.lookups()
    for _ in range(3):
        assert lookups.names_for(ticket) == {}
    assert len(halo.asked) == 5


# -------------------------------------------------------------------------------------------- from another process


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "names.json"


def after_another_process(path: Path, seconds: float = 0.0, **lists: Any) -> tuple[Halo, Lookups]:
    """A Halo whose lists another process has read, and the lookups of a process that starts some seconds later."""
    halo = Halo(**lists)
    another = halo.lookups(path)
    for kind in PATHS:
        another.name(kind, 1)
    halo.asked.clear()
    halo.time += seconds
    return halo, halo.lookups(path)


def test_a_new_process_asks_nothing(path):
    halo, lookups = after_another_process(path, 500)
    plain = Halo().lookups()
    for ticket, names in _TICKETS.values():
        if ticket.get("agent_id") != 77 and ticket.get("category_1") != "Nowhere":
            assert lookups.names_for(ticket) == names
    for kind in PATHS:
        assert [name_of(kind, row) for row in lookups.rows(kind)] == [name_of(kind, row) for row in plain.rows(kind)]
    assert [lookups.closed(number) for number in (1, 2, 9, 18)] == [False, False, True, False]
    assert halo.asked == []


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind != "status"])
def test_names_of_another_process_last_an_hour(path, kind):
    number = {"priority": 2, "team": 4, "agent": 3, "tickettype": 43, "category": 31}[kind]
    for seconds, asked in ((3599, 0), (3600, 1)):
        halo, lookups = after_another_process(path, seconds)
        assert lookups.name(kind, number) == Halo().lookups().name(kind, number)
        assert halo.count(PATHS[kind]) == asked


@pytest.mark.parametrize("kind", list(PATHS))
def test_a_needed_list_of_another_process_lasts_ten_minutes(path, kind):
    for seconds, asked in ((599, 0), (600, 1)):
        halo, lookups = after_another_process(path, seconds)
        lookups.rows(kind)
        assert halo.count(PATHS[kind]) == asked


def test_which_statuses_close_is_believed_for_ten_minutes(path):
    for seconds, closed in ((599, True), (600, False)):
        halo, lookups = after_another_process(path, seconds)
        halo.closed = {1}
        assert lookups.closed(9) is closed and lookups.names_for({"status_id": 9})["closed"] is closed


def test_a_process_goes_on_as_if_it_had_read_the_list_itself(path):
    """It does not go back to the file, which is for the start of a process."""
    halo, lookups = after_another_process(path, 300)
    halo.lists["/Team"] = [{"id": 4, "name": "Renamed"}]
    lookups.name("team", 4)
    halo.lookups(path).name("team", 4)
    halo.time += 599
    assert lookups.name("team", 4) == "Network" and halo.count("/Team") == 0
    halo.time += 1
    assert lookups.name("team", 4) == "Renamed" and halo.count("/Team") == 1
    assert halo.lookups(path).name("team", 4) == "Renamed" and halo.count("/Team") == 1


def test_a_needed_list_grows_as_old_as_it_would_in_one_process(path):
    halo, lookups = after_another_process(path, 300)
    lookups.rows("team")
    halo.time += 299
    lookups.rows("team")
    assert halo.count("/Team") == 0
    halo.time += 1
    lookups.rows("team")
    assert halo.count("/Team") == 1


NEW_ROWS = {
    "status": {"id": 77, "name": "Brand new"},
    "priority": {"priorityid": 77, "slaid": 1, "name": "Brand new"},
    "category": {"id": 77, "value": "Brand new"},
}


@pytest.mark.parametrize("kind", list(PATHS))
@pytest.mark.parametrize("asked_by", ["id", "name"])
def test_what_the_kept_list_does_not_know_is_read_anew_once(path, kind, asked_by):
    halo, lookups = after_another_process(path, 60)
    halo.lists[PATHS[kind]] = [*LISTS[PATHS[kind]], NEW_ROWS.get(kind, {"id": 77, "name": "Brand new"})]
    for _ in range(2):
        found = lookups.name(kind, 77) if asked_by == "id" else lookups.number(kind, "brand NEW")
        assert found == ("Brand new" if asked_by == "id" else 77)
        assert lookups.name(kind, 1000) is None and lookups.number(kind, "Nowhere") is None
    assert halo.count(PATHS[kind]) == 1


def test_whether_a_new_status_closes_is_read_anew(path):
    halo, lookups = after_another_process(path, 60, status=STATUSES[:2])
    halo.lists["/Status"] = STATUSES
    assert lookups.closed(9) is True and lookups.closed(None) is None and halo.count("/Status") == 1


def test_what_no_list_knows_does_not_cost_each_process_a_request(path):
    """An agent who has left is in old tickets and in no list."""
    halo, lookups = after_another_process(path, 60)
    assert lookups.name("agent", 77) is None and halo.count("/Agent") == 1
    halo.time += 59
    assert halo.lookups(path).name("agent", 77) is None and halo.count("/Agent") == 1


@pytest.mark.parametrize("seconds", [0, 59, 599])
def test_who_needs_a_row_that_the_kept_list_does_not_have_reads_it_anew(path, seconds):
    halo, lookups = after_another_process(path, seconds)
    halo.lists["/Team"] = [*LISTS["/Team"], {"id": 77, "name": "Brand new"}]
    for _ in range(2):
        rows = lookups.rows("team", enough=lambda rows: any(row["id"] == 77 for row in rows))
        assert len(rows) == 4 and halo.count("/Team") == 1
    lookups.rows("team", enough=lambda rows: False)
    assert halo.count("/Team") == 1


@pytest.mark.parametrize("trouble", [error(403), error(503, "unavailable")], ids=["forbidden", "down"])
def test_kept_names_are_better_than_none(path, trouble):
    halo, lookups = after_another_process(path, 300)
    halo.trouble["/Team"] = trouble
    for _ in range(2):
        assert lookups.name("team", 77) is None and lookups.name("team", 4) == "Network"
    assert halo.count("/Team") == 1
    with pytest.raises(HaloError):
        lookups.rows("team")
    halo.trouble.clear()
    assert len(lookups.rows("team")) == 3


@pytest.mark.parametrize("status", [401, 403, 404])
def test_that_a_list_may_not_be_read_is_kept_for_ten_minutes(path, status):
    for seconds, asked in ((599, 0), (600, 1)):
        halo = Halo()
        halo.trouble["/Team"] = error(status)
        assert halo.lookups(path).name("team", 4) is None
        halo.time += seconds
        halo.asked.clear()
        assert halo.lookups(path).name("team", 4) is None and halo.count("/Team") == asked


def test_who_needs_a_list_that_could_not_be_read_asks_again(path):
    halo = Halo()
    halo.trouble["/Team"] = error(403)
    halo.lookups(path).name("team", 4)
    halo.trouble.clear()
    assert len(halo.lookups(path).rows("team")) == 3 and halo.lookups(path).name("team", 4) == "Network"


@pytest.mark.parametrize("place", ["/Status", "/Status?excludeclosed"])
def test_trouble_that_passes_is_kept_from_no_other_process(path, place):
    halo = Halo()
    halo.trouble[place] = error(503, "unavailable")
    halo.lookups(path).closed(9)
    halo.trouble.clear()
    assert halo.lookups(path).closed(9) is True


def test_only_the_fields_that_are_used_are_kept(path):
    person = {"id": 3, "name": "Kim", "email": "kim@example.com", "initials": "K", "nested": {"a": ["b"]}}
    after_another_process(path, agent=[person], category=[{"id": 31, "value": {"a": "odd"}, "name": "Good"}])
    text = path.read_text()
    assert '"Kim"' in text and "example.com" not in text and "initials" not in text and "nested" not in text
    assert "odd" not in text and '"Good"' in text and "aeb80996" not in text


@pytest.mark.parametrize(
    "rows", [5, [5], {}, [{"id": [1], "name": {}, "closed": "yes"}], [{}], [{"id": 1e999, "name": None}]], ids=str
)
def test_a_kept_list_of_another_shape_does_no_harm(path, rows):
    halo = Halo()
    answers = KeptAnswers(path, now=lambda: datetime(2026, 3, 2, tzinfo=timezone.utc) + timedelta(seconds=halo.time))
    for kind in PATHS:
        answers.put(kind, rows)
    halo.time += 60
    lookups = halo.lookups(path)
    for ticket, names in _TICKETS.values():
        assert lookups.names_for(ticket) == names


@pytest.mark.parametrize("row", [{}, {"closed": "yes"}, {"closed": [True]}, {"closed": 1}], ids=str)
def test_of_a_kept_status_only_yes_and_no_are_believed(path, row):
    halo = Halo()
    start = datetime(2026, 3, 2, tzinfo=timezone.utc) + timedelta(seconds=halo.time)
    KeptAnswers(path, now=lambda: start).put("status", [{"id": 9, "name": "Closed", **row}])
    lookups = halo.lookups(path)
    assert lookups.closed(9) is None and lookups.names_for({"status_id": 9}) == {"status_name": "Closed"}
    assert halo.asked == []


def test_twenty_threads_of_a_new_process_make_no_request(path):
    halo, lookups = after_another_process(path, 60)
    barrier, names = threading.Barrier(20), []

    def ask() -> None:
        barrier.wait(5)
        names.append((lookups.name("team", 4), lookups.closed(9)))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert names == [("Network", True)] * 20 and halo.asked == []


# ------------------------------------------------------------------------------------------------- fields of a type


@pytest.mark.parametrize(
    "answer, rows",
    [
        ({"id": 43, "fields": [{"id": 1, "technew": 2}, "x"]}, [{"id": 1, "technew": 2}]),
        ({"id": 43}, []),
        ({"id": 43, "fields": {}}, []),
        ([], []),
    ],
)
def test_the_fields_of_a_ticket_type(answer, rows):
    halo = Halo()
    halo.lists["/TicketType/43"] = answer
    assert halo.lookups().type_fields(43) == rows
    assert halo.asked == [("/TicketType/43", {"includedetails": "true"})]
