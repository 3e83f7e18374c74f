"""Which changes count as made by the API application's own agent alone, and so start no workflow; and which tickets
and times are not what they seem: a date put right, an id that is used again."""

from dataclasses import replace

import pytest

from komand_haloitsm.util.events.decide import (
    are_all_since,
    as_seen,
    Origin,
    decide_created,
    decide_status_changed,
    decide_updated,
    has_moved,
    hints_at_a_restored_halo,
    is_another,
)
from komand_haloitsm.util.halo.changes import snapshot_of
from komand_haloitsm.util.halo.values.sort_key import SortKey

from .test_decide import BASE, IN_PROGRESS, NEW, RESOLVED, WATERMARK, date, ids, seen_at, snapshot, statuses, ticket

OWN, OTHER = 6, 3
SEEN = BASE + 100


def did(number: int, moment: float, agent: int | None = OWN, kind: int | None = 1, **more):
    row = {"id": number, "actiondatecreated": date(moment), "who_agentid": agent, "who_type": kind, **more}
    return {name: value for name, value in row.items() if value is not None}


SYSTEM = {"agent": 0, "kind": 0}
# The ticket's actions, newest first, the agent that a webhook named, and whether there is an event. The ticket was last
# seen at SEEN with action 4.
UPDATES = {
    "own": ([did(5, SEEN + 9)], None, False),
    "own twice": ([did(6, SEEN + 9.5), did(5, SEEN + 9)], None, False),
    "another agent's": ([did(5, SEEN + 9, OTHER)], None, True),
    "a user's": ([did(5, SEEN + 9, 0, 2)], None, True),
    "own after another's": ([did(6, SEEN + 9), did(5, SEEN + 8, OTHER)], None, True),
    "own before another's": ([did(6, SEEN + 9, OTHER), did(5, SEEN + 8)], None, True),
    "own after what was seen of another": ([did(5, SEEN + 9), did(4, SEEN + 0.3, OTHER)], None, False),
    "own and its rule": ([did(6, SEEN + 9.2, **SYSTEM), did(5, SEEN + 9)], None, False),
    "own and an escalation later": ([did(6, SEEN + 60, **SYSTEM), did(5, SEEN + 9)], None, True),
    "a rule before own": ([did(6, SEEN + 9), did(5, SEEN + 8, **SYSTEM)], None, True),
    "the system's alone": ([did(5, SEEN + 9, **SYSTEM)], None, True),
    "nobody's": ([did(5, SEEN + 9, None, None)], None, True),
    "no action": ([], None, True),
    "no action, as a webhook says own": ([], OWN, False),
    "no action, as a webhook says another's": ([], OTHER, True),
    "actions that cannot be read": (None, None, True),
    "actions that cannot be read, as a webhook says own": (None, OWN, False),
    "another's, whatever a webhook says": ([did(5, SEEN + 9, OTHER)], OWN, True),
}


@pytest.mark.parametrize(("actions", "told", "expected"), UPDATES.values(), ids=UPDATES)
def test_an_update_by_nobody_else_is_no_event(actions, told, expected):
    seen, now = seen_at(SEEN, action_id=4), snapshot(SEEN + 9)
    steps = decide_updated(seen, now, WATERMARK, actions, Origin(OWN, told))
    assert bool(ids(steps)) is expected
    # Either way it is saved as seen, up to its newest action.
    assert (steps[-1].seen.sort_key, steps[-1].seen.action_id) == (
        now.sort_key,
        max([row["id"] for row in actions or ()], default=None),
    )
    assert ids(decide_updated(seen, now, WATERMARK, actions, Origin(None, told)))


@pytest.mark.parametrize(("changed", "expected"), [(BASE + 9, False), (BASE + 10, True), (BASE + 4, True)])
def test_a_ticket_that_was_only_logged_was_not_updated(changed, expected):
    # Where an instance dates changes too early, nobody knows: the event is sent.
    now = snapshot(changed, dateoccurred=date(BASE + 9))
    assert bool(ids(decide_updated(None, now, WATERMARK, []))) is expected


def test_every_transition_is_judged_by_itself():
    actions = [
        did(7, SEEN + 3, OTHER, old_status=RESOLVED, new_status=NEW),
        did(6, SEEN + 2, old_status=IN_PROGRESS, new_status=RESOLVED),
        did(5, SEEN + 1, OTHER, old_status=NEW, new_status=IN_PROGRESS),
    ]
    seen, now = seen_at(SEEN, NEW, 4), snapshot(SEEN + 3.5, NEW)
    assert statuses(decide_status_changed(seen, now, WATERMARK, actions, Origin(OWN))) == [
        (NEW, IN_PROGRESS),
        (RESOLVED, NEW),
    ]
    assert len(statuses(decide_status_changed(seen, now, WATERMARK, actions))) == 3


@pytest.mark.parametrize(("told", "expected"), [(None, 1), (OWN, 0), (OTHER, 1)])
def test_a_transition_that_left_no_action(told, expected):
    steps = decide_status_changed(seen_at(SEEN, NEW, 4), snapshot(SEEN + 9, RESOLVED), WATERMARK, [], Origin(OWN, told))
    assert len(statuses(steps)) == expected and steps[-1].seen.status_id == RESOLVED


# -- dates and ids ---------------------------------------------------------------------------------------------------


def read_at(now, moment):
    return replace(now, read_at=SortKey.of(date(moment)))


# Last seen at, now at, Halo's clock when it was read.
FUTURE = {
    "put right": (9_000, 2_000, 2_000, True),
    "put right to before": (9_000, 1_500, 2_000, True),
    "still in the future": (9_000, 8_000, 2_000, False),
    "outdated": (2_000, 1_900, 2_000, False),
    "outdated, as clocks differ": (2_200, 1_900, 2_000, False),
    "without Halo's clock": (9_000, 2_000, None, False),
}


@pytest.mark.parametrize(("seen", "now", "clock", "expected"), FUTURE.values(), ids=FUTURE)
def test_a_date_in_the_future_that_is_put_right_is_a_change(seen, now, clock, expected):
    after = snapshot(now) if clock is None else read_at(snapshot(now), clock)
    assert has_moved(seen_at(seen), after, WATERMARK) is expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(5, 5, False), (5, SEEN + 1, True), (5, SEEN - 1, False), (SEEN + 1, 5, False), (None, SEEN + 1, False)],
)
def test_a_ticket_that_occurred_after_the_last_change_of_its_id_is_another(before, after, expected):
    seen = replace(seen_at(SEEN), occurred=snapshot(SEEN, dateoccurred=date(before)).occurred if before else None)
    assert is_another(seen, snapshot(SEEN + 5, dateoccurred=date(after))) is expected


def test_an_old_id_with_a_new_date_hints_at_a_restored_halo():
    new, old = {"dateoccurred": date(BASE + 5)}, {"dateoccurred": date(BASE - 5)}
    assert hints_at_a_restored_halo(snapshot(SEEN, number=3999, **new), WATERMARK)
    assert not hints_at_a_restored_halo(snapshot(SEEN, number=3999, **old), WATERMARK)
    assert not hints_at_a_restored_halo(snapshot(SEEN, number=4001, **new), WATERMARK)


def test_ids_that_are_used_again_make_other_events():
    again = replace(WATERMARK, restored=SortKey.of(date(SEEN)))
    now = snapshot_of(ticket(SEEN + 5))
    first, second = (ids(decide_created(None, now, watermark)) for watermark in (WATERMARK, again))
    assert first == ["4242-created"] and second == [f"4242-created-{now.created}"]
    action = did(5, SEEN + 1, old_status=NEW, new_status=RESOLVED)
    now = snapshot(SEEN + 2, RESOLVED)
    first, second = (
        ids(decide_status_changed(seen_at(SEEN, NEW, 4), now, watermark, [action])) for watermark in (WATERMARK, again)
    )
    assert first == ["4242-status-5"] and second == [f"4242-status-5-{now.created}"]


def test_a_ticket_with_an_id_used_again_is_new_where_halo_was_restored():
    now = snapshot(SEEN, number=3999, dateoccurred=date(BASE + 5))
    assert ids(decide_created(None, now, WATERMARK)) == []
    assert ids(decide_created(None, now, replace(WATERMARK, restored=SortKey.of(date(SEEN)))))


def test_actions_whose_numbers_are_used_again_make_their_transitions():
    seen = seen_at(SEEN, NEW, 40)
    actions = [did(5, SEEN + 1, OTHER, old_status=NEW, new_status=RESOLVED), did(4, SEEN - 1, OTHER)]
    assert statuses(decide_status_changed(seen, snapshot(SEEN + 2, RESOLVED), WATERMARK, actions)) == [(NEW, RESOLVED)]
    assert ids(decide_status_changed(seen, snapshot(SEEN + 2, RESOLVED), WATERMARK, actions)) == ["4242-status-5"]


# -- the actions of many tickets, from one list ----------------------------------------------------------------------

# The numbers and changes of status (old, new) of the actions that the list has of a ticket, the newest action known
# from its last look, since when the list has all, and whether these are all since that look. It was New then.
LISTS = {
    "the next ones": ([(5, 1, 2), (6, None, None)], 4, "", 2, True),
    "one is missing": ([(5, 1, 2), (7, None, None)], 4, "", 2, False),
    "the first is missing": ([(6, 1, 2)], 4, "", 2, False),
    "older ones as well": ([(3, None, None), (4, 2, 1), (5, 1, 2)], 4, "", 2, True),
    "they lead elsewhere": ([(5, 1, 2)], 4, "", 8, False),
    "they begin elsewhere": ([(5, 8, 2)], 4, "", 2, False),
    "none": ([], 4, "", 2, False),
    "no known action, but all since": ([(5, 1, 2), (6, 2, 8)], None, SEEN - 5, 8, True),
    "no known action, all since a later time": ([(5, 1, 2), (6, 2, 8)], None, SEEN + 5, 8, False),
    "no known action, and not known since when": ([(5, 1, 2)], None, "", 2, False),
}


@pytest.mark.parametrize(("rows", "known", "since", "status", "expected"), LISTS.values(), ids=LISTS)
def test_whether_some_actions_are_all_since_the_last_look(rows, known, since, status, expected):
    actions = [did(n, SEEN + n, OTHER, old_status=old, new_status=new) for n, old, new in rows]
    since = SortKey.of(date(since)) if since else ""
    assert are_all_since(seen_at(SEEN, NEW, known), snapshot(SEEN + 9, status), actions, since) is expected


def test_all_actions_of_a_ticket_never_seen_begin_with_the_first():
    now = snapshot(SEEN + 9, IN_PROGRESS)
    rows = [did(1, SEEN, OTHER), did(2, SEEN + 9, OTHER, old_status=NEW, new_status=IN_PROGRESS)]
    assert are_all_since(None, now, rows, "") and not are_all_since(None, now, rows[1:], "")


def test_a_list_and_a_single_ticket_date_one_change_differently():
    fine, short = snapshot(None, last_update="2026-03-01T00:20:00.1237654Z"), snapshot(None)
    for text in ("2026-03-01T00:20:00.124", "2026-03-01T00:20:00.123"):
        short = snapshot(None, last_update=text)
        assert not has_moved(as_seen(fine, None), short, WATERMARK)
        assert not has_moved(as_seen(short, None), fine, WATERMARK)
    later = snapshot(None, last_update="2026-03-01T00:20:00.125")
    assert has_moved(as_seen(fine, None), later, WATERMARK) and has_moved(as_seen(short, None), later, WATERMARK)
    changed = replace(short, content_key={**short.content_key, "summary": 1})
    assert has_moved(as_seen(fine, None), changed, WATERMARK)
