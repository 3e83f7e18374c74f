"""The decision about events, over any history of a ticket, any choice of snapshots, and a crash after any step.

A history is what happens to a ticket in Halo. Snapshots show the ticket and its actions at some of the moments. A crash
comes after an event was delivered and before that was saved. The trigger then goes on from what was saved last.
"""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

from .values import ANY_JSON, DATES, IDS, TICKETS

NUMBER, NEWEST_OLD_ID = 4242, 4000
STATUSES = (1, 2, 3, 8, 9)
BASE = 1_000_000_000  # ticks of 100 ns, like all moments here


def date(tick):
    seconds, fraction = divmod(tick, 10_000_000)
    return f"2026-03-01T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:07d}Z"


WATERMARK = Watermark(SortKey.of(date(BASE)), NEWEST_OLD_ID)


@dataclass(frozen=True)
class Moment:
    """A ticket at one moment: its row, and its actions so far, oldest first."""

    row: dict
    actions: list


@st.composite
def histories(draw, same_tick=True):
    """The moments of a ticket from before the watermark on; no field takes a value twice, but the status may."""
    tick, status = BASE - draw(st.integers(1, 5)), draw(st.sampled_from(STATUSES))
    created, actions = tick, [{"id": 1, "datetime": date(tick)}]
    row = {"id": NUMBER, "dateoccurred": date(created), "status_id": status, "summary": "s0", "last_update": date(tick)}
    moments = [Moment(row, list(actions))]
    steps = st.sampled_from([0, 1, 1, 30, 10_000_000]) if same_tick else st.sampled_from([1, 1, 30, 10_000_000])
    for number in range(1, draw(st.integers(1, 8)) + 1):
        tick = max(tick, BASE) + (draw(steps) or (1 if number == 1 else 0))
        row = {**row, "last_update": date(tick), "summary": f"s{number}"}
        action = {"id": len(actions) + 1, "actiondatecreated": date(tick)}
        if draw(st.booleans()):
            new = draw(st.sampled_from([each for each in STATUSES if each != row["status_id"]]))
            action |= {"old_status": row["status_id"], "new_status": new}
            row["status_id"] = new
        actions.append(action)
        moments.append(Moment(row, list(actions)))
    return moments


def transitions(moments):
    actions = moments[-1].actions
    return [(each["old_status"], each["new_status"]) for each in actions if "old_status" in each]


def created(seen, moment):
    return decide_created(seen, snapshot_of(moment.row), WATERMARK)


def updated(seen, moment):
    return decide_updated(seen, snapshot_of(moment.row), WATERMARK, moment.actions)


def status_changed(seen, moment):
    # Halo gives the newest first.
    return decide_status_changed(seen, snapshot_of(moment.row), WATERMARK, moment.actions[::-1])


def unreadable(seen, moment):
    return decide_status_changed(seen, snapshot_of(moment.row), WATERMARK, None)


DECISIONS = {"created": created, "updated": updated, "status": status_changed, "unreadable": unreadable}


def first_seen(moments, at_start):
    """What the first start saves of a ticket that it sees."""
    snapshot = snapshot_of(moments[0].row)
    return LastSeen(snapshot.sort_key, snapshot.status_id, snapshot.content_key) if at_start else None


def replay(decide, seen, snapshots, crashes=()):
    """The events of all `snapshots`, and what is known after them; `crashes` are numbers of steps that are not saved.

    After a crash, the same snapshot comes again.
    """
    events, left, number = [], set(crashes), 0
    for moment in snapshots:
        done = False
        while not done:
            done = True
            for step in decide(seen, moment):
                number += 1
                if step.event:
                    events.append(step.event)
                if number in left:
                    done = False
                    break
                seen = step.seen
    return events, seen


def ids(events):
    return [event.event_id for event in events]


def without_repeats(events):
    return list({event.event_id: event for event in events}.values())


STARTS = st.booleans()
CRASHES = st.sets(st.integers(1, 25), max_size=6)


@pytest.mark.parametrize("kind", DECISIONS)
@given(histories(), STARTS, CRASHES)
def test_a_crash_after_any_step_repeats_at_most_the_event_in_flight(kind, moments, at_start, crashes):
    decide, seen = DECISIONS[kind], first_seen(moments, at_start)
    calm, known = replay(decide, seen, moments)
    stormy, known_too = replay(decide, seen, moments, crashes)
    assert without_repeats(stormy) == calm and known_too == known
    assert len(stormy) - len(calm) <= len(crashes)
    # What is repeated is the one event that was in flight: it comes again at once, and is the same altogether.
    places = {event_id: [at for at, each in enumerate(ids(stormy)) if each == event_id] for event_id in ids(calm)}
    assert all(at[-1] - at[0] == len(at) - 1 for at in places.values())


@pytest.mark.parametrize("kind", DECISIONS)
@given(histories(), STARTS, st.data())
def test_a_prefix_of_snapshots_makes_a_prefix_of_the_events_and_stale_ones_make_none(kind, moments, at_start, data):
    decide, seen = DECISIONS[kind], first_seen(moments, at_start)
    whole, _ = replay(decide, seen, moments)
    cut = data.draw(st.integers(0, len(moments)))
    first, known = replay(decide, seen, moments[:cut])
    rest, known = replay(decide, known, moments[cut:])
    assert first + rest == whole
    newest = moments[-1].row["last_update"]
    stale = [moment for moment in moments if moment.row["last_update"] < newest or moment is moments[-1]]
    assert replay(decide, known, data.draw(st.permutations(stale)))[0] == []


@pytest.mark.parametrize("kind", DECISIONS)
@given(histories(), STARTS)
def test_no_event_comes_twice(kind, moments, at_start):
    snapshots = [moment for moment in moments for _ in range(2)]
    events, _ = replay(DECISIONS[kind], first_seen(moments, at_start), snapshots)
    assert max(Counter(ids(events)).values(), default=1) == 1


@given(histories(), STARTS, st.data())
def test_every_transition_comes_once_in_order_whatever_snapshots_there_were(moments, at_start, data):
    snapshots = [moment for moment in moments[:-1] if data.draw(st.booleans())] + [moments[-1]]
    events, _ = replay(status_changed, first_seen(moments, at_start), snapshots)
    assert [(each.outputs["old_status_id"], each.outputs["new_status_id"]) for each in events] == transitions(moments)


@given(histories(), STARTS, st.data())
def test_a_crash_before_other_snapshots_loses_no_transition_and_doubles_none_by_another_id(moments, at_start, data):
    seen, events, crashes = first_seen(moments, at_start), [], 0
    for moment in moments:
        for step in status_changed(seen, moment):
            events += [step.event] if step.event else []
            if moment is not moments[-1] and data.draw(st.integers(0, 3)) == 0:
                crashes += 1
                break
            seen = step.seen
    once = without_repeats(events)
    assert [(each.outputs["old_status_id"], each.outputs["new_status_id"]) for each in once] == transitions(moments)
    assert len(events) - len(once) <= crashes


@given(histories(same_tick=False), STARTS, st.data())
def test_an_old_status_was_seen_or_read_and_transitions_form_a_chain(moments, at_start, data):
    seen, chain, known = first_seen(moments, at_start), None, set()
    for moment in moments:
        readable = data.draw(st.booleans())
        steps = (status_changed if readable else unreadable)(seen, moment)
        known |= {seen.status_id} if seen else set()
        known |= {action["old_status"] for action in moment.actions if readable and "old_status" in action}
        for event in [step.event for step in steps if step.event]:
            old, new = event.outputs["old_status_id"], event.outputs["new_status_id"]
            assert old in known and old != new and chain in (None, old)
            chain = new
            known.add(new)
        seen = steps[-1].seen if steps else seen
    assert chain in (None, moments[-1].row["status_id"])


@given(histories(), STARTS, st.data())
def test_the_last_state_of_a_ticket_is_delivered_whatever_snapshots_there_were(moments, at_start, data):
    snapshots = [moment for moment in moments[:-1] if data.draw(st.booleans())] + [moments[-1]]
    events, known = replay(updated, first_seen(moments, at_start), snapshots)
    last = snapshot_of(moments[-1].row)
    assert events and f"{NUMBER}-updated-{last.sort_key}" in events[-1].event_id and known.sort_key == last.sort_key
    statuses = {moment.row["status_id"] for moment in moments}
    assert all(event.outputs.get("previous_status_id") in {None, *statuses} for event in events)


@given(histories(), st.integers(NEWEST_OLD_ID - 5, NEWEST_OLD_ID + 5), CRASHES)
def test_a_ticket_is_created_once_if_its_number_is_new(moments, number, crashes):
    moments = [Moment({**moment.row, "id": number}, moment.actions) for moment in moments]
    events, _ = replay(created, None, moments, crashes)
    assert ids(without_repeats(events)) == ([f"{number}-created"] if number > NEWEST_OLD_ID else [])


@given(histories(), STARTS, st.sampled_from(STATUSES), CRASHES)
def test_a_filter_takes_away_and_changes_nothing_else(moments, at_start, wanted, crashes):
    def filtered(seen, moment):
        return decide_status_changed(seen, snapshot_of(moment.row), WATERMARK, moment.actions, new_status_id=wanted)

    whole, _ = replay(status_changed, first_seen(moments, at_start), moments)
    some, _ = replay(filtered, first_seen(moments, at_start), moments, crashes)
    assert without_repeats(some) == [event for event in whole if event.outputs["new_status_id"] == wanted]


@pytest.mark.parametrize("kind", ["updated", "unreadable"])
def test_a_change_that_is_done_again_while_last_update_stands_still_is_another_event(kind):
    row = {"id": NUMBER, "dateoccurred": date(5), "last_update": date(BASE + 5)}
    snapshots = [Moment({**row, "status_id": status}, []) for status in (1, 2, 1, 2)]
    events, _ = replay(DECISIONS[kind], first_seen(snapshots, True), snapshots[1:])
    assert len(events) == 3 and len(set(ids(events))) == 3


ACTIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("id", "old_status", "new_status"), IDS | ANY_JSON),
            **dict.fromkeys(("actiondatecreated", "datetime"), DATES | ANY_JSON),
        },
    ),
    max_size=4,
)


@given(st.lists(st.tuples(TICKETS, st.none() | ACTIONS), max_size=4), st.none() | st.integers(0, 50), st.none() | IDS)
def test_any_json_makes_events_that_are_well_formed(snapshots, newest_old_id, wanted):
    watermark, wanted = Watermark(SortKey.of("2024-08-01T00:00:00Z"), newest_old_id), (
        wanted if isinstance(wanted, int) else None
    )
    for decide in (
        lambda seen, now, _: decide_created(seen, now, watermark, tickettype_id=wanted, priority_id=wanted),
        lambda seen, now, actions: decide_updated(seen, now, watermark, actions, status_changed=bool(wanted)),
        lambda seen, now, actions: decide_status_changed(seen, now, watermark, actions, new_status_id=wanted),
    ):
        seen = None
        for ticket, actions in snapshots:
            now = snapshot_of({**ticket, "id": 7})
            steps = decide(seen, now, actions)
            assert bool(steps) == (seen is None or has_moved(seen, now, watermark))
            for step in steps:
                assert step.event is None or step.event.event_id.startswith("7-")
                told = dict(step.event.outputs) if step.event else {}
                changed = told.pop("changed_fields", [])
                assert all(type(number) is int for number in told.values())
                assert type(changed) is list and all(type(name) is str for name in changed)
                seen = step.seen
            assert decide(seen, now, actions) == [], "the same snapshot makes something again"
