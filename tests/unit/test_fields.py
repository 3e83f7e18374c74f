"""Guards the fields sent to Halo: team by name, category in its own field, a summary of one line, others unchanged."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Request, Response
from komand_haloitsm.util.halo.tickets.fields import to_halo_fields
from komand_haloitsm.util.halo.tickets.lookups import Lookups

LISTS: dict[str, list[dict[str, Any]]] = {
    "/Team": [{"id": 4, "name": "Network"}, {"id": 5.0, "name": "Service Desk"}, {"id": 6}],
    "/Category": [
        {"id": 31, "type_id": 1, "value": "Hardware>Printer", "category_name": "Printer"},
        {"id": 32, "type_id": 2, "value": "Berlin"},
        {"id": 33, "type_id": "3", "category_name": "Third"},
        {"id": 34, "type_id": 4.0, "name": "Fourth"},
        {"id": 35, "value": "No level"},
        {"id": 36, "type_id": 9, "value": "Beyond"},
        {"id": 37, "type_id": 0, "value": "Zero"},
    ],
}


class Halo:
    """Answers the lists, and keeps what was asked for."""

    def __init__(self, lists: dict[str, Any]) -> None:
        self.lists = lists
        self.asked: list[str] = []

    def call(self, request: Request, _: Any) -> Response:
        self.asked.append(request.path)
        return Response(200, data=self.lists[request.path])


@pytest.fixture(name="halo")
def _halo() -> Halo:
    return Halo(LISTS)


@pytest.fixture(name="lookups")
def _lookups(halo: Halo) -> Lookups:
    return Lookups(ScriptedSession(halo.call, lambda: 0.0), logger=logging.getLogger("test"))


def test_fields_that_halo_takes_as_they_are_go_as_they_are(lookups, halo):
    fields = {
        "summary": "one line",
        "details": "two\nlines",
        "status_id": 2,
        "priority_id": 0,
        "agent_id": 1,
        "client_id": 12,
        "customfields": [{"name": "CFx", "value": None}],
        "empty": "",
        "none": None,
    }
    body = to_halo_fields(fields, lookups)
    assert body == fields and body is not fields and halo.asked == []


def test_the_fields_that_were_given_are_not_changed(lookups):
    fields = {"summary": "two\nlines", "team_id": 4, "category_id": 31}
    to_halo_fields(fields, lookups)
    assert fields == {"summary": "two\nlines", "team_id": 4, "category_id": 31}


@pytest.mark.parametrize("number, name", [(4, "Network"), (5, "Service Desk")])
def test_a_team_travels_by_its_name(lookups, number, name):
    assert to_halo_fields({"team_id": number}, lookups) == {"team": name}


@pytest.mark.parametrize(
    "number, expected",
    [
        (31, {"category_1": "Hardware>Printer"}),
        (32, {"category_2": "Berlin"}),
        (33, {"category_3": "Third"}),
        (34, {"category_4": "Fourth"}),
        (35, {"category_1": "No level"}),
        (36, {"category_1": "Beyond"}),
        (37, {"category_1": "Zero"}),
    ],
    ids=["the first", "the second", "the third", "the fourth", "without a level", "beyond the fourth", "level zero"],
)
def test_a_category_travels_as_its_value_in_its_own_field(lookups, number, expected):
    assert to_halo_fields({"category_id": number}, lookups) == expected


def test_neither_number_is_sent(lookups):
    assert not {"team_id", "category_id"} & set(
        to_halo_fields({"team_id": 4, "category_id": 31, "summary": "x"}, lookups)
    )


@pytest.mark.parametrize("fields", [{"team_id": None}, {"category_id": None}, {}], ids=["team", "category", "nothing"])
def test_what_is_not_given_is_not_looked_up(lookups, halo, fields):
    assert to_halo_fields(fields, lookups) == {} and halo.asked == []


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"team_id": 99}, ("team", "99", "4 Network", "5 Service Desk")),
        ({"team_id": -4}, ("team", "-4", "4 Network")),
        ({"team_id": 6}, ("team", "6")),
        ({"category_id": 99}, ("category", "99", "31 Hardware>Printer", "32 Berlin")),
        ({"team_id": 4, "category_id": 99}, ("category", "99")),
    ],
    ids=["team", "negative team", "a team without a name", "category", "a good team and a bad category"],
)
def test_what_does_not_exist_is_refused_and_what_exists_is_named(lookups, fields, words):
    with pytest.raises(HaloError) as caught:
        to_halo_fields(fields, lookups)
    told = f"{caught.value.cause} {caught.value.assistance}"
    assert caught.value.kind == "input" and [word for word in words if word not in told] == []


def test_an_instance_without_teams_is_told_as_such():
    lookups = Lookups(ScriptedSession(Halo({"/Team": []}).call), logger=logging.getLogger("test"))
    with pytest.raises(HaloError) as caught:
        to_halo_fields({"team_id": 4}, lookups)
    assert "empty" in caught.value.assistance


def test_a_thousand_teams_do_not_make_a_book_of_the_error():
    teams = [{"id": number, "name": f"Team {number}"} for number in range(1, 1001)]
    lookups = Lookups(ScriptedSession(Halo({"/Team": teams}).call), logger=logging.getLogger("test"))
    with pytest.raises(HaloError) as caught:
        to_halo_fields({"team_id": 5000}, lookups)
    assert len(caught.value.assistance) < 2000


def test_teams_that_may_not_be_read_are_an_error_before_anything_is_sent():
    def forbidden(*_: Any) -> Response:
        raise HaloError(kind="forbidden", cause="c", assistance="a", status=403)

    lookups = Lookups(ScriptedSession(forbidden), logger=logging.getLogger("test"))
    with pytest.raises(HaloError) as caught:
        to_halo_fields({"team_id": 4}, lookups)
    assert caught.value.kind == "forbidden"


@pytest.mark.parametrize(
    "summary, line",
    [("one\ntwo", "one two"), (" one \r\n two ", "one two"), ("one", "one"), (5, 5), (None, None)],
    ids=["two lines", "two lines with spaces", "one line", "no text", "null"],
)
def test_a_summary_has_one_line(lookups, summary, line):
    assert to_halo_fields({"summary": summary}, lookups) == {"summary": line}
