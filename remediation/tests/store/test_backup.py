"""Backup and restore: real servers, real files, real kills."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from remediation.store import backup_file, models
from remediation.store.backup import kept_tables, write_backup
from remediation.store.backup_file import Backup, BackupError, opened_backup
from remediation.store.embedded import EmbeddedPostgres
from remediation.store.restore import migrate_to, restore

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
# Past the numbers that Django has given to its own rows, and what every reference refers to.
FIRST = 1001
# All that COPY's text format, JSON and UTF-8 have a special way of writing.
NASTY = "tab\t, lines\r\n, back\\slash \\N \\. quote' \" ünïcode ☃ {a,b}"

Databases = Callable[[], str]
DjangoAt = Callable[[str], AbstractContextManager[None]]


def value_for(kind: str, number: int, longest: int | None) -> Any:
    """A value of a column's type, another for each number."""
    values: dict[str, Any] = {
        "bigint": number,
        "integer": number,
        "smallint": number,
        "text": f"{NASTY}{number}",
        "character varying": f"é\\{number}"[: longest or 100],
        "jsonb": json.dumps({NASTY: [number, None, 0.1]}),
        "timestamp with time zone": f"2026-03-29 01:59:59.12345{number % 10}+01",
        "date": f"2026-02-0{number % 10}",
        "boolean": bool(number % 2),
        "double precision": 0.1 + 0.2 + number,
        "bytea": bytes(range(256)) * number,
        "ARRAY": [NASTY, "", f"{number}", "NULL"],
        "bigint[]": [number, 0, -number],
    }
    return values[kind]


def fill() -> None:
    """Two rows in every table of the database, found by the database and not by our models. The second has nulls
    wherever it may. All references are to the row with the same number. Numbers go on after 5000."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as own:
        for table in all_tables():
            columns = own.execute(
                "SELECT column_name, CASE udt_name WHEN '_int8' THEN 'bigint[]' ELSE data_type END, is_nullable = 'YES', character_maximum_length "
                "FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
                [table],
            ).fetchall()
            for number in (FIRST, FIRST + 1):
                empty = number > FIRST and table != "store_riskacceptance"
                row = {
                    name: None if nullable and empty else value_for(kind, number, longest)
                    for name, kind, nullable, longest in columns
                }
                own.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                        sql.Identifier(table),
                        sql.SQL(", ").join(map(sql.Identifier, row)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(row)),
                    ),
                    list(row.values()),
                )
            for name, *_ in columns:
                own.execute(
                    "SELECT setval(name, 5000) FROM pg_get_serial_sequence(%s, %s) AS name WHERE name IS NOT NULL",
                    [table, name],
                )


def all_tables() -> list[str]:
    """The tables that hold what the service must not lose: all but queued jobs and sessions."""
    left = ("procrastinate_", "django_session", "django_migrations")
    return sorted(table for table in connection.introspection.table_names() if not table.startswith(left))


def contents() -> dict[str, list[str]]:
    """Every row of every table, as text."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
        for table in all_tables():
            cursor.execute(sql.SQL("SELECT one::text FROM {} AS one ORDER BY 1").format(sql.Identifier(table)))
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def restore_from(path: Path, **options: bool) -> None:
    with opened_backup(path) as read:
        restore(read, **options)


@pytest.fixture
def filled(store: str) -> str:
    fill()
    return store


@pytest.fixture
def made(filled: str, tmp_path: Path) -> Path:
    write_backup(tmp_path / "backup", NOW)
    return tmp_path / "backup"


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of another version: the wheel's where the tests run on programs of their own, else Debian's 15."""
    programs = None if os.environ.get("REMEDIATION_TEST_POSTGRES_BIN") else DEBIAN_15
    if programs and not (programs / "initdb").exists():
        pytest.skip("PostgreSQL 15 is not installed")
    with EmbeddedPostgres(tmp_path_factory.mktemp("other"), programs) as server:
        yield server.address()


# There and back


def test_every_table_comes_back_as_it_was(made: Path, databases: Databases, django_at: DjangoAt) -> None:
    before = contents()
    assert before and all(len(rows) >= 2 for rows in before.values())
    with django_at(databases()):
        restore_from(made)
        assert contents() == before
        # Numbers that were given out are not given out again.
        assert models.Device.objects.create(name="new").pk == 5001
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_growing_out_of_the_embedded_server_and_back(
    made: Path, other_server: str, databases: Databases, django_at: DjangoAt, tmp_path: Path
) -> None:
    before = contents()
    with django_at(other_server):
        restore_from(made)
        assert contents() == before
        there = write_backup(tmp_path / "there", NOW)
    with opened_backup(made) as here:
        assert here.manifest.server.split(".")[0] != there.server.split(".")[0]
        # The file does not depend on the server: the same rows are the same bytes.
        assert [table.columns for table in here.manifest.tables] == [table.columns for table in there.tables]
    with django_at(databases()):
        restore_from(tmp_path / "there")
        assert contents() == before


def test_no_table_is_forgotten(store: str) -> None:
    assert kept_tables() == all_tables()


def test_one_state_is_kept_whatever_is_written_meanwhile(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(filled, autocommit=True) as other, Held(filled, "store_solution") as held:
        process = command(filled, tmp_path, "backup", str(tmp_path / "backup"))
        held.until_waited_for()
        # store_asset was copied before, store_ticket comes after it.
        other.execute("UPDATE store_ticket SET title = 'later'")
        other.execute("INSERT INTO store_device (name, by_hand, created) VALUES ('later', false, now())")
        held.release()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
    with zipfile.ZipFile(tmp_path / "backup") as archive:
        assert b"later" not in archive.read("tables/store_ticket") + archive.read("tables/store_device")


def test_a_backup_of_older_migrations_is_brought_to_the_newest(
    databases: Databases, django_at: DjangoAt, tmp_path: Path
) -> None:
    with django_at(databases()):
        migrate_to([("store", "0001_tables")])
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO store_source (name, kind, settings, secret, created) VALUES ('old', '', '{}', '', now())"
            )
            # Later migrations alter this table, while its reference to the source is still to be checked.
            cursor.execute(
                "INSERT INTO store_snapshotrecord (source_id, taken, read, proof, rows, findings, assets, content_hash, "
                "frames) SELECT id, now(), now(), 'scan', 1, 1, 1, '', '' FROM store_source"
            )
        write_backup(tmp_path / "old", NOW)
    with django_at(databases()):
        restore_from(tmp_path / "old")
        assert models.SnapshotRecord.objects.get().source.name == "old"
        assert models.Device.objects.count() == 0
        call_command("migrate", check_unapplied=True, verbosity=0)


# The file


def test_the_file_is_its_owners_alone_and_none_is_replaced_unasked(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert [path.name for path in made.parent.iterdir() if path.name.startswith("backup")] == ["backup"]
    before = made.read_bytes()
    with pytest.raises(BackupError, match="exists.*--force"):
        write_backup(made, NOW)
    assert made.read_bytes() == before
    models.Device.objects.create(name="later")
    write_backup(made, NOW, force=True)
    assert made.read_bytes() != before
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_never_replaced(filled: str, tmp_path: Path, force: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("somebody's")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = {path: path.lstat().st_ino for path in tmp_path.iterdir()}
    for name in ("pipe", "folder", "link", "null", "dangling"):
        with pytest.raises(BackupError, match=f"{name} is no file"):
            write_backup(tmp_path / name, NOW, force=force)
    assert {path: path.lstat().st_ino for path in tmp_path.iterdir()} == before


def test_a_file_that_was_made_meanwhile_is_not_replaced(filled: str, tmp_path: Path) -> None:
    with Held(filled, "store_ticket") as held:
        process = command(filled, tmp_path, "backup", str(tmp_path / "backup"))
        held.until_waited_for()
        (tmp_path / "backup").write_text("somebody's")
        held.release()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 4 and "exists" in err
    assert (tmp_path / "backup").read_text() == "somebody's"
    assert not list(tmp_path.glob("*.part"))


def test_a_killed_backup_leaves_what_was_there(filled: str, tmp_path: Path) -> None:
    for target, options in ((tmp_path / "new", ()), (tmp_path / "old", ("--force",))):
        if options:
            target.write_text("the last good one")
        with Held(filled, "store_ticket") as held:
            process = command(filled, tmp_path, "backup", str(target), *options)
            held.until_waited_for()
            assert list(tmp_path.glob(f"{target.name}.*.part")), "it was in the middle of writing"
            process.kill()
            process.communicate(timeout=60)
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "old").read_text() == "the last good one"


def places(path: Path) -> list[int]:
    """Where a damaged byte changes what is restored: in each member's data, and in the zip's directory."""
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if one.compress_size > 20]
        return [*(one.header_offset + 30 + len(one.filename) + 25 for one in members), archive.start_dir, -22]


def test_a_damaged_byte_is_noticed_before_anything_is_changed(
    made: Path, databases: Databases, django_at: DjangoAt
) -> None:
    whole = made.read_bytes()
    with django_at(databases()):
        for place in places(made):
            made.write_bytes(flipped(whole, place))
            with pytest.raises(BackupError, match="cut off"):
                restore_from(made)
            assert not connection.introspection.table_names()
        made.write_bytes(whole)
        restore_from(made)


@pytest.mark.parametrize("left", [0, 1, 1000, 0.5, -1, -22, -100])
def test_a_cut_off_file_is_refused(made: Path, databases: Databases, django_at: DjangoAt, left: float) -> None:
    whole = made.read_bytes()
    made.write_bytes(whole[: int(left * len(whole)) if left == 0.5 else int(left)])
    with django_at(databases()):
        with pytest.raises(BackupError, match="cut off"):
            restore_from(made)
        assert not connection.introspection.table_names()


def test_no_damaged_byte_is_an_unforeseen_error_or_another_content(made: Path) -> None:
    whole = made.read_bytes()
    with opened_backup(made) as read:
        manifest = read.manifest
    refused = 0
    # Every byte of what says where the members are: damaged, it can point to before the file's begin.
    for place in {*range(0, len(whole), 41), *range(whole.rindex(b"PK\5\6"), len(whole))}:
        made.write_bytes(flipped(whole, place))
        try:
            with opened_backup(made) as read:
                assert read.manifest == manifest
                read.verify()  # a damaged date of a member, for one, does no harm
        except BackupError:
            refused += 1
    assert refused > len(whole) / 41 / 2


def flipped(whole: bytes, place: int) -> bytes:
    at = place % len(whole)
    return whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]


def with_manifest(path: Path, **changes: Any) -> None:
    """The same file with other words in its manifest."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members[backup_file.MANIFEST]) | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {backup_file.MANIFEST: json.dumps(manifest).encode()}).items():
            archive.writestr(name, content)


def test_a_table_with_other_rows_is_refused(made: Path, databases: Databases, django_at: DjangoAt) -> None:
    with zipfile.ZipFile(made) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["tables/store_ticket"] = members["tables/store_ticket"].replace(b"1001", b"1003")
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with django_at(databases()):
        with pytest.raises(BackupError, match="damaged, in store_ticket"):
            restore_from(made)
        assert not connection.introspection.table_names()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2, "service": "9.1", "surprise": 1}, "has format 2, and this release reads up to 1.*release 9.1"),
        ({"service": "9.1", "migrations": [["store", "0999_later"]]}, "is of release 9.1.*store.0999_later"),
        ({"tables": "none"}, "a manifest that is none of this service's"),
        ({"surprise": 1}, "a manifest that is none of this service's"),
    ],
)
def test_what_this_release_cannot_read_is_refused(
    made: Path, databases: Databases, django_at: DjangoAt, changes: dict[str, Any], words: str
) -> None:
    with_manifest(made, **changes)
    with django_at(databases()):
        with pytest.raises(BackupError, match=words):
            restore_from(made)
        assert not connection.introspection.table_names()


def test_another_file_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("asset,vulnerability\n")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("document.xml", "<xml/>")
    for name in ("text", "zip"):
        with pytest.raises(BackupError, match="no backup of this service"):
            restore_from(tmp_path / name)


# What is in the way


def test_a_database_that_holds_something_is_left_alone(made: Path) -> None:
    before = contents()
    with pytest.raises(BackupError, match=r"not empty: .*store_ticket \(2 rows\).*--replace"):
        restore_from(made)
    assert contents() == before


def test_what_is_there_is_replaced_on_demand(made: Path) -> None:
    before = contents()
    models.Device.objects.all().delete()
    models.Connection.objects.create(name="another")
    restore_from(made, replace=True)
    assert contents() == before
    assert models.Device.objects.create(name="new").pk == 5001


def test_a_damaged_file_replaces_nothing(made: Path) -> None:
    before = contents()
    made.write_bytes(flipped(made.read_bytes(), places(made)[0]))
    with pytest.raises(BackupError, match="damaged"):
        restore_from(made, replace=True)
    assert contents() == before


def test_nothing_is_replaced_while_others_are_connected(made: Path, store: str) -> None:
    before = contents()
    with psycopg.connect(store):
        with pytest.raises(BackupError, match="1 other connections.*Stop the service"):
            restore_from(made, replace=True)
    assert contents() == before


def test_tables_of_something_else_are_never_dropped(made: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE payroll AS SELECT 1 AS number")
    for options in ({}, {"replace": True}):
        with pytest.raises(BackupError, match="payroll"):
            restore_from(made, **options)
    assert "payroll" in connection.introspection.table_names()


def test_an_error_in_the_middle_leaves_what_was_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, blocks = contents(), Backup.blocks
    read: list[str] = []

    def breaking(self: Backup, table: backup_file.Table) -> Iterator[bytes]:
        yield from blocks(self, table)
        read.append(table.name)
        if read.count("store_ticket") == 2:
            raise OSError("the disk is gone")

    monkeypatch.setattr(Backup, "blocks", breaking)
    with pytest.raises(OSError, match="the disk is gone"):
        restore_from(made, replace=True)
    assert contents() == before


# Stops for good once it has read the table for the second time, when it copies in.
STOPPING = """
import sys, time
from remediation import cli
from remediation.store.backup_file import Backup
blocks, read = Backup.blocks, []
def stopping(self, table):
    yield from blocks(self, table)
    read.append(table.name)
    if read.count("store_ticket") == 2:
        print("in the middle", flush=True)
        time.sleep(600)
Backup.blocks = stopping
cli.main()
"""


@pytest.mark.long
@pytest.mark.parametrize("replace", [False, True])
def test_a_killed_restore_changes_nothing(
    made: Path, databases: Databases, django_at: DjangoAt, store: str, replace: bool
) -> None:
    before = contents()
    connection.close()
    target = store if replace else databases()
    options = ["--replace"] if replace else []
    process = started(target, made.parent, sys.executable, "-c", STOPPING, "restore", str(made), *options)
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n", process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    with django_at(target):
        gone(target)
        assert contents() == (before if replace else {})
        restore_from(made, replace=replace)
        assert contents() == before


def gone(address: str) -> None:
    """Wait until the server has noticed that the other process is no more."""
    deadline = time.monotonic() + 30
    with psycopg.connect(address, autocommit=True) as own:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while own.execute(query + " AND backend_type = 'client backend'").fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


class Held:
    """A table that nobody else can read, so that a backup stands still before it."""

    def __init__(self, address: str, table: str) -> None:
        self._address, self._table = address, table

    def __enter__(self) -> Held:
        self._own = psycopg.connect(self._address)
        self._own.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(self._table)))
        return self

    def until_waited_for(self) -> None:
        deadline = time.monotonic() + 60
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        while self._own.execute(query, [self._table]).fetchone() == (0,):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.05)

    def release(self) -> None:
        self._own.rollback()

    def __exit__(self, *_: object) -> None:
        self._own.close()


def command(address: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    return started(address, folder, sys.executable, "-m", "remediation.cli", *words)


def started(address: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    """A process in a folder, that uses this database and has its data folder there."""
    sources = Path(backup_file.__file__).parents[2]
    paths = [str(sources), str(sources.parents[1] / "haloitsm_client" / "src")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "DATABASE_URL": address,
        "REMEDIATION_DATA": "data",
    }
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
    )
