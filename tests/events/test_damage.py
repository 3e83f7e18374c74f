"""A state file that is damaged, at the start or while a trigger works with it: what can be read is kept, in a new file,
and the trigger goes on."""

import sqlite3

import pytest
from permissions import obeying_permissions

from komand_haloitsm.util.events.decide import LastSeen, Watermark
from komand_haloitsm.util.events.store import Parked, open_store

from .stores import LOGGER, OWNER, clock, ids, moment, named, opened, path, run_python, seen, warnings

PAGE = 4096
MANY = 1_500


def fill(store, many: int = MANY) -> None:
    store.begin(Watermark(moment(5), 7), moment(6), [(number, seen(number)) for number in range(1, many)])
    store.park(Parked("1-created", 1, {"previous_status_id": 2, "changed_fields": ["status_id"]}), seen(1))
    store.add_pending(named(8))
    store.advance(moment(MANY), moment(MANY - 120))


def pages_of(path, table: str) -> list[int]:
    """The numbers of the pages that hold rows of a table."""
    with sqlite3.connect(path) as database:
        root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    database.close()
    body = path.read_bytes()
    leaves, inner = {13: True, 10: True}, {5: True, 2: True}

    def below(number: int) -> list[int]:
        page = body[(number - 1) * PAGE : number * PAGE]
        if page[0] in leaves:
            return [number]
        assert page[0] in inner
        cells = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(int.from_bytes(page[3:5], "big"))]
        children = [*(int.from_bytes(page[at : at + 4], "big") for at in cells), int.from_bytes(page[8:12], "big")]
        return [leaf for child in children for leaf in below(child)]

    return below(root)


def spoil(path, *pages: int) -> None:
    with path.open("r+b") as file:
        for number in pages:
            file.seek((number - 1) * PAGE)
            file.write(b"\xa5" * PAGE)


@pytest.fixture
def used(path, opened):
    """A store that has written everything into the file itself and keeps hardly a page of it in memory."""
    store = opened()
    fill(store)
    store._state._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._state._database.execute("PRAGMA cache_size=1")
    return store


def all_of(store) -> list[int]:
    return [number for number in range(1, MANY) if store.seen(number)]


READS = {
    "seen": lambda store: store.seen(MANY // 2),
    "pending": lambda store: store.pending(),
    "cursor": lambda store: store.cursor(),
    "watermark": lambda store: store.watermark(),
    "parked": lambda store: store.parked(),
    "save": lambda store: store.save([(MANY // 2, seen(MANY // 2))]),
    "advance": lambda store: store.advance(moment(MANY), moment(MANY - 120)),
    "add_pending": lambda store: store.add_pending(named(8)),
}


@pytest.mark.parametrize("first", READS)
def test_whoever_finds_the_damage_first_gets_over_it(path, used, opened, caplog, first):
    tables = ("seen", "hint", "fact", "parked")
    spoil(path, *(page for table in tables for page in pages_of(path, table)))
    READS[first](used)
    assert (used.watermark().sort_key, used.cursor()) == (moment(MANY - 120), moment(MANY))
    used.save([(5000, seen(5000))])
    assert used.seen(5000) == seen(5000)
    used.close()
    store = opened()
    assert (store.seen(5000), store.cursor()) == (seen(5000), moment(MANY))
    aside = [file.name for file in path.parent.iterdir() if "corrupt" in file.name]
    assert len(aside) == 1 and [aside[0] in text for text in warnings(caplog)] == [True]


def test_all_rows_outside_the_damage_are_kept(path, used):
    leaves = pages_of(path, "seen")
    assert len(leaves) > 20
    spoil(path, leaves[3], leaves[9], leaves[-4])
    lost = [number for number in range(1, MANY) if not (known := used.seen(number)) or not known.content_key]
    assert 0 < len(lost) < 4 * MANY / len(leaves)
    # The index still says of the others that they were seen, and when.
    assert all_of(used) == list(range(1, MANY))
    assert {used.seen(number).sort_key for number in lost} == {moment(number) for number in lost}
    assert ids(used) == [8] and [item.event_id for item in used.parked()] == ["1-created"]


def test_pending_tickets_on_both_sides_of_the_damage_are_kept(path, used):
    used.add_pending(named(*range(1, 5001)))
    used._state._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    leaves = pages_of(path, "hint")
    spoil(path, leaves[len(leaves) // 2])
    kept = set(ids(used, 10_000))
    assert {*range(1, 2000), *range(3000, 5001)} <= kept and len(kept) < 5000


def test_rows_are_kept_whose_index_is_damaged(path, used):
    spoil(path, *pages_of(path, "seen_by_stamp"))
    used.save([(2, LastSeen(moment(9000)))])
    assert all_of(used) == list(range(1, MANY)) and used.seen(77) == seen(77)


def test_tickets_whose_rows_are_lost_look_neither_new_nor_changed(path, used):
    """Everything about tickets and the index is lost. What is older than the last two minutes then counts as old."""
    spoil(path, *pages_of(path, "seen"), *pages_of(path, "seen_by_stamp"))
    used.pending()
    # The newest rows are known from memory nevertheless.
    assert all_of(used) == [1, *range(MANY - 999, MANY)]
    assert used.watermark() == Watermark(moment(MANY - 120), MANY - 121)


def test_without_any_row_the_age_of_a_ticket_is_judged_by_its_date(path, used):
    spoil(path, *pages_of(path, "seen"), *pages_of(path, "seen_by_stamp"))
    used.close()
    store = open_store(path, OWNER, LOGGER)
    assert all_of(store) == [] and store.watermark() == Watermark(moment(MANY - 120), None)
    assert (store.cursor(), ids(store)) == (moment(MANY), [8])
    store.close()


def test_what_is_delivered_when_the_damage_shows_is_saved_as_seen(path, used, opened):
    spoil(path, *pages_of(path, "seen"))
    used.save([(77, seen(4000))])
    assert used.seen(77) == seen(4000)
    used.close()
    assert opened().seen(77) == seen(4000)


def test_the_state_is_in_the_file_again_as_soon_as_the_damage_shows(path, used):
    spoil(path, pages_of(path, "seen")[5])
    assert len(all_of(used)) == MANY - 1
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM seen").fetchone() == (MANY - 1,)


def test_damage_again_and_again_is_written_away_once_in_30_s(path, used, clock):
    for known in (5001, 5002):
        used._state._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        used._state._database.execute("PRAGMA cache_size=1")
        spoil(path, pages_of(path, "seen")[5])
        used.save([(known, seen(known))])
        assert len(all_of(used)) == MANY - 1
    damaged = path.read_bytes()
    used.save([(5003, seen(5003))])
    assert path.read_bytes() == damaged
    clock.now += 30
    used.save([(5004, seen(5004))])
    used.close()
    again = open_store(path, OWNER, LOGGER)
    assert len(all_of(again)) == MANY - 1
    assert [again.seen(number) for number in range(5001, 5005)] == [seen(number) for number in range(5001, 5005)]
    again.close()


def test_two_processes_with_one_damaged_file_lose_nothing(path, used, opened, caplog):
    # The pages of the new file are not those of the old one, whose log the other process still has open.
    used._state._database.execute("DELETE FROM seen WHERE ticket_id % 3 = 0")
    used._state._newest.clear()
    used._state._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    known = all_of(used)
    other = opened()
    other._state._database.execute("PRAGMA cache_size=1")
    used.save([(number, used.seen(number)) for number in known[::7]])
    used.save([(5001, seen(5001))])
    spoil(path, pages_of(path, "seen")[5])
    used.save([(5002, seen(5002))])
    assert all_of(used) == known
    other.save([(5003, seen(5003))])
    other.add_pending(named(9))
    used.save([(5004, seen(5004))])
    for store in (used, other):
        assert [store.seen(number) for number in range(5001, 5005)] == [seen(number) for number in range(5001, 5005)]
        assert all_of(store) == known and sorted(ids(store)) == [8, 9]
    assert sum("set aside" in text for text in warnings(caplog)) == 1, "the new file was damaged as well"


VALUES = {
    "UPDATE seen SET face = '{\"summary\": 1' WHERE ticket_id = 5": LastSeen(moment(5), 2, {}, 5),
    "UPDATE seen SET face = CAST(x'7b2261ff223a317d' AS TEXT) WHERE ticket_id = 5": LastSeen(moment(5), None, {}, None),
    "UPDATE seen SET stamp = x'ff00' WHERE ticket_id = 5": LastSeen(moment(MANY)),
    "UPDATE seen SET stamp = 'yesterday' WHERE ticket_id = 5": LastSeen(moment(MANY)),
    "UPDATE seen SET status_id = 'x' WHERE ticket_id = 5": LastSeen(moment(5), None, seen(5).content_key, 5),
    "UPDATE seen SET action_id = 1.5 WHERE ticket_id = 5": LastSeen(moment(5), 2, seen(5).content_key),
}


@pytest.mark.parametrize("when", ["at the start", "while running"])
@pytest.mark.parametrize("statement", VALUES)
def test_a_row_with_values_of_another_kind_is_kept_without_them(path, opened, statement, when):
    store = opened()
    fill(store)
    if when == "at the start":
        store.close()
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()
    store = opened() if when == "at the start" else store
    if when == "at the start" or "face" in statement:
        assert store.seen(5) == VALUES[statement]
    assert store.seen(6) == seen(6) and len(all_of(store)) == MANY - 1


@pytest.mark.parametrize("lost", ["baseline", "cursor"])
def test_of_watermark_and_cursor_one_serves_for_the_other(path, opened, lost):
    fill(opened())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE fact SET value = 'x' WHERE name = ?", (lost,))
    database.close()
    store = opened()
    known = moment(MANY) if lost == "baseline" else moment(5)
    assert (store.watermark().sort_key, store.cursor()) == (known, known)


def test_a_column_that_is_missing_costs_only_what_it_held(path, opened):
    fill(opened())
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE seen DROP COLUMN action_id")
    database.close()
    assert opened().seen(5) == LastSeen(moment(5), 2, seen(5).content_key)


def test_an_unwritable_folder_with_a_damaged_file_is_said_and_survived(path, opened, used, caplog):
    used.close()
    spoil(path, pages_of(path, "seen")[5])
    before = path.read_bytes()
    path.parent.chmod(0o500)
    assert len(obeying_permissions(lambda: all_of(opened()))) == MANY - 1
    assert path.read_bytes() == before and len(warnings(caplog)) == 1
    path.parent.chmod(0o700)


NO_ROOM = """
    import logging, resource, signal, sys
    from pathlib import Path
    from komand_haloitsm.util.events.store import open_store

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
    store = open_store(path, sys.argv[2], logging.getLogger())
    known = sum(store.seen(number) is not None for number in range(1, int(sys.argv[3])))
    sys.stdout.write(repr((known, [file.name for file in path.parent.iterdir() if ".new-" in file.name])))
"""


def test_a_damaged_file_on_a_full_disk_is_read_and_left_where_it_is(path, used):
    used.close()
    spoil(path, pages_of(path, "seen")[5])
    before = path.read_bytes()
    done = run_python(NO_ROOM, path, OWNER, MANY)
    assert (done.returncode, done.stdout) == (0, repr((MANY - 1, []))), done.stderr
    assert path.read_bytes() == before and done.stderr.count("cannot be written") == 1


KILLED = """
    import logging, os, shutil, sys
    from pathlib import Path
    from komand_haloitsm.util.events import set_aside
    from komand_haloitsm.util.events.decide import LastSeen
    from komand_haloitsm.util.events.store import open_store

    path, owner, traced = Path(sys.argv[1]), sys.argv[2], set_aside.__file__
    before, failures, line, done = path.read_bytes(), [], 0, False

    def killed_at(number):
        def trace(frame, event, argument):
            nonlocal number
            if frame.f_code.co_filename != traced:
                return None
            if event == "line":
                number -= 1
                if number == 0:
                    os._exit(9)
            return trace
        return trace

    while not done:
        line += 1
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(before)
        child = os.fork()
        if child == 0:
            sys.settrace(killed_at(line))
            store = open_store(path, owner, logging.getLogger())
            store.save([(5001, LastSeen("2027"))])
            os._exit(0)
        done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store = open_store(path, owner, logging.getLogger())
        known = sum(store.seen(number) is not None for number in range(1, 200))
        if known != 199 or store.watermark() is None or (done and store.seen(5001) is None):
            failures.append((line, known))
        if any(".new-" in file.name for file in path.parent.iterdir()) and done:
            failures.append("unfinished files are left")
        store.close()
    sys.stdout.write(repr((failures, line > 25)))
"""


def test_a_kill_between_any_two_lines_loses_nothing_of_a_damaged_file(path, opened):
    store = opened()
    fill(store, 200)
    store.close()
    spoil(path, pages_of(path, "seen")[1])
    done = run_python(KILLED, path, OWNER)
    assert (done.returncode, done.stdout) == (0, "([], True)"), done.stderr[-3000:]
