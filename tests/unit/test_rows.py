"""Guards the shapes of lists and single objects: an unknown shape is an error, never an empty list."""

from __future__ import annotations

from typing import Any

import pytest

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Request
from komand_haloitsm.util.halo.http.rows import rows_of, single

LIST = Request("GET", "/Tickets")
ONE = Request("POST", "/Tickets")
ROWS = [{"id": 1}, {"id": 2}]

_LISTS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a bare array": (ROWS, ROWS),
    "an empty array": ([], []),
    "an envelope": ({"record_count": 2, "tickets": ROWS}, ROWS),
    "an envelope with paging": ({"page_no": 1, "page_size": 50, "record_count": 900, "tickets": ROWS}, ROWS),
    "an envelope under the other key": ({"results": ROWS}, ROWS),
    "an empty envelope": ({"record_count": 0, "tickets": []}, []),
    "an envelope that leaves out what is empty": ({"record_count": 0}, []),
    "an envelope that has null for what is empty": ({"record_count": 0, "tickets": None}, []),
}


@pytest.mark.parametrize("data, rows", list(_LISTS.values()), ids=list(_LISTS))
def test_a_list(data, rows):
    assert rows_of(LIST, data, "tickets", "results") == rows


_NO_LIST: dict[str, Any] = {
    "null": None,
    "true": True,
    "a number": 0,
    "a text": "tickets",
    "an object": {},
    "an envelope of something else": {"record_count": 2, "clients": ROWS},
    "an envelope that counts rows it does not have": {"record_count": 2},
    "an envelope whose rows are an object": {"tickets": {"id": 1}},
    "an envelope whose rows are null": {"record_count": 3, "tickets": None},
    "an array of numbers": [1, 2],
    "an array with a null": [{"id": 1}, None],
    "an array of arrays": [[{"id": 1}]],
    "a single ticket": {"id": 1, "summary": "x"},
    "an error with 200": {"error": "no"},
}


@pytest.mark.parametrize("data", list(_NO_LIST.values()), ids=list(_NO_LIST))
def test_an_unknown_shape_is_an_error(data):
    with pytest.raises(HaloError) as caught:
        rows_of(LIST, data, "tickets", "results")
    assert caught.value.kind == "unknown_shape" and "tickets" in caught.value.cause


@pytest.mark.parametrize(
    "data, one",
    [
        ({"id": 7, "summary": "x"}, {"id": 7, "summary": "x"}),
        ([{"id": 7}], {"id": 7}),
        ({"id": "7"}, {"id": "7"}),
        ({"id": 7.0}, {"id": 7.0}),
    ],
    ids=["an object", "a list of one", "an id as text", "an id as float"],
)
def test_a_single_object(data, one):
    assert single(ONE, data) == one


@pytest.mark.parametrize(
    "data",
    [
        None,
        True,
        7,
        "7",
        [],
        [{"id": 1}, {"id": 2}],
        [[{"id": 1}]],
        {},
        {"id": None},
        {"id": 0},
        {"Message": "no"},
        [7],
    ],
    ids=repr,
)
def test_anything_else_than_one_object_with_an_id_is_an_error(data):
    with pytest.raises(HaloError) as caught:
        single(ONE, data)
    assert caught.value.kind == "unknown_shape"


@pytest.mark.parametrize("number", [True, "none", -1, 1.5, [7], {"id": 7}], ids=repr)
def test_an_object_whose_id_is_no_id_is_an_error(number):
    with pytest.raises(HaloError):
        single(ONE, {"id": number})
