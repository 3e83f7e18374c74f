"""Names for a ticket, from whatever Halo's lists hold."""

import logging

from hypothesis import given
from hypothesis import strategies as st
from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Response
from komand_haloitsm.util.halo.tickets.lookups import Lookups

from .test_ticket_normalisation import checked
from .values import ANY_JSON, IDS, TEXTS, TICKETS

# Only a few, so that the ids of tickets and rows often agree.
FEW = st.sampled_from([1, 2, 2.0, "2", 3])
ROWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("id", "priorityid", "slaid", "type_id"), FEW | IDS | ANY_JSON),
            **dict.fromkeys(("name", "value", "category_name"), TEXTS | ANY_JSON),
        },
    ),
    max_size=4,
)
LISTS = st.dictionaries(
    st.sampled_from(["/Status", "/Priority", "/Team", "/Agent", "/Category", "/TicketType"]),
    ROWS | ROWS.map(lambda rows: {"results": rows}) | ANY_JSON | st.just("refused"),
)
NAMED = st.builds(
    lambda ticket, ids: {**ticket, **ids},
    TICKETS,
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("status_id", "priority_id", "agent_id", "team_id", "sla_id"), FEW)
    ),
)
KINDS = ("status", "priority", "team", "agent", "category", "tickettype")
QUIET = logging.getLogger("komand_haloitsm.test")
QUIET.setLevel(logging.CRITICAL)


def lookups_of(lists):
    def call(request, _):
        if lists.get(request.path) == "refused":
            raise HaloError(kind="forbidden", cause="c", assistance="a", status=403)
        return Response(200, data=lists.get(request.path, []))

    return Lookups(ScriptedSession(call), logger=QUIET)


@given(LISTS, NAMED)
def test_any_lists_give_names_that_fit_the_type(lists, ticket):
    lookups = lookups_of(lists)
    names = lookups.names_for(ticket)
    checked(ticket, names)
    checked({}, names)
    assert repr(lookups.names_for(ticket)) == repr(names), "the second call differs from the first"


@given(LISTS, NAMED)
def test_a_name_comes_from_the_lists(lists, ticket):
    for name, value in lookups_of(lists).names_for(ticket).items():
        assert name == "closed" or name.endswith("_id") or repr(value) in repr(lists)


@given(LISTS, st.sampled_from(KINDS), st.integers(1, 60), TEXTS)
def test_any_lists_answer_questions(lists, kind, number, name):
    lookups = lookups_of(lists)
    assert lookups.name(kind, number) is None or lookups.name(kind, number) != ""
    assert lookups.number(kind, name) is None or lookups.number(kind, name) > 0
    assert lookups.closed(number) in (True, False, None)
    try:
        assert all(isinstance(row, dict) for row in lookups.rows(kind))
    except HaloError as error:
        assert error.cause
