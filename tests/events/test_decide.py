"""Which events a snapshot makes. One part is a table of every combination of last seen, status, time and filter. The
other part replays random histories of a ticket and compares the events with a simple model."""

import itertools
import random
from dataclasses import replace

import pytest

from komand_haloitsm.util.events.decide import (
    LastSeen,
    Watermark,
    decide_created,
    decide_status_changed,
    decide_updated,
    has_moved,
)
from komand_haloitsm.util.halo.changes import snapshot_of
from komand_haloitsm.util.halo.values.sort_key import SortKey

NUMBER = 4242
BASE = 1000
CREATED, OLD, NEW, IN_PROGRESS, RESOLVED = 5, 500, 1, 2, 8


def date(moment: float) -> str:
    """A date of Halo's with seven digits; `moment` is in seconds."""
    ticks = round(moment * 10_000_000)
    seconds, fraction = divmod(ticks, 10_000_000)
    return f"2026-03-01T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:07d}Z"


def ticket(moment: float | None, status: int = NEW, number: int = NUMBER, **more):
    row = {
        "id": number,
        "status_id": status,
        "summary": "Reception cannot print",
        "dateoccurred": date(CREATED),
        **more,
    }
    return row if moment is None else {**row, "last_update": date(moment)}


def snapshot(moment: float | None, status: int = NEW, number: int = NUMBER, **more):
    found = snapshot_of(ticket(moment, status, number, **more))
    assert found is not None
    return found


def change(number: int, moment: float, old: int, new: int):
    return {"id": number, "actiondatecreated": date(moment), "old_status": old, "new_status": new}


def remark(number: int, moment: float):
    return {"id": number, "actiondatecreated": date(moment), "note": "Called back"}


def seen_at(moment: float, status: int | None = NEW, action_id: int | None = None, **more) -> LastSeen:
    now = snapshot(moment, status or NEW, **more)
    return LastSeen(now.sort_key, status, now.content_key, action_id)


def ids(steps) -> list[str]:
    return [step.event.event_id for step in steps if step.event]


def statuses(steps) -> list[tuple[int, int]]:
    outputs = [step.event.outputs for step in steps if step.event]
    return [(each["old_status_id"], each["new_status_id"]) for each in outputs]


WATERMARK = Watermark(SortKey.of(date(BASE)), 4000)
TIMES = {"before": BASE - 10, "at": BASE, "after": BASE + 10}
PASTS = ("never", "same", "older", "newer")
CHANGES = ("same", "other", "flapped")


def combination(past: str, status: str, time: str):
    """A snapshot, what was last seen before it, and the ticket's actions (newest first, as Halo returns them)."""
    moment = TIMES[time]
    now = snapshot(moment, IN_PROGRESS if status == "other" else NEW)
    before = {"never": None, "same": moment, "older": moment - 5, "newer": moment + 5}[past]
    actions = [remark(1, CREATED)]
    if status == "other":
        actions += [change(3, moment - 1, NEW, IN_PROGRESS)]
    if status == "flapped":
        actions += [change(3, moment - 2, NEW, IN_PROGRESS), change(4, moment - 1, IN_PROGRESS, NEW)]
    return now, None if before is None else seen_at(before, NEW, 1), actions[::-1]


# -- whether a ticket has moved -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("past", "status", "time"), list(itertools.product(PASTS, CHANGES, TIMES)))
def test_a_ticket_has_moved_when_it_is_newer_than_last_seen_or_differs_at_the_same_time(past, status, time):
    now, seen, _ = combination(past, status, time)
    expected = {
        "never": time == "after",
        "same": status == "other",
        "older": True,
        "newer": False,
    }[past]
    assert has_moved(seen, now, WATERMARK) is expected


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (50.0, 50.0, False),
        (50.0, 50.0000001, True),
        (50.0000001, 50.0, False),
        (50.9999999, 51.0, True),
        (51.0, 50.9999999, False),
    ],
    ids=["equal", "one tick on", "one tick back", "over the second", "back over the second"],
)
def test_the_seventh_digit_counts(first, then, expected):
    assert has_moved(seen_at(BASE + first), snapshot(BASE + then), WATERMARK) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.0000000Z"),
        ("2026-03-01T10:00:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00.5000000Z"),
        ("2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00.1234567"),
        ("2026-03-01T11:00:00+01:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01T11:00:00.25+01:00", "2026-03-01T10:00:00.25Z"),
        ("2026-03-01T11:00:00.1234567+01:00", "2026-03-01T10:00:00.1234567Z"),
        pytest.param(
            "2026-03-01T11:30:00.1234567+01:30",
            "2026-03-01T10:00:00.1234567Z",
            id="offset",
        ),
        pytest.param("2026-03-01T20:00:00.1234567+10:00", "2026-03-01T10:00:00.1234567Z"),
        pytest.param("2026-03-01T11:00:00.123456+01:00", "2026-03-01T10:00:00.123456Z"),
        pytest.param("2026-03-01T10:00:00,1234567Z", "2026-03-01T10:00:00.1234567Z"),
    ],
)
def test_one_moment_has_one_sort_key_however_it_is_written(one, other):
    assert SortKey.of(one) == SortKey.of(other) != ""


def test_sort_keys_sort_as_time_does():
    dice = random.Random(7)
    moments = sorted({dice.randrange(0, 86_000 * 10_000_000) for _ in range(500)})
    dates = [date(moment / 10_000_000) for moment in moments]
    assert sorted(map(SortKey.of, dates)) == [SortKey.of(text) for text in sorted(dates)]


@pytest.mark.parametrize(
    "value", [None, 7, True, "", "soon", "0001-01-01T00:00:00", "1899-12-30T00:00:00", "1900-01-01", []]
)
def test_what_is_no_date_has_no_sort_key(value):
    assert SortKey.of(value) == ""


@pytest.mark.parametrize("value", [None, 0, -1, "x", True, 1.5, [], {}])
def test_a_row_without_an_id_makes_no_snapshot(value):
    assert snapshot_of({"id": value, "last_update": date(BASE + 1)}) is None


@pytest.mark.parametrize("value", [4242, 4242.0, "4242"])
def test_ids_come_in_three_kinds(value):
    assert snapshot_of({"id": value}).ticket_id == 4242


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"last_update": date(3), "lastactiondate": date(2)}, 3),
        ({"lastupdate": date(3), "lastactiondate": date(2)}, 3),
        ({"flastupdate": date(3)}, 3),
        ({"last_update": None, "lastupdate": date(4)}, 4),
        ({"last_update": "1900-01-01T00:00:00", "lastactiondate": date(2)}, 2),
        ({"lastactiondate": date(2), "datecreated": date(1)}, 2),
        ({"datecreated": date(1), "dateoccurred": date(0)}, 1),
        ({"dateoccurred": date(0)}, 0),
        ({}, None),
    ],
)
def test_the_time_of_a_ticket_is_the_best_that_it_tells(fields, expected):
    assert snapshot_of({"id": 1, **fields}).sort_key == ("" if expected is None else SortKey.of(date(expected)))


def test_no_text_of_a_ticket_is_kept():
    content_key = snapshot(BASE, summary="Password is hunter2", team="Zürich desk").content_key
    assert all(isinstance(value, int) for value in content_key.values())


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("summary", "a", "b"),
        ("team", "Service Desk", "Infrastructure"),
        ("priority_id", 1, 2),
        ("agent_id", 1, 3),
        ("tickettype_id", 1, 21),
        ("client_id", 12, 13),
        ("user_id", 52, 53),
    ],
)
def test_same_second_updates_show_in_the_fields(field, one, other):
    seen, now = seen_at(BASE + 5, **{field: one}), snapshot(BASE + 5, **{field: other})
    assert has_moved(seen, now, WATERMARK)
    assert not has_moved(seen, snapshot(BASE + 5, **{field: one}), WATERMARK)
    assert len(ids(decide_updated(seen, now, WATERMARK))) == 1


def test_a_field_that_only_one_of_list_and_detail_has_is_no_difference():
    row, full = snapshot(BASE + 5), snapshot(BASE + 5, priority_id=3, team="Service Desk")
    assert not has_moved(LastSeen(row.sort_key, NEW, row.content_key), full, WATERMARK)
    assert not has_moved(LastSeen(full.sort_key, NEW, full.content_key), row, WATERMARK)


def test_a_field_that_is_missing_once_is_still_known_afterwards():
    seen = seen_at(BASE + 5, priority_id=3)
    seen = decide_updated(seen, snapshot(BASE + 6), WATERMARK)[-1].seen
    assert has_moved(seen, snapshot(BASE + 6, priority_id=1), WATERMARK)


# -- created --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("past", "status", "time"), list(itertools.product(PASTS, CHANGES, TIMES)))
@pytest.mark.parametrize("number", [3999, 4000, 4001])
def test_created_is_a_first_snapshot_with_an_id_above_the_newest_at_the_start(past, status, time, number):
    now, seen, _ = combination(past, status, time)
    steps = decide_created(seen, replace(now, ticket_id=number), WATERMARK)
    assert ids(steps) == (["4001-created"] if past == "never" and number == 4001 else [])


@pytest.mark.parametrize(
    ("created", "expected"),
    [(BASE - 1, False), (BASE, False), (BASE + 0.0000001, True), (BASE + 1, True)],
)
@pytest.mark.parametrize("field", ["datecreated", "dateoccurred"])
def test_created_goes_by_the_date_where_the_newest_number_is_not_known(created, expected, field):
    now = snapshot_of({"id": NUMBER, field: date(created), "last_update": date(BASE + 50)})
    assert ids(decide_created(None, now, replace(WATERMARK, newest_old_id=None))) == (
        ["4242-created"] if expected else []
    )


def test_after_a_start_without_tickets_the_first_one_is_new():
    assert ids(decide_created(None, snapshot(BASE + 1, number=1), Watermark(WATERMARK.sort_key, 0))) == ["1-created"]


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({}, True),
        ({"tickettype_id": 21}, True),
        ({"tickettype_id": 1}, False),
        ({"priority_id": 2}, True),
        ({"priority_id": 3}, False),
        ({"tickettype_id": 21, "priority_id": 2}, True),
        ({"tickettype_id": 21, "priority_id": 1}, False),
        ({"tickettype_id": 1, "priority_id": 2}, False),
    ],
)
def test_filters_of_created(filters, fits):
    now = snapshot(BASE + 1, tickettype_id=21, priority_id="2")
    steps = decide_created(None, now, WATERMARK, **filters)
    assert ids(steps) == (["4242-created"] if fits else [])
    assert ids(decide_created(steps[-1].seen, now, WATERMARK, **filters)) == []


def test_a_filter_is_not_met_by_a_ticket_that_does_not_tell():
    assert ids(decide_created(None, snapshot(BASE + 1), WATERMARK, tickettype_id=21)) == []


def test_a_ticket_that_comes_to_match_later_is_not_created_then():
    seen = decide_created(None, snapshot(BASE + 1, priority_id=3), WATERMARK, priority_id=1)[-1].seen
    assert ids(decide_created(seen, snapshot(BASE + 2, priority_id=1), WATERMARK, priority_id=1)) == []


# -- updated --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status_changed", [False, True])
@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(("past", "status", "time"), list(itertools.product(PASTS, CHANGES, TIMES)))
def test_updated(past, status, time, readable, status_changed):
    now, seen, actions = combination(past, status, time)
    steps = decide_updated(seen, now, WATERMARK, actions if readable else None, status_changed=status_changed)
    news = {"never": time == "after", "same": status == "other", "older": True, "newer": False}[past]
    # Before the first snapshot, only the actions tell that the status was another.
    differs = status == "other" and (past != "never" or readable)
    expected = news and (differs or not status_changed)
    assert len(ids(steps)) == expected
    if expected:
        known = past != "never" or (readable and status != "same")
        changed = {"changed_fields": ["status_id"]} if known and status == "other" else {}
        assert steps[0].event.outputs == ({"previous_status_id": NEW, **changed} if known else {})
        assert ids(steps)[0].startswith(f"{NUMBER}-updated-{now.sort_key}")
        assert steps[-1].seen.sort_key == now.sort_key


def test_the_fields_that_changed_are_named_as_the_ticket_in_the_event_names_them():
    fields = {"status_id": NEW, "priority_id": 3, "agent_id": 1, "summary": "s", "team": "First", "user_id": 52}
    seen = decide_created(None, snapshot(BASE + 1, **fields), WATERMARK)[-1].seen
    now = snapshot(BASE + 2, **{**fields, "agent_id": 3, "team": "Second", "summary": "t"})
    (step,) = decide_updated(seen, now, WATERMARK)
    assert step.event.outputs["changed_fields"] == ["agent_id", "summary", "team_name"]
    # What either of the two does not show is not known to differ.
    (step,) = decide_updated(seen, snapshot(BASE + 2, **{**fields, "priority_id": None, "client_id": 12}), WATERMARK)
    assert "changed_fields" not in step.event.outputs


def test_several_changes_between_two_snapshots_are_one_update():
    steps = decide_updated(seen_at(BASE + 1), snapshot(BASE + 9, RESOLVED, summary="Other"), WATERMARK)
    assert ids(steps) == [f"4242-updated-{SortKey.of(date(BASE + 9))}"]


def test_a_ticket_that_was_only_logged_is_not_updated():
    assert ids(decide_updated(None, snapshot(BASE + 5, dateoccurred=date(BASE + 5)), WATERMARK)) == []


def test_a_ticket_that_was_logged_and_changed_before_the_first_snapshot_is_updated():
    assert len(ids(decide_updated(None, snapshot(BASE + 6, dateoccurred=date(BASE + 5)), WATERMARK))) == 1


def test_the_previous_status_is_not_told_where_it_is_not_known():
    steps = decide_updated(seen_at(BASE + 1, None), snapshot(BASE + 2), WATERMARK)
    assert steps[0].event.outputs == {}
    assert ids(decide_updated(seen_at(BASE + 1, None), snapshot(BASE + 2), WATERMARK, status_changed=True)) == []


def test_updates_of_the_same_moment_have_ids_of_their_own():
    first = decide_updated(seen_at(BASE + 1), snapshot(BASE + 2, priority_id=1), WATERMARK)
    second = decide_updated(first[-1].seen, snapshot(BASE + 2, priority_id=2), WATERMARK)
    third = decide_updated(second[-1].seen, snapshot(BASE + 2, priority_id=3), WATERMARK)
    found = [*ids(first), *ids(second), *ids(third)]
    assert len(set(found)) == 3
    assert ids(decide_updated(first[-1].seen, snapshot(BASE + 2, priority_id=2), WATERMARK)) == ids(second)


# -- status changed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(("past", "status", "time"), list(itertools.product(PASTS, CHANGES, TIMES)))
def test_status_changed(past, status, time, readable):
    now, seen, actions = combination(past, status, time)
    steps = decide_status_changed(seen, now, WATERMARK, actions if readable else None)
    news = {"never": time == "after", "same": status == "other", "older": True, "newer": False}[past]
    recorded = {
        "same": [],
        "other": [(NEW, IN_PROGRESS)],
        "flapped": [(NEW, IN_PROGRESS), (IN_PROGRESS, NEW)],
    }[status]
    if not news:
        expected = []
    elif readable:
        expected = recorded
    else:
        expected = [(NEW, IN_PROGRESS)] if status == "other" and past != "never" else []
    assert statuses(steps) == expected
    if news:
        assert steps[-1].event is None
        assert (steps[-1].seen.sort_key, steps[-1].seen.status_id) == (now.sort_key, now.status_id)
        again = decide_status_changed(steps[-1].seen, now, WATERMARK, actions if readable else None)
        assert ids(again) == []


FLAP = [
    change(5, BASE + 4, NEW, IN_PROGRESS),
    change(6, BASE + 4, IN_PROGRESS, RESOLVED),
    change(7, BASE + 4, RESOLVED, NEW),
]


@pytest.mark.parametrize("action_id", [4, None])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_all_transitions_within_a_second_come_in_order_however_they_are_listed(order, action_id):
    actions = [FLAP[place] for place in order] + [remark(4, BASE + 1)]
    steps = decide_status_changed(seen_at(BASE + 1, NEW, action_id), snapshot(BASE + 4), WATERMARK, actions)
    assert ids(steps) == ["4242-status-5", "4242-status-6", "4242-status-7"]
    assert statuses(steps) == [(NEW, IN_PROGRESS), (IN_PROGRESS, RESOLVED), (RESOLVED, NEW)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, [(NEW, IN_PROGRESS), (IN_PROGRESS, RESOLVED), (RESOLVED, NEW)]),
        (NEW, [(RESOLVED, NEW)]),
        (IN_PROGRESS, [(NEW, IN_PROGRESS)]),
        (RESOLVED, [(IN_PROGRESS, RESOLVED)]),
        (9, []),
    ],
)
def test_the_filter_by_new_status_sees_every_transition(wanted, expected):
    seen, now = seen_at(BASE + 1, NEW, 4), snapshot(BASE + 4)
    steps = decide_status_changed(seen, now, WATERMARK, FLAP, new_status_id=wanted)
    assert statuses(steps) == expected
    assert ids(decide_status_changed(steps[-1].seen, now, WATERMARK, FLAP, new_status_id=wanted)) == []


@pytest.mark.parametrize(("wanted", "count"), [(None, 1), (IN_PROGRESS, 1), (NEW, 0)])
def test_the_filter_by_new_status_without_a_list(wanted, count):
    steps = decide_status_changed(
        seen_at(BASE + 1), snapshot(BASE + 4, IN_PROGRESS), WATERMARK, None, new_status_id=wanted
    )
    assert len(ids(steps)) == count


@pytest.mark.parametrize(("past", "expected"), [(4, 3), (5, 2), (6, 1), (7, 0)])
def test_a_crash_between_two_transitions_leaves_exactly_the_rest(past, expected):
    now = snapshot(BASE + 4)
    steps = decide_status_changed(seen_at(BASE + 1, NEW, 4), now, WATERMARK, FLAP)
    seen = {4: seen_at(BASE + 1, NEW, 4), 5: steps[0].seen, 6: steps[1].seen, 7: steps[2].seen}[past]
    rest = decide_status_changed(seen, now, WATERMARK, FLAP)
    assert ids(rest) == ids(steps)[3 - expected :]


def test_a_crash_in_a_first_snapshot_leaves_exactly_the_rest():
    now = snapshot(BASE + 4)
    steps = decide_status_changed(None, now, WATERMARK, FLAP)
    assert len(ids(steps)) == 3
    for done, step in enumerate(steps[:3], start=1):
        assert ids(decide_status_changed(step.seen, now, WATERMARK, FLAP)) == ids(steps)[done:]


@pytest.mark.parametrize("status", [NEW, IN_PROGRESS, 9])
@pytest.mark.parametrize("actions", [None, [], [remark(1, BASE + 1)], [change(2, BASE - 1, RESOLVED, NEW)]])
def test_a_first_sight_is_no_transition(status, actions):
    assert ids(decide_status_changed(None, snapshot(BASE + 5, status), WATERMARK, actions)) == []


@pytest.mark.parametrize(("moment", "count"), [(BASE - 1, 0), (BASE, 0), (BASE + 1, 1)])
def test_of_a_ticket_never_seen_only_transitions_since_the_watermark_are_new(moment, count):
    actions = [change(3, moment, NEW, IN_PROGRESS)]
    assert len(ids(decide_status_changed(None, snapshot(BASE + 5, IN_PROGRESS), WATERMARK, actions))) == count


@pytest.mark.parametrize("past", ["never", "older"])
@pytest.mark.parametrize(("horizon", "expected"), [(BASE + 3, 3), (BASE + 4, 2), (BASE + 5, 1), (BASE + 6, 0)])
def test_what_is_too_long_ago_to_catch_up_with_is_left_out(past, horizon, expected):
    actions = [change(5, BASE + 4, 1, 2), change(6, BASE + 5, 2, 8), change(7, BASE + 6, 8, 1)]
    watermark = replace(WATERMARK, horizon=SortKey.of(date(horizon)))
    seen = None if past == "never" else seen_at(BASE + 1, NEW, 4)
    now = snapshot(BASE + 6)
    assert len(ids(decide_status_changed(seen, now, watermark, actions))) == expected
    assert has_moved(seen, now, watermark) is (horizon < BASE + 6)
    assert len(ids(decide_updated(seen, now, watermark, actions))) == (horizon < BASE + 6)


@pytest.mark.parametrize(
    "row",
    [
        {"id": 9, "old_status": 0, "new_status": 2},
        {"id": 9, "old_status": None, "new_status": 2},
        {"id": 9, "new_status": 2},
        {"id": 9, "old_status": 1},
        {"id": 9, "old_status": 2, "new_status": 2},
        {"id": None, "old_status": 1, "new_status": 2},
        {"old_status": -1, "new_status": 2, "id": 9},
        {"id": 9, "old_status": True, "new_status": 2},
        {},
    ],
)
def test_an_action_that_does_not_tell_both_statuses_is_no_transition(row):
    seen = seen_at(BASE + 1, IN_PROGRESS, 4)
    actions = [{"actiondatecreated": date(BASE + 2), **row}]
    assert ids(decide_status_changed(seen, snapshot(BASE + 5, IN_PROGRESS), WATERMARK, actions)) == []


def test_ids_of_actions_may_be_texts_or_floats():
    actions = [{**change(5, BASE + 4, NEW, IN_PROGRESS), "id": "5", "old_status": 1.0, "new_status": "2"}]
    steps = decide_status_changed(seen_at(BASE + 1, NEW, 4), snapshot(BASE + 5, IN_PROGRESS), WATERMARK, actions)
    assert (ids(steps), statuses(steps)) == (["4242-status-5"], [(NEW, IN_PROGRESS)])


def test_a_change_that_left_no_action_is_a_transition_all_the_same():
    steps = decide_status_changed(seen_at(BASE + 1, NEW, 4), snapshot(BASE + 5, RESOLVED), WATERMARK, [FLAP[0]])
    assert statuses(steps) == [(NEW, IN_PROGRESS), (IN_PROGRESS, RESOLVED)]
    assert len(set(ids(steps))) == 2


@pytest.mark.parametrize("action_id", [4, None])
def test_actions_newer_than_the_ticket_as_read_are_each_told_once(action_id):
    seen = seen_at(BASE + 1, NEW, action_id)
    steps = decide_status_changed(seen, snapshot(BASE + 3, NEW, summary="Other"), WATERMARK, FLAP[:2])
    assert statuses(steps) == [(NEW, IN_PROGRESS), (IN_PROGRESS, RESOLVED)]
    later = decide_status_changed(steps[-1].seen, snapshot(BASE + 4, RESOLVED), WATERMARK, FLAP[:2])
    assert ids(later) == []
    last = decide_status_changed(
        later[-1].seen, snapshot(BASE + 6, NEW), WATERMARK, [*FLAP[:2], change(7, BASE + 6, 8, 1)]
    )
    assert statuses(last) == [(RESOLVED, NEW)]


def test_actions_older_than_the_ticket_as_read_make_no_transition_twice():
    seen = seen_at(BASE + 1, NEW, 4)
    first = decide_status_changed(seen, snapshot(BASE + 4, IN_PROGRESS), WATERMARK, [remark(4, BASE + 1)])
    then = decide_status_changed(
        first[-1].seen, snapshot(BASE + 5, IN_PROGRESS), WATERMARK, [FLAP[0], remark(4, BASE + 1)]
    )
    assert statuses(first) == [(NEW, IN_PROGRESS)]
    assert statuses(then) == []


def test_a_list_that_was_unreadable_for_a_while_leaves_no_gap_and_no_repetition():
    actions = [
        change(5, BASE + 2, NEW, IN_PROGRESS),
        change(6, BASE + 4, IN_PROGRESS, RESOLVED),
        change(7, BASE + 6, 8, 1),
    ]
    one = decide_status_changed(seen_at(BASE + 1, NEW, 4), snapshot(BASE + 2, IN_PROGRESS), WATERMARK, actions[:1])
    two = decide_status_changed(one[-1].seen, snapshot(BASE + 4, RESOLVED), WATERMARK, None)
    three = decide_status_changed(two[-1].seen, snapshot(BASE + 6, NEW), WATERMARK, actions)
    assert [*statuses(one), *statuses(two), *statuses(three)] == [(1, 2), (2, 8), (8, 1)]


def test_a_ticket_without_status_makes_no_transition():
    row = {"id": NUMBER, "last_update": date(BASE + 5)}
    steps = decide_status_changed(seen_at(BASE + 1), snapshot_of(row), WATERMARK, None)
    assert ids(steps) == []
    assert ids(decide_status_changed(seen_at(BASE + 1, None), snapshot(BASE + 5), WATERMARK, None)) == []


def test_a_snapshot_without_status_does_not_forget_the_last_one():
    row = {"id": NUMBER, "last_update": date(BASE + 5)}
    seen = decide_status_changed(seen_at(BASE + 1, NEW), snapshot_of(row), WATERMARK, None)[-1].seen
    assert statuses(decide_status_changed(seen, snapshot(BASE + 6, IN_PROGRESS), WATERMARK, None)) == [
        (NEW, IN_PROGRESS)
    ]


# -- histories ------------------------------------------------------------------------------------------------------


class History:
    """A ticket in Halo, and random changes to it. With `same_moment` a change has the time of the one before."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.moment = BASE + 1.0
        self.fields = {"status_id": NEW, "priority_id": 3, "summary": "s0"}
        self.actions = [remark(1, BASE - 1)]
        self.transitions: list[tuple[int, int]] = []

    def change(self, *, same_moment: bool = False) -> None:
        self.moment += 0 if same_moment else self.dice.choice((0.0000001, 0.5, 1, 30))
        kind = self.dice.random()
        number = len(self.actions) + 1
        if kind < 0.6:
            old = self.fields["status_id"]
            new = self.dice.choice([status for status in (NEW, IN_PROGRESS, RESOLVED, 9) if status != old])
            self.fields["status_id"] = new
            self.actions.append(change(number, self.moment, old, new))
            self.transitions.append((old, new))
        elif kind < 0.8:
            self.fields["summary"] = f"s{number}-{self.dice.random()}"
            self.actions.append(remark(number, self.moment))
        else:
            self.actions.append(remark(number, self.moment))

    def snapshot(self):
        return snapshot_of(
            {"id": NUMBER, "dateoccurred": date(CREATED), "last_update": date(self.moment), **self.fields}
        )


def replayed(decide, seen, crashes: random.Random, risk: float):
    """The events of deciding until no step is left. With probability `risk` the trigger dies before it saves a step."""
    found, killed = [], 0
    while True:
        for step in decide(seen):
            if step.event:
                found.append(step.event)
            if crashes.random() < risk:
                killed += 1
                break
            seen = step.seen
        else:
            return found, seen, killed


@pytest.mark.parametrize("risk", [0.0, 0.4], ids=["quiet", "killed"])
def test_random_histories_every_transition_once_in_order(risk):
    for seed in range(300):
        history, dice = History(seed), random.Random(-seed)
        seen = LastSeen(history.snapshot().sort_key, NEW, history.snapshot().content_key) if seed % 2 else None
        delivered, killed = [], 0
        for _ in range(dice.randrange(1, 8)):
            for place in range(dice.randrange(0, 5)):
                history.change(same_moment=place > 0 and dice.random() < 0.3)
            now, actions = history.snapshot(), dice.sample(history.actions, len(history.actions))
            step = replayed(lambda past: decide_status_changed(past, now, WATERMARK, actions), seen, dice, risk)
            delivered, seen, killed = delivered + step[0], step[1], killed + step[2]
        names = [event.event_id for event in delivered]
        once = list({event.event_id: event for event in delivered}.values())
        found = [(event.outputs["old_status_id"], event.outputs["new_status_id"]) for event in once]
        assert found == history.transitions, f"seed {seed}"
        assert len(names) - len(once) <= killed, f"seed {seed}"


def test_random_histories_any_snapshots_in_between_make_the_same_transitions():
    for seed in range(200):
        dice = random.Random(seed)
        history = History(seed)
        snapshots = [(history.snapshot(), list(history.actions))]
        for _ in range(12):
            history.change()
            snapshots.append((history.snapshot(), list(history.actions)))

        def events(chosen):
            seen, found = None, []
            for now, actions in chosen:
                steps = decide_status_changed(seen, now, WATERMARK, actions)
                found += ids(steps)
                seen = steps[-1].seen if steps else seen
            return found

        whole = events(snapshots)
        some = [snapshots[0], *(item for item in snapshots[1:-1] if dice.random() < 0.5), snapshots[-1]]
        stale = sorted([*some, *dice.sample(snapshots, 4)], key=lambda item: (len(item[1]), item[0].sort_key))
        assert events(some) == events(stale) == whole, f"seed {seed}"
        assert whole[: len(events(snapshots[:6]))] == events(snapshots[:6]), f"seed {seed}"


def test_random_histories_with_a_list_that_fails_at_times_make_an_unbroken_chain():
    for seed in range(300):
        history, dice = History(seed), random.Random(-seed)
        seen, chain = LastSeen(history.snapshot().sort_key, NEW, history.snapshot().content_key), [NEW]
        for _ in range(10):
            for _ in range(dice.randrange(0, 3)):
                history.change()
            actions = history.actions if dice.random() < 0.5 else None
            steps = decide_status_changed(seen, history.snapshot(), WATERMARK, actions)
            for old, new in statuses(steps):
                assert old == chain[-1] and new != old, f"seed {seed}"
                chain.append(new)
            seen = steps[-1].seen if steps else seen
            assert chain[-1] == history.fields["status_id"], f"seed {seed}"


@pytest.mark.parametrize("risk", [0.0, 0.4], ids=["quiet", "killed"])
def test_random_histories_an_update_for_every_snapshot_that_finds_one(risk):
    for seed in range(300):
        history, dice = History(seed), random.Random(-seed)
        seen = LastSeen(history.snapshot().sort_key, NEW, history.snapshot().content_key)
        last = (history.moment, dict(history.fields))
        for _ in range(10):
            status = last[1]["status_id"]
            for _ in range(dice.randrange(0, 3)):
                history.change(same_moment=dice.random() < 0.3)
            now = history.snapshot()
            events, seen, _ = replayed(lambda past: decide_updated(past, now, WATERMARK), seen, dice, risk)
            expected = last != (history.moment, history.fields)
            assert len({event.event_id for event in events}) == expected, f"seed {seed}"
            changed = sorted(name for name, value in history.fields.items() if value != last[1][name])
            outputs = {"previous_status_id": status, **({"changed_fields": changed} if changed else {})}
            assert all(event.outputs == outputs for event in events), f"seed {seed}"
            last = (history.moment, dict(history.fields))


@pytest.mark.parametrize("decide", [decide_created, decide_updated, lambda *past: decide_status_changed(*past, None)])
def test_a_stale_answer_changes_nothing(decide):
    seen = seen_at(BASE + 9, RESOLVED, 7)
    assert decide(seen, snapshot(BASE + 3, NEW), WATERMARK) == []


@pytest.mark.parametrize("decide", [decide_created, decide_updated, lambda *past: decide_status_changed(*past, None)])
def test_an_old_ticket_in_its_first_snapshot_is_remembered_without_an_event(decide):
    steps = decide(None, snapshot(BASE - 5, RESOLVED, number=17), WATERMARK)
    assert [step.event for step in steps] == [None]
    assert (steps[0].seen.sort_key, steps[0].seen.status_id) == (SortKey.of(date(BASE - 5)), RESOLVED)
