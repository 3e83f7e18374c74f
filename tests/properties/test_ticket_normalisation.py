"""Any JSON object of Halo's becomes the plugin's ticket type, or less of it, and never an exception."""

import json
import math
from datetime import datetime, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from komand_haloitsm.actions.get_ticket.schema import GetTicketOutput
from komand_haloitsm.util.halo.changes import snapshot_of
from komand_haloitsm.util.halo.tickets.output import from_halo
from komand_haloitsm.util.halo.values.dates import format_date, parse_date
from komand_haloitsm.util.halo.values.ids import LARGEST_ID, as_id
from komand_haloitsm.util.halo.values.sort_key import SortKey

from .values import ANY_JSON, DATES, IDS, TEXTS, TICKETS

API = "https://desk.example.com/api"
SCHEMA = GetTicketOutput().schema
VALID = Draft202012Validator(SCHEMA)
DECLARED = set(SCHEMA["definitions"]["ticket"]["properties"])
DATE_FIELDS = ("dateoccurred", "datecreated", "datemodified")
# What Lookups.names_for may know (see test_names.py).
NAMES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("status_name", "priority_name", "agent_name", "team_name"), st.text(min_size=1, max_size=5)),
        "team_id": st.integers(1, 9),
        "category_id": st.integers(1, 9),
        "closed": st.booleans(),
    },
)


def checked(ticket, names):
    out = from_halo(ticket, names, API)
    VALID.validate({"found": True, "ticket": out})
    assert set(out) <= DECLARED
    assert None not in out.values()
    assert all(None not in field.values() for field in out.get("customfields", ()))
    return out


@given(TICKETS, NAMES)
def test_any_ticket_fits_the_type(ticket, names):
    before = repr(ticket)
    out = checked(ticket, names)
    assert repr(ticket) == before, "the ticket that came in was changed"
    assert ("url" in out) == ("id" in out) == (as_id(ticket.get("id")) is not None)
    assert all(0 < out[name] <= LARGEST_ID for name in out if name.endswith("_id") or name == "id")


@given(TICKETS)
def test_dates_are_utc_and_stay_as_they_are_when_read_again(ticket):
    out = checked(ticket, {})
    dates = {name: out[name] for name in DATE_FIELDS if name in out}
    again = {**dates, **({"last_update": dates["datemodified"]} if "datemodified" in dates else {})}
    assert {name: value for name, value in checked(again, {}).items() if name in DATE_FIELDS} == dates
    for text in dates.values():
        moment = datetime.fromisoformat(text)
        assert text.endswith("Z") and moment.utcoffset().total_seconds() == 0 and moment.year > 1900


@given(TICKETS)
def test_normalising_twice_changes_no_field_that_keeps_its_name(ticket):
    once = checked(ticket, {})
    twice = checked(once, {})
    same = set(once) - {"datemodified", "category", "closed"}
    assert {name: repr(once[name]) for name in same} == {name: repr(twice.get(name)) for name in same}


@given(DATES | TEXTS | ANY_JSON)
def test_a_date_is_a_moment_or_nothing(value):
    moment = parse_date(value)
    assert moment is None or (moment.tzinfo is timezone.utc and parse_date(format_date(moment)) == moment)
    assert (SortKey.of(value) == "") == (moment is None)


@given(IDS | ANY_JSON)
def test_an_id_is_a_positive_integer_or_nothing(value):
    number = as_id(value)
    assert number is None or (type(number) is int and 0 < number <= LARGEST_ID)
    assert isinstance(value, (int, float, str)) or number is None
    assert number is None or as_id(number) == as_id(str(number)) == number


@given(TICKETS)
def test_any_ticket_is_a_snapshot_or_none_and_a_snapshot_holds_no_text(ticket):
    snapshot = snapshot_of(ticket)
    assert (snapshot is None) == (as_id(ticket.get("id")) is None)
    assert snapshot is None or all(type(value) is int for value in snapshot.content_key.values())


@given(DATES)
@example("2024-08-12T15:54:54.219984٤Z")
def test_a_sort_key_is_ascii_so_that_it_sorts_by_time(value):
    text = SortKey.of(value)
    assert text.isascii() and len(text) in (0, 29)


def _is_strict_json(value):
    json.dumps(value, allow_nan=False)
    return True


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_what_goes_out_is_json(number):
    halo_says = '{"id": 5, "customfields": [{"id": 1, "name": "CFcost", "value": %s}]}' % number
    assert not math.isfinite(json.loads(halo_says)["customfields"][0]["value"])
    assert _is_strict_json(checked(json.loads(halo_says), {}))


@pytest.mark.parametrize("markup", ["<p>array<![0]></p>", "<![foo[ bar ]]>", "a <![ b"])
def test_markup_that_python_cannot_parse_is_text_all_the_same(markup):
    assert checked({"id": 5, "details_html": markup}, {})["id"] == 5
