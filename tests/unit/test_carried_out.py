"""Guards the comparison of an answer with what was sent: what is an error, what is told, and what tells nothing."""

from __future__ import annotations

from typing import Any

import pytest

from komand_haloitsm.util.halo.tickets.carried_out import Unlike, unlike

WHOLE = {
    "id": 7,
    "summary": "S",
    "details": "D",
    "status_id": 2,
    "priority_id": 3,
    "tickettype_id": 1,
    "team": "First Line",
    "agent_id": 1,
    "site_id": 18.0,
    "user_id": "52",
    "category_1": "Security>Malware",
    "impact": 2,
    "flagged": True,
    "deadlinedate": "2026-03-01T12:00:00.0000000Z",
    "tags": [{"id": 0, "text": "soc"}],
    "customfields": [],
}


def field(value: Any, **more: Any) -> dict[str, Any]:
    return {"id": 201, "name": "CFText", "type": 0, "value": value, **more}


def custom(sent: dict[str, Any], *rows: dict[str, Any]) -> Unlike:
    return unlike({"customfields": [sent]}, {**WHOLE, "customfields": list(rows)})


# What was sent, and what differs then.
FIELDS: dict[str, tuple[dict[str, Any], Unlike]] = {
    "nothing": ({}, Unlike()),
    "the same in other types": ({"site_id": 18, "user_id": 52, "impact": "2", "flagged": "true"}, Unlike()),
    "a team in another case": ({"team": "first line"}, Unlike()),
    "a date in another form": ({"deadlinedate": "2026-03-01T13:00:00+01:00"}, Unlike()),
    "a list is not looked into": ({"tags": [{"text": "other"}]}, Unlike()),
    "instructions": ({"dont_do_rules": True, "_novalidate": True}, Unlike()),
    "nobody": ({"agent_id": 1}, Unlike()),
    "a summary with words of a rule": ({"summary": "S"}, Unlike()),
    "another summary": ({"summary": "T"}, Unlike(unchanged=("summary",))),
    "other details as markup": ({"details_html": "<b>E</b>"}, Unlike(unchanged=("details",))),
    "another agent": ({"agent_id": 5}, Unlike(unchanged=("agent_id",))),
    "another category": ({"category_1": "Hardware"}, Unlike(unchanged=("category_id",))),
    "a category that is not there": ({"category_2": "Detected"}, Unlike(told=("category_id",))),
    "a parent that is not there": ({"parent_id": 9}, Unlike(told=("parent_id",))),
    "what rules change": (
        {"status_id": 3, "priority_id": 1, "tickettype_id": 21, "team": "Second Line"},
        Unlike(told=("status_id", "priority_id", "tickettype_id", "team_id")),
    ),
    "another value by Halo's name": ({"impact": 3, "flagged": False}, Unlike(unchanged=("impact", "flagged"))),
    "a name that Halo does not show": ({"impactt": 3}, Unlike(told=("impactt",))),
    "nothing by a name that Halo does not show": ({"impactt": None, "urgencyy": ""}, Unlike()),
}


@pytest.mark.parametrize("sent, expected", FIELDS.values(), ids=FIELDS)
def test_fields(sent: dict[str, Any], expected: Unlike) -> None:
    assert unlike(sent, WHOLE) == expected


def test_a_field_that_the_answer_does_not_have_tells_nothing() -> None:
    sent = {name: "other" for name in ("summary", "details", "team")} | {"status_id": 9, "agent_id": 5, "user_id": 5}
    assert unlike({**sent, "customfields": [field("x")]}, {"id": 7}) == Unlike()


def test_nobody_may_be_written_as_0() -> None:
    assert unlike({"agent_id": 1}, {"agent_id": 0}) == Unlike()


CUSTOM: dict[str, tuple[dict[str, Any], dict[str, Any], Unlike]] = {
    "by name": ({"name": "cftext", "value": "x"}, field("x"), Unlike()),
    "by id": ({"id": "201", "value": "x"}, field("x"), Unlike()),
    "as it is shown": ({"name": "CFText", "value": "High"}, field(3, display="High", type=2), Unlike()),
    "a number as text": ({"name": "CFText", "value": 3}, field("3.0"), Unlike()),
    "a check box": ({"name": "CFText", "value": "yes"}, field(True, type=6), Unlike()),
    "escaped": ({"name": "CFText", "value": "a & b"}, field("a &amp; b"), Unlike()),
    "another text": ({"name": "CFText", "value": "x"}, field("y"), Unlike(custom=("CFText",))),
    "another choice": ({"name": "CFText", "value": "High"}, field(3, display="Low", type=2), Unlike(told=("CFText",))),
    "without a value": ({"name": "CFText", "value": "x"}, field(None), Unlike(dropped=("CFText",))),
    "another field": ({"name": "CFOther", "value": "x"}, field("x"), Unlike(dropped=("CFOther",))),
    "another id": ({"id": 5, "value": "x"}, field("x"), Unlike(dropped=("5",))),
    "emptied": ({"name": "CFText", "value": ""}, field(None), Unlike()),
}


@pytest.mark.parametrize("sent, row, expected", CUSTOM.values(), ids=CUSTOM)
def test_custom_fields(sent: dict[str, Any], row: dict[str, Any], expected: Unlike) -> None:
    assert custom(sent, row) == expected


def test_all_names_what_differs() -> None:
    assert Unlike(("a",), ("b",), ("c",), ("d",)).all == ("a", "b", "c", "d")
