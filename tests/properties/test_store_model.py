"""The store compared with plain dicts, after any order of a trigger's calls, with closing, killing, locks and deleted
files in between."""

import logging
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from komand_haloitsm.util.events import state_file
from komand_haloitsm.util.events import store as store_module
from komand_haloitsm.util.events.decide import LastSeen, Watermark
from komand_haloitsm.util.events.store import Parked, open_store
from komand_haloitsm.util.halo.values.sort_key import SortKey
from komand_haloitsm.util.halo.webhook import Notice

QUIET = logging.getLogger("komand_haloitsm.test")
QUIET.setLevel(logging.CRITICAL)
MOST, KEPT = 6, 4
NUMBERS = st.integers(1, 12) | st.sampled_from([2**31, 2**63 - 1])


def moment(number):
    return f"2026-03-01T10:00:{number:02d}.000000000"


SORT_KEYS = st.integers(0, 59).map(moment).map(SortKey)
SEEN = st.builds(
    LastSeen,
    SORT_KEYS,
    st.none() | st.integers(1, 30),
    st.dictionaries(st.sampled_from(["summary", "team", "status_id"]), st.integers(0, 2**32)),
    st.none() | st.integers(1, 2**40),
    st.integers(0, 3),
    st.none() | st.integers(0, 2**40),
)
NOTICES = st.builds(Notice, NUMBERS, st.just("") | SORT_KEYS, st.none() | st.integers(1, 2))
WATERMARKS = st.builds(Watermark, SORT_KEYS, st.none() | st.integers(0, 20))


class StoreMachine(RuleBasedStateMachine):
    """The model: what has been saved, as plain dicts."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "one.haloitsm.sqlite3"
        self.abandoned = []
        self.owner = "ticket_updated None https://desk.example.com/api"
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(store_module, "MOST_SEEN", MOST)
        self.patch.setattr(store_module, "_KEPT_AFTER_PRUNING", KEPT)
        self.patch.setattr(state_file, "LOCK_TIMEOUT", 0.0)
        self.patch.setattr(state_file, "_LOCK_TIMEOUT_OF_A_TRY", 0.0)
        self.now, self.lock = 0.0, None
        self.open()
        self.forget()

    def open(self):
        self.store = open_store(self.path, self.owner, QUIET, lambda: self.now)

    def forget(self):
        self.watermark, self.horizon, self.cursor, self.seen = None, "", "", {}
        # ticket id -> (sent, agent), and event id -> parked event, each in their order
        self.pending, self.parked, self.first = {}, {}, None

    def teardown(self):
        self.release()
        for each in (*self.abandoned, self.store):
            each.close()
        self.patch.undo()
        self.folder.cleanup()

    @rule(watermark=WATERMARKS, cursor=SORT_KEYS, items=st.dictionaries(NUMBERS, SEEN, max_size=9))
    def begin(self, watermark, cursor, items):
        self.store.begin(watermark, cursor, items.items())
        self.watermark, self.cursor, self.first = watermark, cursor, None
        self.seen |= items

    @rule(items=st.dictionaries(NUMBERS, SEEN, max_size=3))
    def save(self, items):
        self.store.save(items.items())
        self.seen |= items

    @rule(items=st.dictionaries(NUMBERS, SEEN, min_size=1, max_size=3))
    def fail_to_save(self, items):
        with pytest.raises(ZeroDivisionError):
            self.store.save((number, item if number < 0 else 1 / 0) for number, item in items.items())

    @precondition(lambda self: self.watermark is not None)
    @rule(cursor=SORT_KEYS, window=SORT_KEYS)
    def advance(self, cursor, window):
        self.store.advance(cursor, window)
        self.cursor = cursor
        surplus = len(self.seen) - KEPT if len(self.seen) > MOST else 0
        old = sorted((item.sort_key, number) for number, item in self.seen.items() if item.sort_key < window)[:surplus]
        for _, number in old:
            del self.seen[number]
        if old:
            newest_old_id = self.watermark.newest_old_id
            self.watermark = Watermark(
                max(self.watermark.sort_key, max(old)[0]),
                None if newest_old_id is None else max(newest_old_id, *(number for _, number in old)),
            )

    @rule(sort_key=SORT_KEYS)
    def forget_before(self, sort_key):
        self.store.forget_before(sort_key)
        self.horizon = sort_key

    @rule(notices=st.lists(NOTICES, max_size=5))
    def add_pending(self, notices):
        self.store.add_pending(notices)
        for notice in notices:
            sent, agent_id = self.pending.get(notice.ticket_id, (notice.sent, notice.agent_id))
            sent = max(sent, notice.sent) if sent and notice.sent else ""
            self.pending[notice.ticket_id] = (sent, agent_id if agent_id == notice.agent_id else None)
        for ticket_id in dict.fromkeys(notice.ticket_id for notice in notices):
            self.pending[ticket_id] = self.pending.pop(ticket_id)

    @precondition(lambda self: self.pending)
    @rule(places=st.sets(st.integers(0, 5)), again=st.lists(NOTICES, max_size=2))
    def recheck_pending_tickets_of_which_some_are_named_again_meanwhile(self, places, again):
        pending = self.store.pending()
        chosen = {pending[place % len(pending)] for place in places}
        self.add_pending(again)
        self.store.drop_pending((item.ticket_id, item.number) for item in chosen)
        for item in chosen:
            if item.ticket_id not in [notice.ticket_id for notice in again]:
                del self.pending[item.ticket_id]

    @precondition(lambda self: self.pending)
    @rule(place=st.integers(0, 5), again=st.lists(NOTICES, max_size=1))
    def postpone_a_pending_ticket(self, place, again):
        pending = self.store.pending()
        item = pending[place % len(pending)]
        self.add_pending(again)
        self.store.postpone_pending(item.ticket_id, item.number)
        if item.ticket_id not in [notice.ticket_id for notice in again]:
            self.pending[item.ticket_id] = self.pending.pop(item.ticket_id)

    @rule(ticket_id=NUMBERS, seen=SEEN, outputs=st.dictionaries(st.just("previous_status_id"), st.integers(1, 9)))
    def park(self, ticket_id, seen, outputs):
        event_id = f"{ticket_id}-created"
        self.store.park(Parked(event_id, ticket_id, outputs), seen)
        self.seen[ticket_id] = seen
        self.parked.setdefault(event_id, Parked(event_id, ticket_id, outputs))

    @rule(ticket_id=NUMBERS)
    def unpark(self, ticket_id):
        self.store.unpark(f"{ticket_id}-created")
        self.parked.pop(f"{ticket_id}-created", None)

    @rule(sort_key=SORT_KEYS)
    def ask_first(self, sort_key):
        self.first = self.first or sort_key
        assert self.store.asked_first(sort_key) == self.first

    @rule()
    def another_process_takes_the_lock(self):
        if self.lock is None:
            self.lock = sqlite3.connect(self.path, isolation_level=None)
            self.lock.execute("BEGIN IMMEDIATE")

    def release(self):
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    @rule(seconds=st.sampled_from([1, 31]))
    def the_lock_is_free_again(self, seconds):
        self.release()
        self.now += seconds

    @precondition(lambda self: self.lock is None)
    @rule()
    def the_file_is_deleted(self):
        for file in self.path.parent.iterdir():
            file.unlink()
        # Until something is written, nobody notices.
        self.add_pending([])
        self.store.save([])

    @rule()
    def close_and_open(self):
        self.release()
        self.store.close()
        self.open()

    @precondition(lambda self: self.lock is None)
    @rule()
    def open_without_closing(self):
        # As after a kill: what was committed is in the file, although another connection still has it open.
        self.now += 31
        self.store.save([])
        self.abandoned.append(self.store)
        self.open()

    @rule(number=st.integers(1, 3))
    def open_for_another_owner(self, number):
        owner = f"ticket_created {number} https://desk.example.com/api"
        if owner != self.owner:
            self.owner = owner
            self.forget()
        self.close_and_open()

    @invariant()
    def it_knows_what_was_saved(self):
        assert self.store.watermark() == (self.watermark and replace(self.watermark, horizon=self.horizon))
        assert self.store.cursor() == self.cursor
        assert [(item.ticket_id, (item.sent, item.agent_id)) for item in self.store.pending()] == [
            *self.pending.items()
        ]
        assert self.store.parked() == [*self.parked.values()]
        for number in [*range(1, 13), 2**31, 2**63 - 1]:
            assert self.store.seen(number) == self.seen.get(number)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=15, stateful_step_count=25)
