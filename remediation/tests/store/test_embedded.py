"""The embedded server: real processes, real files, real kills."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from remediation.store import embedded, unprivileged
from remediation.store.embedded import EmbeddedError, EmbeddedPostgres


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "postgres")
    yield made
    made.stop()


def ask(address: str, query: str) -> str:
    with psycopg.connect(address) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return str(row[0])


def pid_of(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def started_elsewhere(folder: Path) -> subprocess.Popen[str]:
    """Another Python process that starts the server of the folder, prints the server's process and ends."""
    program = (
        "import pathlib, sys; from remediation.store.embedded import EmbeddedPostgres\n"
        "made = EmbeddedPostgres(pathlib.Path(sys.argv[1])); made.start()\n"
        "print((made.data / 'postmaster.pid').read_text().split()[0])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(embedded.__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_the_server_is_as_the_design_wants_it(server: EmbeddedPostgres) -> None:
    address = server.start()
    assert server.is_running()
    wanted = {
        "listen_addresses": "",
        "fsync": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "password_encryption": "scram-sha-256",
        "unix_socket_permissions": "0700",
    }
    assert {name: ask(address, f"SHOW {name}") for name in wanted} == wanted
    assert ask(address, "SELECT current_database()") == "remediation"
    assert ask(address, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{a,B,b,A}'::text[]) x") == "ABab"
    server.stop()
    assert not server.is_running()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)


def test_data_outlive_a_stop(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert ask(server.start(), "SELECT number FROM kept") == "7"


def test_nobody_else_can_read_password_data_or_socket(server: EmbeddedPostgres) -> None:
    server.start()
    folder = server.folder
    assert [mode(path) for path in (folder, folder / "data", embedded.socket_folder(folder))] == [0o700] * 3
    assert [mode(folder / name) for name in ("password", "start.log")] == [0o600] * 2
    assert mode(folder / "data" / "remediation.conf") == 0o600
    assert not (folder / "password.initdb").exists()


def test_a_wrong_password_is_refused_and_so_is_none(server: EmbeddedPostgres) -> None:
    address = server.start()
    password = (server.folder / "password").read_text().strip()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address.replace(password, "wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(address.replace(f":{password}@", "@"))
    rules = (server.data / "pg_hba.conf").read_text().splitlines()
    assert {line.split()[-1] for line in rules if line and not line.startswith("#")} == {"scram-sha-256"}


def test_a_second_start_uses_the_server_that_runs(server: EmbeddedPostgres) -> None:
    address = server.start()
    before = pid_of(server)
    with EmbeddedPostgres(server.folder) as other:
        assert other.address() == address
        assert pid_of(other) == before
    assert server.is_running(), "a context ends only what it has started"


def test_a_context_stops_what_it_has_started(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as made:
        assert made.is_running()
    assert not made.is_running()


def test_another_process_shares_the_server(server: EmbeddedPostgres) -> None:
    server.start()
    out, _ = started_elsewhere(server.folder).communicate(timeout=60)
    assert int(out) == pid_of(server)


def test_the_server_outlives_the_process_that_started_it(server: EmbeddedPostgres) -> None:
    out, _ = started_elsewhere(server.folder).communicate(timeout=60)
    assert server.is_running()
    assert ask(server.start(), "SELECT 1") == "1"
    assert int(out) == pid_of(server)


def test_processes_at_once_make_one_server(server: EmbeddedPostgres) -> None:
    processes = [started_elsewhere(server.folder) for _ in range(3)]
    assert {process.communicate(timeout=100)[0] for process in processes} == {f"{pid_of(server)}\n"}
    assert {process.returncode for process in processes} == {0}


def test_a_killed_server_starts_again_with_what_was_committed(server: EmbeddedPostgres) -> None:
    address = server.start()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    busy = psycopg.connect(address)
    busy.execute("DELETE FROM kept")
    before = pid_of(server)
    os.kill(before, signal.SIGKILL)
    assert ask(server.start(), "SELECT count(*) FROM kept") == "1000"
    assert pid_of(server) != before
    busy.close()


def test_a_killed_server_waits_for_what_its_children_still_do(server: EmbeddedPostgres) -> None:
    address = server.start()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    # Shared memory and files are the child's until it notices: a second server beside it would ruin the data.
    slow = psycopg.connect(address)
    child = slow.info.backend_pid
    os.kill(child, signal.SIGSTOP)
    os.kill(pid_of(server), signal.SIGKILL)
    continued = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {child}"])
    begin = time.monotonic()
    assert ask(server.start(), "SELECT number FROM kept") == "1"
    assert time.monotonic() - begin > 0.8
    continued.wait()
    slow.close()


def test_a_process_that_got_the_dead_servers_number_is_not_taken_for_it(server: EmbeddedPostgres) -> None:
    server.start()
    file = server.data / "postmaster.pid"
    left = file.read_text().splitlines()
    server.stop()
    with subprocess.Popen(["sleep", "100"]) as other:
        file.write_text("\n".join([str(other.pid), *left[1:]]) + "\n")
        assert not server.is_running()
        assert ask(server.start(), "SELECT 1") == "1"
        assert pid_of(server) != other.pid
        assert other.poll() is None, "the other process was left alone"
        other.kill()


def test_a_crash_in_the_middle_of_initdb_is_no_harm(server: EmbeddedPostgres) -> None:
    (server.folder / "data.new").mkdir(parents=True)
    (server.folder / "data.new" / "PG_VERSION").write_text("18\n")
    assert ask(server.start(), "SELECT 1") == "1"


@pytest.mark.parametrize("name", ["x" * 120, "a folder, with 'quotes' and \"others\" $HOME é"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    with EmbeddedPostgres(tmp_path / name) as made:
        assert ask(made.address(), "SELECT 1") == "1"
        assert EmbeddedPostgres(tmp_path / name).address() == made.address()


def test_a_long_path_has_its_socket_in_a_folder_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder = tmp_path / ("x" * 120)
    short = embedded.socket_folder(folder)
    assert short == embedded.socket_folder(folder) and embedded.fits(short)
    with EmbeddedPostgres(folder) as made:
        assert mode(short) == 0o700
        # Another process may have other folders for run-time files; it finds the socket all the same.
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/run")
        assert EmbeddedPostgres(folder).start() == made.address()
    assert not short.exists()


def test_a_short_path_with_a_comma_in_it_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_folder() as folder, EmbeddedPostgres(folder / "a,b" / "postgres") as made:
        assert ask(made.address(), "SELECT 1") == "1"
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "a,b"))
        assert "," not in str(embedded.socket_folder(folder / "a,b"))


def test_a_socket_folder_that_somebody_else_has_laid_is_refused() -> None:
    with open_folder() as folder:
        (folder / "elsewhere").mkdir()
        (folder / "postgres").mkdir()
        (folder / "postgres" / "socket").symlink_to(folder / "elsewhere")
        with pytest.raises(EmbeddedError, match="should be a folder of this user"):
            EmbeddedPostgres(folder / "postgres").start()


def test_what_the_server_says_is_in_the_error(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "postgresql.auto.conf").write_text("shared_buffers = 'much'\n")
    with pytest.raises(EmbeddedError, match="did not start.*(\n.*)*shared_buffers"):
        server.start()


def test_what_fails_leaves_no_contents_in_the_log(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start(), autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("CREATE TABLE kept (name text UNIQUE, port smallint CHECK (port > 0))")
        for row in ("secret,1\nsecret,2\n", "secret,-1\n", "secret\n"):
            with pytest.raises(psycopg.Error), connection.cursor() as cursor:
                with cursor.copy("COPY kept FROM STDIN (FORMAT csv)") as copy:
                    copy.write(row)
        with pytest.raises(psycopg.Error):
            connection.execute("INSERT INTO kept VALUES (%s, -1)", ["secret"])
    logs = list((server.data / "log").glob("*.log"))
    said = "".join(log.read_text("utf-8") for log in logs)
    assert said.count("ERROR:") == 4 and "kept_name_key" in said
    assert "secret" not in said and "STATEMENT" not in said


def test_data_of_another_version_are_left_alone(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True, mode=0o700)
    (server.data / "PG_VERSION").write_text("11\n")
    with pytest.raises(EmbeddedError, match="are of PostgreSQL 11.*backup"):
        server.start()


def test_a_password_that_does_not_fit_is_said_at_once(server: EmbeddedPostgres) -> None:
    server.start()
    (server.folder / "password").write_text("another\n")
    with pytest.raises(EmbeddedError, match="refuses its role"):
        EmbeddedPostgres(server.folder).start()


def test_a_lost_password_is_said(server: EmbeddedPostgres) -> None:
    server.start()
    (server.folder / "password").unlink()
    with pytest.raises(EmbeddedError, match="password is missing"):
        EmbeddedPostgres(server.folder).start()


def test_settings_of_a_shell_do_not_reach_the_server(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    assert ask(server.start(), "SELECT 1") == "1"


@pytest.mark.skipif(not Path("/usr/lib/postgresql/15/bin/initdb").exists(), reason="PostgreSQL 15 is not installed")
def test_programs_of_another_installation_will_do(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, Path("/usr/lib/postgresql/15/bin")) as made:
        assert ask(made.address(), "SHOW server_version_num").startswith("15")


# Root without user namespaces

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder below /tmp that every user may walk through, which pytest's own is not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@as_root
def test_root_without_namespaces_runs_a_copy_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "namespaces_allowed", lambda: False)
    with open_folder() as folder, EmbeddedPostgres(folder / "postgres") as made:
        assert ask(made.address(), "SELECT 1") == "1"
        assert Path(f"/proc/{pid_of(made)}").stat().st_uid == unprivileged.unprivileged_account().uid
        modes = {name: mode(made.folder / name) for name in (".", "data", "socket", "password")}
        assert modes == {".": 0o711, "data": 0o700, "socket": 0o700, "password": 0o600}
        assert EmbeddedPostgres(made.folder).start() == made.address()
        assert mode(made.folder) == 0o711
        os.kill(pid_of(made), signal.SIGKILL)
        assert ask(made.start(), "SELECT 1") == "1"


@as_root
def test_the_namespaces_number_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # initdb asks for it, and a fresh system has no user with the number 1000.
    number = next(word for word in unprivileged.namespace() if word.startswith("--map-user=")).split("=")[1]
    assert pwd.getpwuid(int(number)).pw_name == "nobody"
    monkeypatch.setattr(unprivileged, "ACCOUNT", "no-such-user")
    assert "--map-user=1000" in unprivileged.namespace()


@as_root
def test_root_may_change_between_its_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_folder() as folder:
        for allowed in (True, False, True):
            monkeypatch.setattr(unprivileged, "namespaces_allowed", lambda answer=allowed: answer)
            with EmbeddedPostgres(folder / "postgres") as made:
                assert ask(made.address(), "SELECT 1") == "1"


@as_root
def test_a_folder_that_nobody_cannot_reach_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "namespaces_allowed", lambda: False)
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="is closed to the user nobody.*set DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "closed" / "postgres").start()
    assert mode(tmp_path / "closed") == 0o700


@as_root
def test_root_with_neither_way_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "namespaces_allowed", lambda: False)
    monkeypatch.setattr(unprivileged, "ACCOUNT", "no-such-user")
    with pytest.raises(EmbeddedError, match="ordinary user, or set DATABASE_URL"):
        EmbeddedPostgres(tmp_path).start()
