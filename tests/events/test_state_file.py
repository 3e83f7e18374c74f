"""The file of a trigger's state when it cannot be read, written or locked for a while: what was known is used, and what
happens meanwhile is in the file later, also when another process has written into it."""

import logging
import os
import sqlite3
import tempfile

import pytest
from permissions import obeying_permissions

from komand_haloitsm.util.events import state_file
from komand_haloitsm.util.events.decide import LastSeen, Watermark
from komand_haloitsm.util.events.store import Parked, open_store
from komand_haloitsm.util.halo.webhook import Notice

from .stores import LOGGER, OWNER, clock, ids, moment, named, opened, pairs, path, run_python, seen, warnings

TRY = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A lock is waited for without a pause; one that is held for longer than ten seconds differs in nothing else."""
    monkeypatch.setattr(state_file, "LOCK_TIMEOUT", 0.0)
    monkeypatch.setattr(state_file, "_LOCK_TIMEOUT_OF_A_TRY", 0.0)


def begun(store) -> None:
    store.begin(Watermark(moment(5), 7), moment(60), [(number, seen(number)) for number in range(1, 20)])


class Lock:
    """Another process that holds the write lock."""

    def __init__(self, path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._database.close()


def in_file(path) -> dict:
    """What the file holds, for whoever opens it next."""
    store = open_store(path, OWNER, LOGGER)
    try:
        known = {number: store.seen(number) for number in range(1, 60) if store.seen(number)}
        return {"seen": known, "pending": ids(store), "cursor": store.cursor(), "watermark": store.watermark()}
    finally:
        store.close()


# -- a folder that can only be read ---------------------------------------------------------------------------------

LEFT = ("nothing", "both logs", "the write-ahead log")


def left_behind(path, left: str) -> None:
    """A state file as an end, a kill, or a kill and a copy without the index of the log leave it."""
    path.parent.mkdir()
    source = path.with_name("other")
    store = open_store(source, OWNER, LOGGER)
    begun(store)
    store._state._database.execute("PRAGMA wal_checkpoint")
    store.save([(30, seen(30))])
    store.add_pending(named(8))
    if left == "nothing":
        store.close()
    for ending in ("", *{"both logs": ("-wal", "-shm"), "the write-ahead log": ("-wal",)}.get(left, ())):
        path.with_name(path.name + ending).write_bytes(source.with_name(source.name + ending).read_bytes())
    store.close()
    source.unlink()


@pytest.mark.parametrize("left", LEFT)
def test_what_was_known_is_used_where_the_folder_can_only_be_read(path, opened, clock, caplog, left):
    left_behind(path, left)
    for file in path.parent.iterdir():
        file.chmod(0o400)
    path.parent.chmod(0o500)

    def work() -> None:
        store = opened()
        assert (store.watermark(), store.cursor()) == (Watermark(moment(5), 7), moment(60))
        assert (store.seen(1), store.seen(30), ids(store)) == (seen(1), seen(30), [8])
        clock.now += 100 * TRY
        store.save([(31, seen(31))])
        assert store.seen(31) == seen(31)
        assert len(warnings(caplog)) == 1 and "cannot be written" in warnings(caplog)[0]
        path.parent.chmod(0o700)
        for file in path.parent.iterdir():
            file.chmod(0o600)
        clock.now += TRY
        store.save([(32, seen(32))])
        store.close()

    obeying_permissions(work)
    assert in_file(path)["seen"] == {number: seen(number) for number in (*range(1, 20), 30, 31, 32)}


def test_a_file_is_read_where_nothing_at_all_can_be_written(path, opened, caplog, monkeypatch):
    left_behind(path, "nothing")
    path.chmod(0o400)
    path.parent.chmod(0o500)
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent / "none"))
    assert obeying_permissions(lambda: opened().seen(30)) == seen(30)
    assert len(warnings(caplog)) == 1


def test_a_file_that_cannot_even_be_read_means_memory(path, opened, caplog):
    left_behind(path, "nothing")
    path.parent.chmod(0)

    def work() -> None:
        store = opened()
        store.save([(1, seen(2))])
        assert (store.watermark(), store.seen(1)) == (None, seen(2))

    obeying_permissions(work)
    path.parent.chmod(0o700)
    assert len(warnings(caplog)) == 1


def test_a_state_that_began_anew_beside_an_unreadable_file_loses_nothing_of_it(path, opened, clock):
    """A change that the file's watermark does not count as old must still make its event."""
    left_behind(path, "nothing")
    path.parent.chmod(0)

    def work() -> None:
        store = opened()
        store.begin(Watermark(moment(300), 40), moment(300), [(1, seen(250)), (35, seen(260))])
        store.save([(2, seen(310))])
        path.parent.chmod(0o700)
        clock.now += TRY
        store.save([(3, seen(320))])
        assert store.seen(1) == seen(1) and store.seen(35) is None, "a change that made no event is taken for seen"
        assert (store.seen(2), store.seen(3)) == (seen(310), seen(320))
        assert (store.watermark(), store.cursor()) == (Watermark(moment(5), 7), moment(60))

    obeying_permissions(work)


# -- a lock ---------------------------------------------------------------------------------------------------------


def test_a_lock_that_was_lost_comes_back(path, opened, clock, caplog):
    caplog.set_level(logging.INFO)
    store = opened()
    begun(store)
    lock = Lock(path)
    store.save([(30, seen(30))])
    store.add_pending(named(8))
    assert (store.seen(1), store.seen(30), ids(store)) == (seen(1), seen(30), [8])
    clock.now += TRY
    store.advance(moment(70), moment(1))
    lock.release()
    clock.now += TRY - 1
    store.save([(31, seen(31))])
    assert 31 not in in_file(path)["seen"], "it tries more often than once in 30 s"
    clock.now += 1
    store.save([(32, seen(32))])
    assert in_file(path) == {
        "seen": {number: seen(number) for number in (*range(1, 20), 30, 31, 32)},
        "pending": [8],
        "cursor": moment(70),
        "watermark": Watermark(moment(5), 7),
    }
    assert len(warnings(caplog)) == 1
    assert [record.getMessage() for record in caplog.records if "again" in record.getMessage()] != []


def test_what_is_only_in_memory_is_written_at_the_end(path, opened):
    store = opened()
    begun(store)
    lock = Lock(path)
    store.save([(30, seen(30))])
    lock.release()
    store.close()
    assert in_file(path)["seen"][30] == seen(30)


def test_a_file_that_is_locked_at_the_start_is_read(path, opened, clock, caplog):
    begun(opened())
    lock = Lock(path)
    store = opened()
    assert (store.watermark(), store.seen(3)) == (Watermark(moment(5), 7), seen(3))
    store.save([(30, seen(30))])
    lock.release()
    clock.now += TRY
    store.save([(31, seen(31))])
    assert in_file(path)["seen"].keys() == {*range(1, 20), 30, 31}
    assert len(warnings(caplog)) == 1


def test_a_file_that_nobody_else_may_read_is_read_at_the_start(path, opened, caplog):
    left_behind(path, "nothing")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    store = opened()
    assert (store.watermark(), store.seen(30)) == (Watermark(moment(5), 7), seen(30))
    other.close()
    assert len(warnings(caplog)) == 1


def test_what_was_undone_in_memory_stays_undone(path, opened, clock):
    """Nobody has changed the file meanwhile, so all of memory goes, not only what was added."""
    store = opened()
    begun(store)
    store.add_pending(named(8, 9))
    store.park(Parked("1-created", 1, {}), seen(1))
    lock = Lock(path)
    store.drop_pending(pairs(store)[:1])
    store.unpark("1-created")
    store.save([(2, LastSeen(moment(1)))])
    in_hand = pairs(store)
    lock.release()
    clock.now += TRY
    store.drop_pending(in_hand)
    assert (ids(store), store.parked(), store.seen(2)) == ([], [], LastSeen(moment(1)))
    store.close()
    assert (in_file(path)["pending"], in_file(path)["seen"][2]) == ([], LastSeen(moment(1)))


def test_two_processes_destroy_nothing_of_each_other_s_state(path, opened, clock):
    one, other = opened(), opened()
    begun(one)
    one.add_pending(named(3))
    lock = Lock(path)
    one.save([(1, seen(101)), (2, seen(102)), (40, seen(140))])
    one.add_pending([Notice(8, moment(9), 4)])
    one.park(Parked("1-created", 1, {"a": 1}), seen(111))
    one.advance(moment(90), moment(1))
    lock.release()
    other.save([(2, seen(202)), (41, seen(141))])
    other.add_pending([Notice(9), Notice(8, moment(7), 4)])
    other.park(Parked("3-created", 3, {"a": 1}), seen(103))
    other.advance(moment(80), moment(1))
    clock.now += TRY
    one.save([(42, seen(142))])
    for store in (one, other):
        assert {number: store.seen(number) for number in (1, 2, 3, 40, 41, 42)} == {
            number: seen(sort_key)
            for number, sort_key in ((1, 111), (2, 202), (3, 103), (40, 140), (41, 141), (42, 142))
        }
        assert sorted(ids(store)) == [3, 8, 9]
        assert {(item.sent, item.agent_id) for item in store.pending() if item.ticket_id == 8} == {(moment(9), 4)}
        assert [item.event_id for item in store.parked()] == ["3-created", "1-created"]
        assert (store.watermark(), store.cursor()) == (Watermark(moment(5), 7), moment(80))


def test_a_ticket_named_by_another_process_meanwhile_is_not_dropped(path, opened, clock):
    one, other = opened(), opened()
    lock = Lock(path)
    one.add_pending(named(8))
    in_hand = pairs(one)
    lock.release()
    other.add_pending(named(8))
    clock.now += TRY
    one.drop_pending(in_hand)
    assert ids(one) == ids(other) == [8]


def test_of_two_states_of_a_ticket_at_one_moment_the_later_stays(path, opened, clock):
    one, other = opened(), opened()
    begun(one)
    late, later = (LastSeen(moment(100), 2, {}, action, repeats) for action, repeats in ((4, 1), (5, 1)))
    latest = LastSeen(moment(100), 2, {}, None, 2)
    lock = Lock(path)
    one.save([(1, late), (2, later), (3, latest)])
    lock.release()
    other.save([(1, later), (2, late), (3, later)])
    clock.now += TRY
    one.advance(moment(60), moment(1))
    assert [one.seen(number) for number in (1, 2, 3)] == [later, later, latest]


def test_the_state_of_another_owner_does_not_come_back(path, opened, clock):
    store = opened(owner="another")
    begun(store)
    store.close()
    lock = Lock(path)
    store = opened()
    assert store.seen(1) is None
    store.save([(30, seen(30))])
    lock.release()
    clock.now += TRY
    store.save([(31, seen(31))])
    assert in_file(path)["seen"] == {30: seen(30), 31: seen(31)}


# -- a full disk ----------------------------------------------------------------------------------------------------

FULL = """
    import logging, os, resource, signal, sys
    from pathlib import Path
    from komand_haloitsm.util.events.decide import LastSeen, Watermark
    from komand_haloitsm.util.events.store import open_store
    from komand_haloitsm.util.halo.webhook import Notice

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def known(store):
        return [number for number in range(0, 200) if store.seen(number)] == list(range(0, 200))

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path, when, now = Path(sys.argv[1]), sys.argv[2], [0.0]
    if when == "at the start":
        limit(0)
    store = open_store(path, "owner", logging.getLogger(), lambda: now[0])
    if when != "at the start":
        store.begin(Watermark("2026-03-01T00", 1), "2026-03-01T00", [])
        store.save([(0, LastSeen("2026"))])
    if when == "end":
        sys.exit(store.close())
    if when == "kill":
        os._exit(0)
    if when == "while running":
        limit(Path(f"{path}-wal").stat().st_size + 9000)
    watermark = store.watermark()
    for number in range(1, 200):
        store.save([(number, LastSeen("2026", 1, {"summary": number}, number))])
    meanwhile = known(store)
    limit(resource.RLIM_INFINITY)
    now[0] += 30
    store.add_pending([Notice(7)])
    later = open_store(path, "owner", logging.getLogger())
    sys.stdout.write(repr((watermark is not None, meanwhile, known(later), len(later.pending()))))
"""


@pytest.mark.parametrize(("before", "when"), [("", "while running"), ("end", "at the start"), ("kill", "at the start")])
def test_a_disk_that_was_full_has_everything_once_there_is_room(tmp_path, before, when):
    """The kernel refuses to write, as a full disk does: the files may not grow."""
    if before:
        assert run_python(FULL, tmp_path / "x.sqlite3", before).returncode == 0
    done = run_python(FULL, tmp_path / "x.sqlite3", when)
    assert (done.returncode, done.stdout) == (0, "(True, True, True, 1)"), done.stderr
    assert done.stderr.count("cannot be written") == 1


# -- a file that is not there any more ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_was_deleted_or_replaced_is_written_again(path, opened, how):
    store = opened()
    begun(store)
    store.add_pending(named(8))
    for file in path.parent.iterdir():
        file.unlink()
    if how == "replaced":
        other = opened()
        begun(other)
        other.save([(33, seen(33))])
    store.save([(30, seen(30))])
    assert in_file(path)["seen"].keys() == {*range(1, 20), 30, *([33] if how == "replaced" else [])}
    assert in_file(path)["pending"] == [8]


def test_a_folder_that_is_gone_is_made_again(path, opened):
    store = opened()
    begun(store)
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    store.save([(30, seen(30))])
    assert in_file(path)["seen"].keys() == {*range(1, 20), 30}


def test_whoever_runs_the_tests_is_refused_what_permission_bits_forbid(tmp_path):
    """Otherwise the tests of folders that can only be read would show nothing."""
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        obeying_permissions((tmp_path / "file").touch)
    tmp_path.chmod(0o700)
    assert os.listdir(tmp_path) == []
