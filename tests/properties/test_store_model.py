"""The store compared with plain dicts, after any order of a trigger's calls, with closing and killing in between."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from komand_haloitsm.util.events import store as store_module
from komand_haloitsm.util.events.decide import LastSeen, Watermark
from komand_haloitsm.util.events.store import open_store

QUIET = logging.getLogger("komand_haloitsm.test")
QUIET.setLevel(logging.CRITICAL)
MOST, KEPT = 6, 4
NUMBERS = st.integers(1, 12) | st.sampled_from([2**31, 2**63 - 1])


def moment(number):
    return f"2026-03-01T10:00:{number:02d}.000000000"


SORT_KEYS = st.integers(0, 59).map(moment)
SEEN = st.builds(
    LastSeen,
    SORT_KEYS,
    st.none() | st.integers(1, 30),
    st.dictionaries(st.sampled_from(["summary", "team", "status_id"]), st.integers(0, 2**32)),
    st.none() | st.integers(1, 2**40),
)
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
        self.store = open_store(self.path, self.owner, QUIET)
        self.forget()

    def forget(self):
        self.watermark, self.horizon, self.cursor, self.seen, self.pending = None, "", "", {}, []

    def teardown(self):
        for each in (*self.abandoned, self.store):
            each.close()
        self.patch.undo()
        self.folder.cleanup()

    @rule(watermark=WATERMARKS, cursor=SORT_KEYS, items=st.dictionaries(NUMBERS, SEEN, max_size=9))
    def begin(self, watermark, cursor, items):
        self.store.begin(watermark, cursor, items.items())
        self.watermark, self.cursor = watermark, cursor
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

    @rule(numbers=st.lists(NUMBERS, max_size=5))
    def add_pending(self, numbers):
        self.store.add_pending(numbers)
        fresh = list(dict.fromkeys(numbers))
        self.pending = [number for number in self.pending if number not in fresh] + fresh

    @precondition(lambda self: self.pending)
    @rule(place=st.integers(0, 5))
    def recheck_a_pending_ticket(self, place):
        ticket_id, number = self.store.pending()[place % len(self.pending)]
        self.store.drop_pending(ticket_id, number)
        self.pending.remove(ticket_id)

    @precondition(lambda self: self.pending)
    @rule(place=st.integers(0, 5))
    def recheck_a_ticket_that_is_named_again_meanwhile(self, place):
        ticket_id, number = self.store.pending()[place % len(self.pending)]
        self.add_pending([ticket_id])
        self.store.drop_pending(ticket_id, number)

    @precondition(lambda self: self.pending)
    @rule(place=st.integers(0, 5), comes_again=st.booleans())
    def postpone_a_pending_ticket(self, place, comes_again):
        ticket_id, number = self.store.pending()[place % len(self.pending)]
        if comes_again:
            self.add_pending([ticket_id])
        self.store.postpone_pending(ticket_id, number)
        if not comes_again:
            self.pending.remove(ticket_id)
            self.pending.append(ticket_id)

    @rule()
    def close_and_open(self):
        self.store.close()
        self.store = open_store(self.path, self.owner, QUIET)

    @rule()
    def open_without_closing(self):
        # As after a kill: what was committed is in the file, although another connection still has it open.
        self.abandoned.append(self.store)
        self.store = open_store(self.path, self.owner, QUIET)

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
        assert [number for number, _ in self.store.pending()] == self.pending
        for number in [*range(1, 13), 2**31, 2**63 - 1]:
            assert self.store.seen(number) == self.seen.get(number)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=15, stateful_step_count=25)
