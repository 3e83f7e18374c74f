"""Search filters and list shapes: nothing that contradicts stays, no unknown shape reads as an empty list."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from hypothesis import assume, given
from hypothesis import strategies as st

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Request
from komand_haloitsm.util.halo.http.rows import rows_of, single, total_of
from komand_haloitsm.util.halo.tickets.filters import PageEnd, TicketFilter
from komand_haloitsm.util.halo.values.dates import format_date
from komand_haloitsm.util.halo.values.ids import as_id

from .values import ANY_JSON, DATES, IDS, TEXTS, TICKETS

MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))
NUMBERS = st.none() | st.integers(1, 40)
FILTERS = st.builds(
    TicketFilter,
    summary_contains=st.none() | TEXTS,
    status_id=NUMBERS,
    agent_id=NUMBERS,
    team_id=NUMBERS,
    priority_id=NUMBERS,
    created_after=st.none() | MOMENTS,
    created_before=st.none() | MOMENTS,
)
REQUEST = Request("GET", "/Tickets")
SPELLINGS = (int, float, str, lambda number: f" {number} ", lambda number: f"{number}.0")


@given(FILTERS, TICKETS, st.none() | TEXTS)
def test_any_row_is_judged_without_an_exception(wanted, row, team):
    assert wanted.matches(row, team) in (True, False)
    assert wanted.checks_rows or wanted.matches(row, team)


@given(
    FILTERS,
    TICKETS,
    st.sampled_from(["status_id", "agent_id", "team_id", "priority_id"]),
    st.integers(1, 40),
    st.integers(-1, 60),
    st.sampled_from(SPELLINGS),
)
def test_a_row_with_another_id_never_stays(wanted, row, name, number, other, spelled):
    assume(other != number)
    wanted = replace(wanted, **{name: number})
    assert not wanted.matches({**row, name: spelled(other)})


@given(FILTERS, TICKETS, st.text(min_size=1, max_size=5).filter(str.strip), TEXTS)
def test_a_row_with_another_summary_never_stays(wanted, row, part, summary):
    assume(part.strip().casefold() not in summary.casefold())
    assert not replace(wanted, summary_contains=part).matches({**row, "summary": summary})


@given(FILTERS, TICKETS, MOMENTS, st.timedeltas(timedelta(microseconds=1), timedelta(days=9000)), st.booleans())
def test_a_row_from_another_time_never_stays(wanted, row, moment, away, too_early):
    wanted = replace(wanted, **{"created_after" if too_early else "created_before": moment})
    occurred = moment - away if too_early else moment + away
    assume(1901 < occurred.year < 2200)
    assert not wanted.matches({**row, "dateoccurred": format_date(occurred)})


@given(FILTERS, st.sampled_from(SPELLINGS), TEXTS, TEXTS)
def test_a_row_that_agrees_stays(wanted, spelled, before, after):
    assume(not (wanted.created_after and wanted.created_before) or wanted.created_after <= wanted.created_before)
    row = {
        name: spelled(getattr(wanted, name))
        for name in ("status_id", "agent_id", "team_id", "priority_id")
        if getattr(wanted, name)
    }
    if wanted.summary_contains is not None:
        row["summary"] = before + wanted.summary_contains + after
    moment = wanted.created_after or wanted.created_before
    if moment:
        row["dateoccurred"] = format_date(moment)
    # Upper and lower case is not always as long in one as in the other, and "ς" is "σ" in the middle of a word.
    assume(not wanted.summary_contains or wanted.summary_contains.strip().casefold() in row["summary"].casefold())
    assert wanted.matches(row, None)


@given(
    st.dictionaries(
        st.sampled_from(["status_id", "agent_id", "team", "priority", "search_summary", "x"]), IDS | ANY_JSON
    )
)
def test_halos_own_parameters_become_texts_and_none_is_lost(parameters):
    query = TicketFilter.from_halo(parameters).query()
    assert all(isinstance(value, str) for value in query.values())
    assert set(query) == {name for name, value in parameters.items() if value is not None}


@given(
    st.fixed_dictionaries({}, optional={"tickets": ANY_JSON, "record_count": ANY_JSON, "x": ANY_JSON})
    | st.lists(TICKETS | ANY_JSON, max_size=3)
    | ANY_JSON
)
def test_any_answer_is_a_list_of_objects_or_an_error(data):
    try:
        rows = rows_of(REQUEST, data, "tickets", "results")
    except HaloError as error:
        assert error.kind == "unknown_shape" and error.cause and error.assistance
        return
    assert all(isinstance(row, dict) for row in rows)
    assert rows or data == [] or data.get("record_count") == 0 or [] in data.values()


@given(TICKETS | st.lists(TICKETS, max_size=2) | ANY_JSON)
def test_any_answer_is_one_object_or_an_error(data):
    try:
        one = single(REQUEST, data)
    except HaloError as error:
        assert error.kind == "unknown_shape"
        return
    assert isinstance(one, dict) and one["id"] and one in (data, data[0] if isinstance(data, list) else data)


@given(st.lists(st.tuples(st.integers(0, 300), DATES | ANY_JSON | st.fixed_dictionaries({"record_count": ANY_JSON}))))
def test_whether_a_page_is_the_last_is_always_known(pages):
    end, longest, so_far = PageEnd(), 0, 0
    for rows, envelope in pages:
        last, so_far = end.is_last(rows, envelope), so_far + rows
        more = rows >= longest or (total_of(envelope) or 0) > so_far
        assert last is True or (rows > 0 and more and last is False)
        longest = max(longest, rows)


def test_an_id_of_a_spelling_is_the_id():
    assert {as_id(spelled(7)) for spelled in SPELLINGS} == {7}
