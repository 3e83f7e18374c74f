"""What a trigger remembers: across restarts and kills, damaged files, folders that cannot be written, full disks, and
with pending tickets from many threads."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from komand_haloitsm.util.events import store as store_module
from komand_haloitsm.util.events.decide import LastSeen, Watermark
from komand_haloitsm.util.events.pending import Pending
from komand_haloitsm.util.events.store import Parked, open_store, state_path
from komand_haloitsm.util.halo.values.sort_key import SortKey
from komand_haloitsm.util.halo.webhook import Notice

from .stores import LOGGER, OWNER, ROOT, clock, ids, moment, named, opened, pairs, path, run_python, seen, warnings


def sound(path: Path) -> bool:
    with sqlite3.connect(path) as database:
        return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def is_kept(store, path) -> bool:
    """Whether what the store saves is in the file."""
    store.save([(987_654, seen(5))])
    with sqlite3.connect(path) as database:
        return database.execute("SELECT count(*) FROM seen WHERE ticket_id = 987654").fetchone() == (1,)


# -- remembering ----------------------------------------------------------------------------------------------------


def test_nothing_is_known_before_the_first_start(opened, caplog):
    store = opened()
    assert (store.watermark(), store.cursor(), store.seen(1), store.pending()) == (None, "", None, [])
    assert warnings(caplog) == []


@pytest.mark.parametrize("newest_old_id", [None, 0, 4242])
def test_everything_survives_reopening(opened, newest_old_id):
    store = opened()
    store.begin(Watermark(moment(5), newest_old_id), moment(6), [(1, seen(1)), (2, LastSeen("", None, {}, None))])
    store.save([(3, seen(3))])
    store.add_pending(named(8, 9))
    store.advance(moment(7), moment(1))
    store.close()
    store = opened()
    assert store.watermark() == Watermark(moment(5), newest_old_id)
    assert store.cursor() == moment(7)
    assert [store.seen(number) for number in (1, 2, 3, 4)] == [seen(1), LastSeen("", None, {}, None), seen(3), None]
    assert ids(store) == [8, 9]


def test_what_is_saved_replaces_what_was(opened):
    store = opened()
    store.save([(1, seen(1)), (1, seen(2))])
    store.save([(1, seen(3))])
    assert store.seen(1) == seen(3)


def test_saving_is_all_or_nothing(opened):
    store = opened()
    with pytest.raises(ValueError):
        store.save(each if each else (_ for _ in ()).throw(ValueError("broken")) for each in [(1, seen(1)), None])
    assert store.seen(1) is None
    store.save([(2, seen(2))])
    assert store.seen(2) == seen(2)


@pytest.mark.parametrize(
    "other", ["ticket_created None https://two.halo.example/api", "ticket_created 17 https://one.halo.example/api", ""]
)
def test_what_another_owner_left_is_forgotten(opened, other):
    store = opened()
    store.begin(Watermark(moment(5), 7), moment(6), [(1, seen(1))])
    store.add_pending([Notice(8, EARLY, 4)])
    store.park(Parked("1-created", 1, {}), seen(1))
    store.asked_first(EARLY)
    store.close()
    store = opened(owner=other)
    assert (store.watermark(), store.cursor(), store.seen(1), store.pending()) == (None, "", None, [])
    assert (store.parked(), store.asked_first(LATE)) == ([], LATE)
    store.add_pending([Notice(8)])
    assert told(store) == {8: ("", None)}


def test_two_stores_in_one_folder_know_nothing_of_each_other(opened, tmp_path):
    one, two = (opened(state_path(str(tmp_path), name)) for name in ("one", "two"))
    one.begin(Watermark(moment(1), 1), moment(1), [(1, seen(1))])
    one.add_pending(named(5))
    assert (two.watermark(), two.seen(1), two.pending()) == (None, None, [])


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trigger_id",
    [
        "../../etc/passwd",
        "..",
        ".",
        "",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "nul\0byte",
        "x" * 5000,
        "trïgger",
        "觸發",
        "\ud800",
        "a b",
        "-rf",
        ".hidden",
        "a\n",
    ],
)
def test_an_id_stays_in_the_folder(trigger_id, tmp_path, opened):
    path = state_path(str(tmp_path), trigger_id)
    assert path.parent == tmp_path and path.resolve().parent == tmp_path.resolve()
    assert is_kept(opened(path), path)


def test_ids_have_files_of_their_own(tmp_path):
    ids = ["a", "b", "a/b", "a_b", "a-b", "A", "../a", "x" * 128, "x" * 129, "x" * 130, "é", ""]
    assert len({state_path(str(tmp_path), each) for each in ids}) == len(ids)


def test_every_file_is_for_its_owner_only(opened, path):
    old = os.umask(0)
    try:
        store = opened()
        store.save([(1, seen(1))])
        store.add_pending(named(1))
        files = sorted(path.parent.iterdir())
        assert len(files) >= 2
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(old)


def test_a_file_that_was_readable_for_others_no_longer_is(opened, path):
    path.parent.mkdir()
    path.touch(0o644)
    path.chmod(0o644)
    opened()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def filled(path: Path) -> bytes:
    store = open_store(path, OWNER, LOGGER)
    store.begin(Watermark(moment(5), 7), moment(6), [(number, seen(number)) for number in range(1, 300)])
    store.add_pending(named(*range(1, 200)))
    store.close()
    return path.read_bytes()


DAMAGE = {
    "garbage": lambda whole: b"not a database at all, " * 500,
    "short garbage": lambda whole: b"{}",
    "zeros": lambda whole: bytes(len(whole)),
    "the header cut": lambda whole: whole[:50],
    "a page cut": lambda whole: whole[:4096],
    "half of it cut": lambda whole: whole[: len(whole) // 2 // 4096 * 4096],
    "cut within a page": lambda whole: whole[: len(whole) // 2 + 77],
    "the last page cut": lambda whole: whole[:-4096],
    "the first page overwritten": lambda whole: whole[:16] + b"\xff" * 4080 + whole[4096:],
    "the tables overwritten": lambda whole: whole[:4096] + b"\xa5" * (len(whole) - 4096),
}


PARTLY_READABLE = ("half of it cut", "cut within a page", "the last page cut")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_set_aside_and_said_so(name, path, opened, caplog):
    damaged = DAMAGE[name](filled(path))
    path.write_bytes(damaged)
    store = opened()
    assert store.watermark() == (Watermark(moment(5), 7) if name in PARTLY_READABLE else None)
    assert is_kept(store, path) and sound(path)
    aside = [file for file in path.parent.iterdir() if "corrupt" in file.name]
    assert [file.read_bytes() for file in aside] == [damaged]
    assert len(warnings(caplog)) == 1 and aside[0].name in warnings(caplog)[0]
    assert stat.S_IMODE(aside[0].stat().st_mode) == 0o600


def test_an_empty_file_is_as_none(path, opened):
    path.parent.mkdir()
    path.touch()
    store = opened()
    assert store.watermark() is None
    assert is_kept(store, path) and sound(path)


def test_damaged_files_do_not_pile_up(path, opened):
    path.parent.mkdir()
    for _ in range(5):
        path.write_bytes(b"garbage" * 1000)
        opened().close()
    assert len([file for file in path.parent.iterdir() if "corrupt" in file.name]) == 1


@pytest.mark.parametrize("logs", ["sound", "garbage"])
def test_left_over_logs_of_a_damaged_file_do_not_damage_the_new_one(path, opened, logs, caplog):
    filled(path)
    store = opened()
    store.save([(1, seen(2))])
    log = Path(f"{path}-wal").read_bytes() if logs == "sound" else b"garbage" * 1000
    store.close()
    path.write_bytes(b"garbage" * 10_000)
    Path(f"{path}-wal").write_bytes(log)
    Path(f"{path}-shm").write_bytes(b"garbage" * 1000)
    store = opened()
    assert is_kept(store, path) and len(warnings(caplog)) == 1
    store.close()
    assert sound(path)


def test_damage_in_the_words_of_the_schema_is_set_aside(path, opened):
    path.write_bytes(filled(path).replace(b"CREATE TABLE hint", b"CREAT\xd1 TABLE hint"))
    store = opened()
    assert is_kept(store, path)
    assert (store.watermark(), store.seen(7), store.pending()) == (Watermark(moment(5), 7), seen(7), [])


def usable(path: Path) -> bool:
    """Whether a trigger can work with the file, whether it was kept or replaced, and what it saves is in the file."""
    store = open_store(path, OWNER, LOGGER)
    try:
        store.watermark(), store.cursor(), store.pending()
        for number in range(1, 300):
            store.seen(number)
        store.advance(moment(9), moment(1))
        return is_kept(store, path)
    finally:
        store.close()


def damaged_at_random(path: Path, count: int, kept: int) -> list[str]:
    """The failures of opening and using `count` files, each with a few random bytes replaced from byte `kept` on."""
    whole, dice, failures = filled(path), random.Random(21), []
    for number in range(count):
        body = bytearray(whole)
        for _ in range(dice.choice((1, 4, 64))):
            body[dice.randrange(kept, min(len(body), 4096) if dice.random() < 0.5 else len(body))] = dice.randrange(256)
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(body)
        try:
            if not usable(path):
                failures.append(f"{number}: not kept")
        except Exception as error:
            failures.append(f"{number}: {type(error).__name__}")
    return failures


def test_random_damage_never_keeps_a_trigger_from_working(path):
    assert damaged_at_random(path, 60, 0) == []


def test_a_database_of_something_else_is_set_aside(path, opened):
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE seen (other TEXT)")
    database.close()
    store = opened()
    assert store.watermark() is None
    assert is_kept(store, path)


# -- no place on disk -----------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_means_memory_and_a_warning(tmp_path, opened, caplog):
    (tmp_path / "file").write_text("in the way")
    store = opened(tmp_path / "file" / "cache" / "x.sqlite3")
    store.begin(Watermark(moment(5), 7), moment(6), [(1, seen(1))])
    store.add_pending(named(8))
    assert (store.watermark(), store.seen(1)) == (Watermark(moment(5), 7), seen(1))
    assert ids(store) == [8]
    assert len(warnings(caplog)) == 1 and "restart" in warnings(caplog)[0]


def test_a_folder_in_the_place_of_the_file_means_memory_and_a_warning(path, opened, caplog):
    path.mkdir(parents=True)
    store = opened()
    store.save([(1, seen(1))])
    assert store.seen(1) == seen(1)
    assert len(warnings(caplog)) == 1


def test_no_trigger_id_means_memory_and_a_warning(opened, caplog):
    store = opened(None)
    store.save([(1, seen(1))])
    assert store.seen(1) == seen(1)
    assert len(warnings(caplog)) == 1 and "trigger ID" in warnings(caplog)[0]
    assert opened(None).seen(1) is None


def fill_disk(store) -> None:
    """Keeps the database from growing by another page."""
    pages = store._state._database.execute("PRAGMA page_count").fetchone()[0]
    store._state._database.execute(f"PRAGMA max_page_count={pages}")


def test_a_full_disk_means_memory_from_then_on_and_a_warning(opened, caplog):
    store = opened()
    store.begin(Watermark(moment(5), 7), moment(6), [(1, seen(1))])
    fill_disk(store)
    for number in range(2, 500):
        store.save([(number, seen(number))])
        assert store.seen(number) == seen(number)
    assert (store.watermark(), store.seen(1)) == (Watermark(moment(5), 7), seen(1))
    assert len(warnings(caplog)) == 1


def test_a_full_disk_does_not_lose_pending_tickets(opened):
    store = opened()
    fill_disk(store)
    for number in range(1, 3000, 50):
        store.add_pending(named(*range(number, number + 50)))
    assert len(ids(store, 10_000)) == 3000


class Killed(BaseException):
    """Takes the place of kill -9 in this process."""


class Failing:
    """A database whose `statement` fails once, as a disk that fills up between two statements does."""

    def __init__(self, database, statement: str, error: type[BaseException] | None = None) -> None:
        self._database = database
        self._statement = statement
        self._error = error

    def execute(self, statement, *values):
        if statement == self._statement:
            self._statement = ""
            if statement == "COMMIT":
                # SQLite undoes the transaction when it cannot write it.
                self._database.execute("ROLLBACK")
            if self._error:
                raise self._error
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
            raise error
        return self._database.execute(statement, *values)

    def executemany(self, statement, *values):
        if statement == self._statement:
            raise self._error
        return self._database.executemany(statement, *values)

    def __getattr__(self, name):
        return getattr(self._database, name)


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN IMMEDIATE",
        pytest.param("COMMIT"),
    ],
)
def test_what_is_saved_while_the_disk_fails_is_known_from_then_on(opened, caplog, statement):
    store = opened()
    store.begin(Watermark(moment(5), 7), moment(6), [(1, seen(1))])
    store._state._database = Failing(store._state._database, statement)
    store.save([(2, seen(2))])
    assert (store.seen(1), store.seen(2)) == (seen(1), seen(2))
    store.save([(3, seen(3))])
    assert store.seen(3) == seen(3)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN IMMEDIATE",
        pytest.param("COMMIT"),
    ],
)
def test_a_pending_ticket_that_comes_while_the_disk_fails_is_not_lost(opened, statement):
    store = opened()
    store._state._database = Failing(store._state._database, statement)
    store.add_pending(named(8))
    assert ids(store) == [8]


LIMITED = """
    import logging, resource, signal, sys
    from pathlib import Path
    from komand_haloitsm.util.events.decide import LastSeen, Watermark
    from komand_haloitsm.util.events.store import open_store
    from komand_haloitsm.util.halo.webhook import Notice

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(sys.argv[1])
    store = open_store(path, "owner", logging.getLogger())
    store.begin(Watermark("2026-03-01T00", 1), "2026-03-01T00", [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size + 9000, resource.RLIM_INFINITY))
    lost = []
    for number in range(1, 200):
        store.save([(number, LastSeen("2026", 1, {"summary": number}, number))])
        store.add_pending([Notice(number)])
        known = [item.ticket_id for item in store.pending(1000)]
        lost += [number] * (store.seen(number) is None) + [-number] * (number not in known)
    sys.stdout.write(repr(lost))
"""


def test_a_file_that_may_not_grow(tmp_path):
    done = run_python(LIMITED, tmp_path / "x.sqlite3")
    assert (done.returncode, done.stdout) == (0, "[]"), done.stderr


# -- size -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(store_module, "MOST_SEEN", 100)
    monkeypatch.setattr(store_module, "_KEPT_AFTER_PRUNING", 60)


@pytest.mark.parametrize(("count", "left"), [(100, 100), (101, 60), (160, 60)])
def test_the_oldest_are_forgotten_and_count_as_old(few, opened, count, left):
    store = opened()
    store.begin(Watermark(moment(0), 3), moment(0), [])
    store.save((number, seen(number)) for number in range(1, count + 1))
    store.advance(moment(900), moment(800))
    known = [number for number in range(1, count + 1) if store.seen(number)]
    assert known == list(range(count - left + 1, count + 1))
    forgotten = count - left
    assert store.watermark() == (
        Watermark(moment(forgotten), max(3, forgotten)) if forgotten else Watermark(moment(0), 3)
    )
    assert store.cursor() == moment(900)


def test_what_polls_still_read_is_not_forgotten(few, opened):
    store = opened()
    store.begin(Watermark(moment(0), 3), moment(0), [])
    store.save((number, seen(number)) for number in range(1, 151))
    store.advance(moment(160), moment(21))
    assert [number for number in range(1, 151) if not store.seen(number)] == list(range(1, 21))
    assert store.watermark() == Watermark(moment(20), 20)


def test_forgetting_does_not_lower_the_watermark(few, opened):
    store = opened()
    store.begin(Watermark(moment(500), 5000), moment(0), ((number, seen(number)) for number in range(1, 151)))
    store.advance(moment(900), moment(800))
    assert store.watermark() == Watermark(moment(500), 5000)


def test_forgetting_invents_no_newest_old_id(few, opened):
    store = opened()
    store.begin(Watermark(moment(0), None), moment(0), ((number, seen(number)) for number in range(1, 151)))
    store.advance(moment(900), moment(800))
    assert store.watermark() == Watermark(moment(90), None)


def test_the_file_stays_small_however_many_tickets_there_are(few, opened, path):
    store, sizes = opened(), []
    store.begin(Watermark(moment(0), 0), moment(0), [])
    for first in range(1, 16_000, 50):
        store.save(
            (number, LastSeen(f"2026-{number:09d}", 1, {"summary": number}, 1)) for number in range(first, first + 50)
        )
        store.advance(f"2026-{first:09d}", f"2026-{first:09d}")
        sizes.append(sum(file.stat().st_size for file in path.parent.iterdir()))
    assert max(sizes[190:]) < 1.2 * max(sizes[:190]) < 8_000_000


# -- pending tickets ------------------------------------------------------------------------------------------------


def test_each_ticket_is_pending_once_oldest_first(opened):
    store = opened()
    store.add_pending(named(3, 1, 3))
    store.add_pending(named(2))
    store.add_pending(named())
    assert ids(store) == [3, 1, 2]
    assert ids(store, 2) == [3, 1]


def test_a_rechecked_ticket_is_no_longer_pending(opened):
    store = opened()
    store.add_pending(named(3, 1))
    store.drop_pending(pairs(store)[:1])
    store.drop_pending([(99, 1)])
    assert ids(store) == [1]


@pytest.mark.parametrize("others", [(), (4,)])
def test_a_ticket_that_is_named_again_during_its_recheck_stays_pending(opened, others):
    store = opened()
    store.add_pending(named(3, *others))
    followed = pairs(store)[:1]
    store.add_pending(named(3))
    store.drop_pending(followed)
    assert 3 in ids(store)


def test_a_ticket_that_is_named_after_all_rechecks_is_not_taken_for_an_old_one(opened):
    store = opened()
    store.add_pending(named(3))
    first = pairs(store)
    store.drop_pending(first)
    store.add_pending(named(3))
    second = store.pending()
    assert len(second) == 1


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_pending_tickets_of_many_threads_are_all_saved(opened, path, place):
    store, errors, start = opened(path if place == "disk" else None), [], threading.Barrier(17)

    def send(thread: int) -> None:
        start.wait()
        try:
            for number in range(30):
                mine = [thread * 1000 + number, 7]
                store.add_pending(named(*mine))
                if not set(mine) <= set(ids(store, 10_000)):
                    errors.append(mine)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 17)]
    for thread in threads:
        thread.start()
    start.wait()
    for number in range(60):
        store.save([(number + 1, seen(number))])
    for thread in threads:
        thread.join(30)
    assert errors == []
    expected = {7, *(thread * 1000 + number for thread in range(1, 17) for number in range(30))}
    assert set(ids(store, 10_000)) == expected


def test_a_pending_ticket_that_cannot_be_saved_does_not_fail_the_next_one(opened):
    store = opened()
    with pytest.raises(OverflowError):
        store.add_pending(named(2**63))
    store.add_pending(named(8))
    assert ids(store) == [8]


def test_after_closing_nothing_is_taken(opened):
    store = opened()
    store.close()
    with pytest.raises(sqlite3.Error):
        store.add_pending(named(8))


def told(store) -> dict[int, tuple[str, int | None]]:
    return {item.ticket_id: (item.sent, item.agent_id) for item in store.pending(10_000)}


EARLY, LATE = SortKey(moment(3)), SortKey(moment(9))


@pytest.mark.parametrize("batches", ["in one call", "in several", "across a restart"])
@pytest.mark.parametrize(
    ("notices", "sent", "agent_id"),
    [
        ([Notice(8, EARLY, 4)], EARLY, 4),
        ([Notice(8, EARLY, 4), Notice(8, LATE, 4)], LATE, 4),
        ([Notice(8, LATE, 4), Notice(8, EARLY, 4)], LATE, 4),
        ([Notice(8, LATE, 4), Notice(8, EARLY, 5)], LATE, None),
        ([Notice(8, LATE, 4), Notice(8, EARLY, 5), Notice(8, EARLY, 5)], LATE, None),
        ([Notice(8, LATE, 4), Notice(8, EARLY)], LATE, None),
        ([Notice(8, LATE), Notice(8, EARLY, 4)], LATE, None),
        ([Notice(8, LATE, 4), Notice(8, SortKey(), 4)], "", 4),
        ([Notice(8, SortKey(), 4), Notice(8, LATE, 4)], "", 4),
        ([Notice(8), Notice(8, LATE, 4)], "", None),
    ],
)
def test_what_several_notices_say_of_a_ticket_is_put_together(opened, batches, notices, sent, agent_id):
    store = opened()
    for batch in [notices] if batches == "in one call" else [[notice] for notice in notices]:
        store.add_pending([*batch, Notice(9, EARLY, 7)])
        if batches == "across a restart":
            store.close()
            store = opened()
    assert told(store) == {8: (sent, agent_id), 9: (EARLY, 7)}
    assert all(isinstance(item.sent, SortKey) for item in store.pending())


def test_a_rechecked_ticket_that_is_named_again_has_only_its_new_notice(opened):
    store = opened()
    store.add_pending([Notice(8, LATE, 4)])
    store.drop_pending(pairs(store))
    store.add_pending([Notice(8, EARLY, 5)])
    assert told(store) == {8: (EARLY, 5)}


def test_a_postponed_ticket_keeps_what_is_known_of_it(opened):
    store = opened()
    store.add_pending([Notice(8, LATE, 4), Notice(9)])
    store.postpone_pending(*pairs(store)[0])
    assert ids(store) == [9, 8] and told(store)[8] == (LATE, 4)


def test_many_pending_tickets_are_dropped_in_one_transaction_but_not_those_named_again(opened, path):
    store = opened()
    store.add_pending(Notice(number, EARLY, 4) for number in range(1, 1001))
    in_hand = pairs(store, 1000)
    store.add_pending(named(7, 300))
    log = Path(f"{path}-wal")
    store._state._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.drop_pending(in_hand)
    assert told(store) == {7: ("", None), 300: ("", None)}
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM notice").fetchone() == (0,), "they would pile up"
    assert log.stat().st_size < 40 * 4096, "a thousand transactions write a thousand pages"
    store.drop_pending([])


# -- parked events --------------------------------------------------------------------------------------------------


def test_parked_events_survive_a_restart_oldest_first(opened):
    store = opened()
    outputs = {"changed_fields": ["status_id", "summary"]}
    parked = [Parked(f"{number}-created", number, {"previous_status_id": number, **outputs}) for number in (5, 3, 4)]
    for each in parked:
        store.park(each, seen(each.ticket_id))
    store.park(parked[0], seen(6))
    store.close()
    store = opened()
    assert store.parked() == parked
    assert [store.seen(number) for number in (5, 3, 4)] == [seen(6), seen(3), seen(4)]
    store.unpark("3-created")
    store.unpark("77-created")
    assert store.parked() == [parked[0], parked[2]]


@pytest.mark.parametrize("statement", ["COMMIT", "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)"])
def test_an_event_is_parked_together_with_what_was_seen(path, statement):
    store = open_store(path, OWNER, LOGGER)
    store._state._database = Failing(store._state._database, statement, Killed)
    with pytest.raises(Killed):
        store.park(Parked("5-created", 5, {}), seen(5))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT (SELECT count(*) FROM parked), (SELECT count(*) FROM seen)").fetchone() == (
            0,
            0,
        )
    store.close()


def test_only_the_newest_parked_events_are_kept_and_the_others_named(monkeypatch, opened, caplog):
    monkeypatch.setattr(store_module, "MOST_PARKED", 3)
    store = opened()
    for number in range(1, 6):
        store.park(Parked(f"{number}-created", number, {}), seen(number))
    assert [item.ticket_id for item in store.parked()] == [3, 4, 5]
    assert ["1-created" in warnings(caplog)[0], "2-created" in warnings(caplog)[1]] == [True, True]
    assert len(warnings(caplog)) == 2 and store_module.MOST_PARKED == 3
    assert store.seen(1) == seen(1)


def test_a_thousand_events_can_be_parked():
    assert store_module.MOST_PARKED == 1_000


# -- the very first start -------------------------------------------------------------------------------------------


def test_the_moment_of_the_first_question_is_kept_until_the_first_start_is_complete(opened):
    store = opened()
    assert store.asked_first(EARLY) == EARLY
    assert store.asked_first(LATE) == EARLY
    store.close()
    store = opened()
    first = store.asked_first(LATE)
    assert first == EARLY and isinstance(first, SortKey) and store.watermark() is None
    store.begin(Watermark(moment(5), 7), moment(6), [])
    assert store.asked_first(LATE) == LATE


def test_what_occurred_when_is_kept_beside_the_fields_of_the_ticket(opened, path):
    store = opened()
    for number, occurred in ((1, 0), (2, 1_772_323_200), (3, None)):
        store.save([(number, LastSeen(moment(1), 2, {"status_id": 2}, 5, 3, occurred))])
    store.close()
    store = opened()
    assert [store.seen(number).occurred for number in (1, 2, 3)] == [0, 1_772_323_200, None]
    assert [store.seen(number).content_key for number in (1, 2, 3)] == [{"status_id": 2}] * 3
    assert [store.seen(number).repeats for number in (1, 2, 3)] == [3, 3, 3]


# -- kill -9 --------------------------------------------------------------------------------------------------------


SAVING = """
    import logging, os, sys
    from pathlib import Path
    from komand_haloitsm.util.events.decide import LastSeen, Watermark
    from komand_haloitsm.util.events.store import open_store
    from komand_haloitsm.util.halo.webhook import Notice

    store = open_store(Path(sys.argv[1]), "owner", logging.getLogger())
    if store.watermark() is None:
        store.begin(Watermark("2026-03-01T00", 1), "2026-03-01T00:00:00.0", [])
    number = int(store.cursor().partition(".")[2])
    while True:
        number += 1
        store.add_pending([Notice(number), Notice(7)])
        store.save([(number, LastSeen("2026", 1, {"summary": number}, number)), (-number, LastSeen("2026", 1, {}, number))])
        store.advance(f"2026-03-01T00:00:00.{number}", "2020")
        os.write(1, f"{number}\\n".encode())
"""


def test_a_kill_in_the_middle_leaves_a_sound_file_with_all_that_was_saved(path):
    dice, path_text, last = random.Random(5), str(path), 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SAVING), path_text],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            said = process.stdout.readline()
            time.sleep(dice.uniform(0, 0.2))
        finally:
            process.send_signal(signal.SIGKILL)
            lines = (said + process.stdout.read()).split(b"\n")
            process.stdout.close()
            process.wait()
        last = max([last, *(int(line) for line in lines[:-1])])
        store = open_store(path, "owner", LOGGER)
        assert store.watermark() == Watermark("2026-03-01T00", 1)
        assert {last, 7} <= set(ids(store, 1_000_000))
        assert all(store.seen(number) and store.seen(-number) for number in range(1, last + 1))
        assert (store.seen(last + 1) is None) == (store.seen(-last - 1) is None)
        assert int(store.cursor().partition(".")[2]) in (last, last + 1)
        store.close()
        assert sound(path)
    assert last > 3


# -- an older version -----------------------------------------------------------------------------------------------


def test_the_state_of_version_1_0_0_is_read_and_kept(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.executescript(Path(__file__).with_name("state_of_version_1_0_0.sql").read_text(encoding="utf-8"))
    store = open_store(path, "ticket_updated None https://desk.example.com/api", LOGGER)
    assert store.watermark() == Watermark("2026-03-01T10:00:00.000000000", 40, "2026-02-22T10:00:00.000000000")
    assert store.cursor() == "2026-03-01T10:06:30.000000000"
    assert store.pending() == [Pending(8, 1), Pending(11, 2)]
    assert store.seen(7) == LastSeen("2026-03-01T09:59:00.000000000", 1, {"summary": 2769912155, "status_id": 1})
    assert store.seen(8) == LastSeen("2026-03-01T10:05:00.123456700", 2, {"summary": 1, "status_id": 2}, 5, repeats=2)
    assert store.seen(9) == LastSeen("2026-03-01T10:06:00.000000000")
    store.save([(8, LastSeen("2026-03-01T10:05:00.123456700", 2, {"summary": 2, "status_id": 2}, 5, repeats=3))])
    store.close()
    with sqlite3.connect(path) as database:
        face = database.execute("SELECT face FROM seen WHERE ticket_id = 8").fetchone()[0]
    assert face == '{"summary": 2, "status_id": 2, "same": 3}'


# What version 1.0.0 does with its file: its schema, its check at the start, and its changes.
SCHEMA_1_0_0 = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    ticket_id INTEGER PRIMARY KEY, stamp TEXT NOT NULL, status_id INTEGER, face TEXT NOT NULL, action_id INTEGER
);
CREATE INDEX IF NOT EXISTS seen_by_stamp ON seen (stamp);
CREATE TABLE IF NOT EXISTS hint (ticket_id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""
CHECK_1_0_0 = """
SELECT (SELECT count(*) FROM seen WHERE typeof(stamp) != 'text' OR typeof(status_id) NOT IN ('integer', 'null')
        OR typeof(action_id) NOT IN ('integer', 'null') OR NOT json_valid(face) OR json_type(face) != 'object')
     + (SELECT count(*) FROM hint WHERE typeof(number) != 'integer')
     + (SELECT count(*) FROM fact WHERE typeof(value) != 'text'
        OR (name = 'floor_id' AND value GLOB '*[^0-9]*')
        OR (name IN ('baseline', 'cursor', 'limit') AND value GLOB '*[^-0-9T:.]*'))
"""


def as_version_1_0_0(path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(SCHEMA_1_0_0)
    assert database.execute(CHECK_1_0_0).fetchone() == (0,)
    return database


def test_version_1_0_0_can_go_on_with_the_file_and_this_version_after_it(opened, path):
    store = opened()
    store.begin(Watermark(moment(5), 7), moment(6), [(1, LastSeen(moment(5), 2, {"status_id": 2}, 5, 1, 99))])
    store.add_pending([Notice(number, LATE, 4) for number in (8, 9, 10, 11)])
    store.park(Parked("1-created", 1, {}), seen(1))
    store.asked_first(EARLY)
    store.close()
    old = as_version_1_0_0(path)
    assert old.execute("SELECT ticket_id, number FROM hint ORDER BY number").fetchall() == [
        (8, 1),
        (9, 2),
        (10, 3),
        (11, 4),
    ]
    # 8 is named again; 9 is rechecked; 10 is rechecked and then named with the number that it had; 11 is postponed.
    old.execute("INSERT OR REPLACE INTO hint VALUES (8, 5)")
    old.execute("DELETE FROM hint WHERE ticket_id IN (9, 10)")
    old.execute("INSERT OR REPLACE INTO hint VALUES (10, 3)")
    old.execute("UPDATE hint SET number = 6 WHERE ticket_id = 11 AND number = 4")
    old.execute("INSERT OR REPLACE INTO fact VALUES ('cursor', ?)", (moment(70),))
    old.execute("INSERT OR REPLACE INTO seen VALUES (2, ?, 1, '{\"status_id\": 1}', NULL)", (moment(60),))
    old.close()
    store = opened()
    assert told(store) == {8: ("", None), 10: ("", None), 11: (LATE, 4)} and ids(store) == [10, 8, 11]
    assert (store.cursor(), store.seen(2)) == (moment(70), LastSeen(moment(60), 1, {"status_id": 1}))
    assert [item.event_id for item in store.parked()] == ["1-created"]


def test_version_1_0_0_can_empty_the_file_for_another_owner(opened, path):
    store = opened()
    store.add_pending([Notice(8, LATE, 4)])
    store.park(Parked("1-created", 1, {}), seen(1))
    store.close()
    old = as_version_1_0_0(path)
    for table in ("fact", "seen", "hint"):
        old.execute(f"DELETE FROM {table}")
    old.execute("INSERT OR REPLACE INTO fact VALUES ('owner', 'another')")
    old.execute("INSERT OR REPLACE INTO hint VALUES (8, 1)")
    old.close()
    store = opened(owner="another")
    assert (store.parked(), store.pending()) == ([], [Pending(8, 1)])
