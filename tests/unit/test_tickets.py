"""Guards the conversion of any Halo ticket to the plugin's ``ticket`` type: nothing null or invented, all typed."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timezone
from typing import Any

import jsonschema
import pytest

from komand_haloitsm.actions.get_ticket.schema import GetTicketOutput
from komand_haloitsm.util.halo.tickets.output import UNASSIGNED, created_at, from_halo, is_closed
from komand_haloitsm.util.halo.values.ids import as_id

API = "https://desk.example.com/api"
_FORMATS = jsonschema.FormatChecker()


@_FORMATS.checks("date-time")
def _is_utc_date_time(text: Any) -> bool:
    return isinstance(text, str) and text.endswith("Z") and bool(datetime.fromisoformat(text))


_DEFINITION = {**GetTicketOutput.schema["definitions"]["ticket"], "additionalProperties": False}
_SCHEMA = jsonschema.Draft7Validator(_DEFINITION, format_checker=_FORMATS)

# As the facts show them: a row of the list, a whole ticket, the answer to a POST, the ticket in a webhook.
ROW: dict[str, Any] = {
    "id": 4242,
    "summary": "Printer on fire",
    "dateoccurred": "2024-08-12T15:54:54.2199844Z",
    "status_id": 2,
    "tickettype_id": 43,
    "priority_id": 3,
    "client_id": 12,
    "client_name": "Acme",
    "site_id": 18.0,
    "site_name": "Main",
    "user_id": 7,
    "user_name": "Jo Doe",
    "team": "Service Desk",
    "agent_id": 5,
    "category_1": "Hardware>Printer",
    "categoryid_1": 31,
    "last_update": "2024-08-13T01:02:03.0000000Z",
    "hasbeenclosed": False,
}
DETAIL: dict[str, Any] = {
    **{name: value for name, value in ROW.items() if name != "categoryid_1"},
    "details": "It burns.",
    "details_html": "<p>It burns.</p>",
    "datecreated": "2024-08-12T15:54:55.1Z",
    "team_id": 4,
    "priority": {"id": "aeb80996-724c-e811-892e-b01041c8667a", "slaid": 1, "priorityid": 3, "name": "Medium"},
    "parent_id": 4000,
    "customfields": [{"id": 9, "name": "CFimpact", "value": 2, "display": "High", "type": 2}],
    "targetdate": "1900-01-01T00:00:00",
    "slaactiondate": "0001-01-01T00:00:00",
}
POST_ANSWER: dict[str, Any] = {
    **{name: value for name, value in DETAIL.items() if name != "last_update"},
    "flastupdate": "2024-08-12T15:54:56.7654321",
}
WEBHOOK: dict[str, Any] = {
    "id": 4242,
    "summary": "..",
    "status_id": 9,
    "tickettype_id": 25,
    "client_id": 1,
    "team_id": 5,
    "agent_id": 3,
    "customfields": [],
    "hasbeenclosed": True,
}
_SAMPLES = {"a list row": ROW, "a detail": DETAIL, "a POST answer": POST_ANSWER, "a webhook's ticket": WEBHOOK}


def output(ticket: dict[str, Any], **names: Any) -> dict[str, Any]:
    """The output. Each use checks that it keeps the schema and holds nothing empty."""
    before = copy.deepcopy(ticket)
    out = from_halo(ticket, names, API)
    assert ticket == before
    problems = sorted(f"{error.json_path}: {error.message}" for error in _SCHEMA.iter_errors(out))
    assert problems == []
    assert [name for name, value in out.items() if value is None] == []
    json.dumps(out, allow_nan=False)
    return out


@pytest.mark.parametrize("ticket", list(_SAMPLES.values()), ids=list(_SAMPLES))
def test_every_source_gives_the_ticket_type(ticket):
    assert output(ticket)["id"] == 4242


def test_a_list_row():
    assert output(
        ROW, status_name="In Progress", priority_name="Medium", agent_name="Kim", team_id=4, closed=False
    ) == {
        "id": 4242,
        "summary": "Printer on fire",
        "tickettype_id": 43,
        "status_id": 2,
        "status_name": "In Progress",
        "priority_id": 3,
        "priority_name": "Medium",
        "category_id": 31,
        "category": "Hardware>Printer",
        "agent_id": 5,
        "agent_name": "Kim",
        "team_id": 4,
        "team_name": "Service Desk",
        "client_id": 12,
        "client_name": "Acme",
        "site_id": 18,
        "site_name": "Main",
        "user_id": 7,
        "user_name": "Jo Doe",
        "dateoccurred": "2024-08-12T15:54:54.219984Z",
        "datemodified": "2024-08-13T01:02:03Z",
        "closed": False,
        "url": "https://desk.example.com/ticket?id=4242",
    }


def test_a_detail_has_what_a_list_row_lacks():
    out = output(DETAIL)
    assert out["details"] == "It burns." and out["priority_name"] == "Medium" and out["parent_id"] == 4000
    assert out["datecreated"] == "2024-08-12T15:54:55.1Z" and out["team_id"] == 4
    assert out["customfields"] == DETAIL["customfields"]


def test_an_older_post_answer_tells_the_change_in_its_own_spelling():
    assert output(POST_ANSWER)["datemodified"] == "2024-08-12T15:54:56.765432Z"


def test_nothing_at_all_gives_nothing_at_all():
    assert output({}) == {}


@pytest.mark.parametrize("ticket", list(_SAMPLES.values()), ids=list(_SAMPLES))
def test_absent_stays_absent_field_by_field(ticket):
    whole = output(ticket)
    for name in ticket:
        out = output({other: value for other, value in ticket.items() if other != name})
        assert set(out) <= set(whole)


@pytest.mark.parametrize("ticket", list(_SAMPLES.values()), ids=list(_SAMPLES))
@pytest.mark.parametrize(
    "odd",
    [
        None,
        "",
        0,
        -1,
        1.5,
        True,
        False,
        float("nan"),
        float("inf"),
        10**400,
        "text",
        [],
        {},
        [None],
        [{"name": None, "id": 3}],
        {"name": None},
        {"name": 5},
        "0001-01-01T00:00:00",
        "1900-01-01T00:00:00",
        "2024-99-99",
    ],
    ids=lambda odd: f"{type(odd).__name__} {str(odd)[:25]}",
)
def test_no_odd_value_in_any_field_breaks_the_type(ticket, odd):
    for name in (*ticket, "details", "team_name", "category_id", "status_name", "agent_name", "priority", "dateclosed"):
        if name == "id" and as_id(odd) is not None:
            continue
        try:
            output({**ticket, name: odd})
        except ValueError as error:  # json.dumps: a text made of a float that JSON does not have is no matter
            raise AssertionError(f"{name}: {error}") from None


@pytest.mark.parametrize("ticket", list(_SAMPLES.values()), ids=list(_SAMPLES))
def test_a_ticket_full_of_nulls_gives_no_null(ticket):
    assert output({name: None for name in ticket}) == {}


def test_sentinel_dates_are_dropped_and_the_next_spelling_is_taken():
    ticket = {
        "id": 1,
        "dateoccurred": "1899-12-30T00:00:00",
        "datecreated": "0001-01-01T00:00:00",
        "last_update": "1900-01-01T00:00:00Z",
        "lastupdate": "2020-01-01T00:00:00Z",
    }
    out = output(ticket)
    assert "dateoccurred" not in out and "datecreated" not in out and out["datemodified"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"last_update": "2024-01-02T00:00:00Z", "flastupdate": "2023-01-02T00:00:00Z"}, "2024-01-02T00:00:00Z"),
        ({"flastupdate": "2023-01-02T00:00:00Z"}, "2023-01-02T00:00:00Z"),
        ({"datemodified": "2023-01-02T00:00:00Z", "dateupdated": "2023-01-02T00:00:00Z"}, None),
        ({"lastactiondate": "2023-01-02T00:00:00Z"}, None),
    ],
    ids=["the present name wins", "the older name", "names that Halo does not have", "the last action is no change"],
)
def test_datemodified_is_halos_last_update(fields, expected):
    assert output({"id": 1, **fields}).get("datemodified") == expected


@pytest.mark.parametrize("agent", [1, 1.0, "1"], ids=repr)
def test_agent_1_is_unassigned_by_id_and_name(agent):
    out = output({"id": 1, "agent_id": agent})
    assert out["agent_id"] == UNASSIGNED == 1 and out["agent_name"] == "Unassigned"


@pytest.mark.parametrize("nobody", [0, -1, None, ""], ids=repr)
def test_ids_that_stand_for_none_are_absent(nobody):
    out = output({"id": 1, "agent_id": nobody, "parent_id": nobody, "team_id": nobody})
    assert not {"agent_id", "parent_id", "team_id"} & set(out)


def test_another_agent_keeps_the_name():
    assert output({"id": 1, "agent_id": 2, "agent_name": "Kim"})["agent_name"] == "Kim"


def test_the_ticket_knows_better_than_the_lookups():
    ticket = {"id": 1, "status_id": 2, "status_name": "Mine", "team": "Mine", "agent_id": 3, "agent_name": "Mine"}
    out = output(ticket, status_name="Theirs", team_name="Theirs", agent_name="Theirs")
    assert {out["status_name"], out["team_name"], out["agent_name"]} == {"Mine"}


def test_the_lookups_fill_what_the_ticket_lacks():
    out = output(WEBHOOK, status_name="Closed", team_name="Network", agent_name="Kim", priority_name="Low")
    assert (out["status_name"], out["team_name"], out["agent_name"], out["priority_name"]) == (
        "Closed",
        "Network",
        "Kim",
        "Low",
    )


def test_the_team_comes_as_a_name_and_the_number_from_the_lookups():
    assert output({"id": 1, "team": "Network"}, team_id=4)["team_id"] == 4


def test_details_come_from_the_markup_where_there_is_no_text():
    assert output({"id": 1, "details_html": "<p>one</p><p>two &amp; three</p>"})["details"] == "one\ntwo & three"
    assert output({"id": 1, "details": "text", "details_html": "<p>markup</p>"})["details"] == "text"
    assert "details" not in output({"id": 1, "details_html": "<p> </p>"})


def test_custom_fields_keep_their_values_and_lose_their_nulls():
    fields = [{"id": 1, "name": "CFa", "value": 0}, {"id": 2, "name": "CFb", "value": None}, "odd", None]
    assert output({"id": 1, "customfields": fields})["customfields"] == [
        {"id": 1, "name": "CFa", "value": 0},
        {"id": 2, "name": "CFb"},
    ]


def test_an_empty_list_of_custom_fields_is_one():
    assert output({"id": 1, "customfields": []})["customfields"] == []


def test_without_an_id_there_is_no_link():
    assert "url" not in output({"summary": "x"})


# --------------------------------------------------------------------------------------------------- closed or not

_CLOSED = {
    "the status is a closed one": ({"hasbeenclosed": False}, True, True),
    "the status is an open one, though it has been closed before": (
        {"hasbeenclosed": True, "dateclosed": "2024-01-01T00:00:00Z"},
        False,
        False,
    ),
    "the date of closure tells": ({"dateclosed": "2024-01-01T00:00:00Z"}, None, True),
    "a date of closure that stands for none does not": ({"dateclosed": "1900-01-01T00:00:00"}, None, None),
    "the flag tells": ({"hasbeenclosed": True}, None, True),
    "the flag tells that it is open": ({"hasbeenclosed": False}, None, False),
    "nothing tells": ({}, None, None),
    "a flag that is no flag tells nothing": ({"hasbeenclosed": "false"}, None, None),
}


@pytest.mark.parametrize("ticket, status, expected", list(_CLOSED.values()), ids=list(_CLOSED))
def test_closed(ticket, status, expected):
    assert is_closed(ticket, status) is expected
    out = output({"id": 1, **ticket}, **({} if status is None else {"closed": status}))
    assert out.get("closed") is expected


def test_created_at_takes_what_there_is():
    moment = datetime(2024, 8, 12, 15, 54, 55, 100000, tzinfo=timezone.utc)
    assert created_at(DETAIL) == moment
    assert created_at(ROW) == datetime(2024, 8, 12, 15, 54, 54, 219984, tzinfo=timezone.utc)
    assert created_at({**ROW, "datecreated": "1900-01-01T00:00:00"}) == created_at(ROW)
    assert created_at({}) is None


# ---------------------------------------------------------------------------------------------------------- as_id

_IDS = {
    "a number": (18, 18),
    "a float": (18.0, 18),
    "a text": ("18", 18),
    "a text of a float": ("18.0", 18),
    "spaces around": (" 18 ", 18),
    "a large number": (2**53 + 1, 2**53 + 1),
    "one": (1, 1),
    "zero": (0, None),
    "zero as float": (0.0, None),
    "minus one": (-1, None),
    "minus one as text": ("-1", None),
    "a fraction": (18.5, None),
    "a fraction as text": ("18.5", None),
    "true": (True, None),
    "false": (False, None),
    "null": (None, None),
    "an empty text": ("", None),
    "a word": ("eighteen", None),
    "a GUID": ("aeb80996-724c-e811-892e-b01041c8667a", None),
    "not a number": (float("nan"), None),
    "not a number, as text": ("nan", None),
    "infinity": (float("inf"), None),
    "infinity as text": ("-inf", None),
    "hexadecimal": ("0x12", None),
    "a list": ([18], None),
    "an object": ({"id": 18}, None),
    "bytes": (b"18", None),
    "four hundred digits": ("9" * 400, None),
}


@pytest.mark.parametrize("value, expected", list(_IDS.values()), ids=list(_IDS))
def test_as_id(value, expected):
    number = as_id(value)
    assert number == expected and type(number) is type(expected)


def test_a_long_number_as_text_keeps_its_last_digit():
    assert as_id("9007199254740993") == 9007199254740993
