"""Guards the inputs: what counts as not given, what is refused, and that no refusal repeats what was typed."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from komand_haloitsm.util.halo.errors import InvalidInput
from komand_haloitsm.util.halo.values.ids import positive_id
from komand_haloitsm.util.insightconnect.errors import HaloITSMError
from komand_haloitsm.util.insightconnect.inputs import (
    given_date,
    given_flag,
    given_id,
    given_ids,
    given_number,
    given_objects,
    given_text,
    required_id,
    required_text,
    secret_text,
)

MISSING = object()


def params(value: Any) -> dict[str, Any]:
    return {} if value is MISSING else {"field": value}


def refused(call: Any, *args: Any, **more: Any) -> HaloITSMError:
    with pytest.raises(HaloITSMError) as caught:
        call(*args, **more)
    assert caught.value.kind == "input"
    return caught.value


_NOT_GIVEN = {"missing": MISSING, "null": None, "empty": ""}
_NO_ID = {**_NOT_GIVEN, "zero": 0, "zero as float": 0.0}
_GOOD_IDS = {
    "one": (1, 1),
    "a large one": (2**31 - 1, 2**31 - 1),
    "a float": (18.0, 18),
    "a text": ("18", 18),
    "a text with spaces": (" 18 ", 18),
    "a text of a float": ("18.0", 18),
    "beyond 53 bits": (2**53 + 1, 2**53 + 1),
}
_BAD_IDS = {
    "negative": -1,
    "a negative text": "-7",
    "a fraction": 1.5,
    "a fraction as text": "1.5",
    "true": True,
    "false": False,
    "a word": "private-words",
    "spaces": "  ",
    "a list": [5],
    "an empty list": [],
    "an object": {"id": 5},
    "bytes": b"5x",
    "not a number": float("nan"),
    "infinity": float("inf"),
    "a text of infinity": "inf",
    "more than a float holds": 10**400,
    "more than a float holds, negative": -(10**400),
    "a text with more": "18 or 1=1",
    "hexadecimal": "0x10",
}


@pytest.mark.parametrize("value", list(_NO_ID.values()), ids=list(_NO_ID))
def test_an_id_that_is_not_given(value):
    assert given_id(params(value), "field") is None
    assert "field" in refused(required_id, params(value), "field").cause
    assert given_ids(params(value), "field") == {}


@pytest.mark.parametrize("value, number", list(_GOOD_IDS.values()), ids=list(_GOOD_IDS))
def test_an_id(value, number):
    for found in (given_id(params(value), "field"), required_id(params(value), "field")):
        assert found == number and type(found) is int
    assert given_ids(params(value), "field", "other") == {"field": number}


_HUGE = ("more than a float holds", "more than a float holds, negative")


@pytest.mark.parametrize("value", list(_BAD_IDS.values()), ids=list(_BAD_IDS))
@pytest.mark.parametrize("read", [given_id, required_id, given_ids])
def test_what_is_no_id_is_refused(read, value):
    error = refused(read, params(value), "field")
    assert "field" in error.cause and "private-words" not in f"{error.cause}{error.assistance}{error.data}"


def test_a_long_id_as_text_keeps_its_last_digit():
    assert given_id({"field": "9007199254740993"}, "field") == 9007199254740993


# ------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize("value", list(_NOT_GIVEN.values()), ids=list(_NOT_GIVEN))
def test_a_text_that_is_not_given(value):
    assert given_text(params(value), "field") is None
    refused(required_text, params(value), "field")


@pytest.mark.parametrize("value", [" ", "\n\t ", "\u00a0", "\u3000"], ids=repr)
def test_white_space_is_no_required_text(value):
    assert given_text(params(value), "field") == value
    refused(required_text, params(value), "field")


@pytest.mark.parametrize(
    "value", ["x", " two \n lines ", "0", "null", "<b>&amp;</b>", "\x00\x1b", "😀", "a" * 10_000_000]
)
def test_a_text_stays_letter_for_letter(value):
    assert given_text(params(value), "field") == value
    assert required_text(params(value), "field") == value


@pytest.mark.parametrize("value", [0, 1, 1.5, True, False, [], ["x"], {}, b"x"], ids=repr)
def test_what_is_no_text_is_refused(value):
    refused(given_text, params(value), "field")
    refused(required_text, params(value), "field")


# ------------------------------------------------------------------------------------------------------ flag, number


@pytest.mark.parametrize("value", list(_NOT_GIVEN.values()), ids=list(_NOT_GIVEN))
@pytest.mark.parametrize("default", [True, False])
def test_a_flag_that_is_not_given(value, default):
    assert given_flag(params(value), "field", default) is default


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("default", [True, False])
def test_a_flag_is_what_was_given(value, default):
    assert given_flag(params(value), "field", default) is value


@pytest.mark.parametrize("value", ["true", "false", "no", 2, 1.0, [], [False], {}], ids=repr)
def test_what_is_no_flag_is_refused(value):
    refused(given_flag, params(value), "field", True)


_BOUNDS = {"default": 50, "lowest": 1, "highest": 10_000}


@pytest.mark.parametrize("value", list(_NO_ID.values()), ids=list(_NO_ID))
def test_a_number_that_is_not_given(value):
    assert given_number(params(value), "field", **_BOUNDS) == 50


@pytest.mark.parametrize("value, number", [(1, 1), (10_000, 10_000), (7.0, 7), ("7", 7)], ids=repr)
def test_a_number_within_bounds(value, number):
    found = given_number(params(value), "field", **_BOUNDS)
    assert found == number and type(found) is int


@pytest.mark.parametrize(
    "value", [-1, 10_001, 1.5, True, False, "ten", [], {}, float("inf"), 10**400], ids=lambda v: str(v)[:9]
)
def test_a_number_out_of_bounds_is_refused_with_the_bounds(value):
    cause = refused(given_number, params(value), "field", **_BOUNDS).cause
    assert "from 1 to 10000" in cause


# ---------------------------------------------------------------------------------------------------------- objects


@pytest.mark.parametrize("value", [*_NOT_GIVEN.values(), []], ids=[*_NOT_GIVEN, "an empty list"])
def test_objects_that_are_not_given(value):
    assert given_objects(params(value), "field") is None


@pytest.mark.parametrize(
    "value",
    [
        [{"name": "CFa", "value": 0}],
        [{"id": 5, "value": None}],
        [{"name": "CFa", "value": ""}, {"name": "CFb", "value": [1, {"deep": None}]}],
    ],
    ids=["zero as value", "null as value", "several"],
)
def test_objects_are_handed_on_as_given(value):
    found = given_objects(params(value), "field")
    assert found == value and found is not value


@pytest.mark.parametrize(
    "value",
    [
        {"name": "CFa"},
        "CFa",
        5,
        True,
        [None],
        ["CFa"],
        [[{"name": "CFa"}]],
        [{}],
        [{"value": 1}],
        [{"name": "", "id": 0}],
    ],
    ids=repr,
)
def test_what_are_no_objects_is_refused(value):
    refused(given_objects, params(value), "field")


# ------------------------------------------------------------------------------------------------------------- date


@pytest.mark.parametrize(
    "value", [*_NOT_GIVEN.values(), "0001-01-01T00:00:00Z"], ids=[*_NOT_GIVEN, "the runtime's date for not given"]
)
def test_a_date_that_is_not_given(value):
    assert given_date(params(value), "field") is None


@pytest.mark.parametrize(
    "value, hour",
    [("2026-01-31T08:00:00Z", 8), ("2026-01-31T08:00:00", 8), ("2026-01-31T08:00:00+02:00", 6), ("2026-01-31", 0)],
)
def test_a_date(value, hour):
    assert given_date(params(value), "field") == datetime(2026, 1, 31, hour, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "value", ["yesterday", "31.01.2026", "2026-02-30", "1900-01-01", " ", 5, True, [], {"date": "2026-01-31"}], ids=repr
)
def test_what_is_no_date_is_refused(value):
    refused(given_date, params(value), "field")


# --------------------------------------------------------------------------------------------- what protects updates


@pytest.mark.parametrize("value", [1, 4242, 2**40])
def test_a_positive_number_may_be_sent_as_the_id_of_an_update(value):
    assert positive_id(value) == value


@pytest.mark.parametrize("value", [0, -1, None, True, False, "5", "", 5.0, [5], {"id": 5}, float("nan")], ids=repr)
def test_nothing_else_may_be_sent_as_the_id_of_an_update(value):
    with pytest.raises(InvalidInput) as caught:
        positive_id(value)
    assert caught.value.kind == "input"


# ------------------------------------------------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    "value, text",
    [
        ({"secretKey": "not-a-secret"}, "not-a-secret"),
        ("not-a-secret", "not-a-secret"),
        (" not-a-secret\n", "not-a-secret"),
        ({"secretKey": " with + / = & "}, "with + / = &"),
        ({"secretKey": ""}, ""),
        ({"secretKey": None}, ""),
        ({"secretKey": {"secretKey": "not-a-secret"}}, ""),
        ({"secretkey": "not-a-secret"}, ""),
        ({}, ""),
        (None, ""),
        (5, ""),
        (["not-a-secret"], ""),
    ],
    ids=repr,
)
def test_a_credential(value, text):
    assert secret_text(value) == text
