"""``serve`` and ``worker`` as real processes, and the pure part of how processes are kept running."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from remediation.cli.supervision import pause_before
from remediation.jobs.queue import INTERRUPTED
from remediation.jobs.tasks import ask_to_read
from remediation.store import models
from remediation.store.embedded import EmbeddedPostgres, processes_in
from remediation.store.secrets import seal

from ..conftest import django_on
from ..processes import below

PATIENCE = 60


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


class Served:
    """A process of the command line, and all processes below it."""

    def __init__(self, log: Path, environment: dict[str, str], *words: str) -> None:
        self.log = log
        with log.open("w", encoding="utf-8") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "remediation.cli", *words], env=environment, stdout=said, stderr=said
            )

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def address(self) -> str:
        wait_until(lambda: "Serving at" in self.said() or self.process.poll() is not None)
        found = re.search(r"Serving at (http://\S+)", self.said())
        assert found, self.said()
        return found[1]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def below(self) -> list[int]:
        """The processes that it has started, and theirs."""
        return below(self.process.pid)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def status_of(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def environment(store: str, tmp_path: Path) -> dict[str, str]:
    own = {
        "DATABASE_URL": store,
        "REMEDIATION_DATA": str(tmp_path / "data"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return {**os.environ, **own}


@pytest.fixture
def started(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(*words: str, **own: str) -> Served:
        running.append(Served(tmp_path / f"served-{len(running)}.log", {**environment, **own}, *words))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def workers() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_workers")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_leaves_no_process_behind(started: Callable[..., Served], number: int) -> None:
    served = started("serve", "--address", "127.0.0.1:0")
    address = served.address()
    assert status_of(f"{address}/healthz") == 200
    wait_until(lambda: len(workers()) == 1)
    below = served.below()
    assert len(below) == 2  # the web server and the worker
    for number_told, pid in enumerate(below, 1):
        os.kill(pid, signal.SIGUSR1)  # it tells where its threads are, and goes on
        wait_until(lambda: len(re.findall(r"^Current thread .*\n.*\n", served.said(), re.M)) == number_told)
    assert served.end(number) == 0
    assert not [pid for pid in below if is_there(pid)]
    assert "Traceback" not in served.said() and "is killed" not in served.said()
    # The worker has ended as it should: it is no longer among those that may have died.
    assert workers() == []


@pytest.mark.long
def test_nothing_is_left_when_it_is_killed(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0")
    status_of(f"{served.address()}/healthz")
    wait_until(lambda: len(workers()) == 1)
    below = served.below()
    served.end(signal.SIGKILL)
    wait_until(lambda: not [pid for pid in below if is_there(pid)])


@pytest.mark.long
def test_a_process_that_dies_is_started_again(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0")
    address = served.address()
    assert status_of(f"{address}/healthz") == 200
    wait_until(lambda: len(workers()) == 1)
    first = workers()
    for pid in served.below():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert status_of(f"{address}/healthz") == 200
    wait_until(lambda: bool(set(workers()) - set(first)))
    assert "The worker ended with code -9. It is started again in 0.5 s." in served.said()
    assert "The web server ended with code -9." in served.said()
    assert served.end(signal.SIGTERM) == 0


@pytest.mark.long
def test_a_job_that_takes_too_long_is_killed_at_the_end_and_taken_over(started: Callable[..., Served]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = models.Source.objects.create(
            name="silent",
            kind="insightvm",
            settings={"url": f"http://127.0.0.1:{silent.getsockname()[1]}", "user": "reader"},
            secret=seal("password"),
        )
        served = started("worker")
        # The first round asks for it.
        wait_until(lambda: source.runs.filter(outcome="").exists())
        below = served.below()
        assert served.end(signal.SIGTERM) == 0
        assert "The worker did not end within" in served.said()
        assert not [pid for pid in below if is_there(pid)]
    # So that the next one need not wait for a console.
    models.Source.objects.update(secret="damaged")
    started("worker")
    wait_until(lambda: source.runs.count() == 2 and not source.runs.filter(outcome="").exists())
    first, second = source.runs.order_by("pk")
    assert first.detail["text"] == INTERRUPTED
    assert second.outcome == "failed" and "silent" not in second.detail["text"]


def test_pages_only(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    assert status_of(f"{served.address()}/healthz") == 200
    assert workers() == [] and not any("jobs.worker" in line for line in commands(served))


def commands(served: Served) -> list[str]:
    """The command lines of the processes below it. One that ends while they are read is left out."""
    said = []
    for pid in served.below():
        with suppress(OSError):
            said.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
    return said


def test_a_port_that_is_taken_is_1_and_nothing_is_started(started: Callable[..., Served]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = started("serve", "--address", f"127.0.0.1:{port}")
        assert served.process.wait(PATIENCE) == 1
    assert served.said() == (
        f"Cannot listen at 127.0.0.1:{port}: Another process listens there. Choose another address with --address.\n"
    )


@pytest.mark.parametrize("address", ["8460", "localhost", "127.0.0.1:x", "127.0.0.1:70000", ":8460", "no.invalid:1"])
def test_an_address_that_is_none_is_4(started: Callable[..., Served], address: str) -> None:
    served = started("serve", "--address", address)
    assert served.process.wait(PATIENCE) == 4
    assert "no address" in served.said() or "no host" in served.said()


def test_a_key_that_is_of_no_use_is_told_at_once(started: Callable[..., Served]) -> None:
    for command in ("serve", "worker"):
        served = started(command, REMEDIATION_KEY="short")
        assert served.process.wait(PATIENCE) == 1
        assert "REMEDIATION_KEY holds no key" in served.said()


def test_a_lost_key_is_not_replaced(started: Callable[..., Served], tmp_path: Path) -> None:
    key = tmp_path / "data" / "key"
    for name in ("one", "two"):
        models.Source.objects.create(name=name, kind="insightvm", secret=seal("password"))
    key.unlink()
    for words in (("serve", "--address", "127.0.0.1:0"), ("worker",)):
        served = started(*words)
        assert served.process.wait(PATIENCE) == 1
        assert "The key is gone" in served.said() and "(source one, source two)" in served.said()
        assert str(key) in served.said() and not key.exists()
    # Somebody enters one of them again, which makes a new key.
    models.Source.objects.filter(name="one").update(secret=seal("password"))
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    served.address()
    assert "The secret of source two cannot be opened" in served.said() and "source one" not in served.said()


def test_a_link_is_shown_while_there_is_no_user(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    address = served.address()
    wait_until(lambda: "/first/" in served.said())
    link = next(line for line in served.said().splitlines() if "/first/" in line)
    assert link.startswith(address) and status_of(link) == 200
    User.objects.create(username="anna")
    assert status_of(link) == 410
    second = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    assert status_of(f"{second.address()}/healthz") == 200
    assert "/first/" not in second.said()


def test_names_by_which_it_is_not_reached_are_refused(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker", "--host", "scan.example")
    port = served.address().rpartition(":")[2]
    assert served.address() == f"http://scan.example:{port}"
    for name, code in (("scan.example", 200), ("127.0.0.1", 200), ("elsewhere.example", 400)):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/healthz", headers={"Host": name})
        assert status_of(request) == code  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.parametrize(
    ("proxies", "by_option", "peer", "code"),
    [
        ("", "", "127.0.0.1", 200),
        ("", "", "127.0.0.2", 403),
        ("127.0.0.2", "", "127.0.0.2", 200),
        ("127.0.0.2", "", "127.0.0.1", 403),
        ("192.0.2.1, 127.0.0.0/30", "", "127.0.0.2", 200),
        ("192.0.2.1", "127.0.0.2", "127.0.0.2", 200),
    ],
)
def test_behind_a_proxy_that_speaks_https(
    started: Callable[..., Served], proxies: str, by_option: str, peer: str, code: int
) -> None:
    words = ("serve", "--address", "127.0.0.1:0", "--no-worker", "--https", "--host", "scan.example")
    option = ("--proxy", "192.0.2.2", "--proxy", by_option) if by_option else ()
    served = started(*words, *option, REMEDIATION_PROXIES=proxies)
    wait_until(lambda: "/first/" in served.said())
    link = next(line for line in served.said().splitlines() if "/first/" in line)
    # What a person opens is the proxy's address.
    assert served.said().startswith("Serving at https://scan.example\n") and link.startswith("https://scan.example/")
    port = port_of(served)
    proxied = {"Host": "scan.example", "X-Forwarded-Proto": "https"}
    page = ask(port, "GET", "/sign-in/", proxied, peer=peer)
    cookie = page.headers["Set-Cookie"]
    assert "; Secure" in cookie and bool(page.headers["Strict-Transport-Security"]) == (code == 200)
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    assert found
    form = urllib.parse.urlencode({"username": "a", "password": "b", "csrfmiddlewaretoken": found[1]})
    sent = {
        **proxied,
        "Cookie": cookie.partition(";")[0],
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": "https://scan.example",
        "Referer": "https://scan.example/sign-in/",
    }
    assert ask(port, "POST", "/sign-in/", sent, form, peer).status == code
    assert ask(port, "POST", "/sign-in/", {**sent, "Origin": "https://evil.example"}, form, peer).status == 403
    assert ask(port, "POST", "/sign-in/", {**sent, "X-Forwarded-Proto": "http"}, form, peer).status == 403


def test_a_proxy_that_is_no_address(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--proxy", "proxy.example")
    assert served.process.wait(PATIENCE) == 1
    assert "is an address or a network, as 192.0.2.7" in served.said() and "'proxy.example'" in served.said()


def ask(
    port: int, method: str, path: str, headers: dict[str, str], body: str = "", peer: str = "127.0.0.1"
) -> http.client.HTTPResponse:
    """An answer to a request that comes from ``peer``, an address of this machine."""
    connected = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(peer, 0))
    connected.request(method, path, body or None, headers)
    return connected.getresponse()


@pytest.mark.parametrize(
    "begun", [b"GET /heal", b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\na"]
)
def test_requests_that_are_never_finished_keep_nobody_out(started: Callable[..., Served], begun: bytes) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    address = served.address()
    assert status_of(f"{address}/healthz") == 200
    port = port_of(served)
    with ExitStack() as held:
        several = [held.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(40)]
        for round_ in range(3):
            for one in several:
                one.sendall(begun if round_ == 0 else b"a")
            assert status_of(f"{address}/healthz") == 200
    assert status_of(f"{address}/healthz") == 200


@pytest.mark.long
def test_a_slow_form_is_taken(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    served.address()
    form = b"username=a&password=b"
    head = f"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(form)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port_of(served)), timeout=20) as slow:
        slow.sendall(head.encode())
        for number in range(len(form)):
            time.sleep(0.5)
            slow.sendall(form[number : number + 1])
        # It has no token, which only who reads the whole request can say.
        assert slow.makefile("rb").readline() == b"HTTP/1.1 403 Forbidden\r\n"


def test_head_is_answered_without_a_text_and_without_a_warning(started: Callable[..., Served]) -> None:
    served = started("serve", "--address", "127.0.0.1:0", "--no-worker")
    served.address()
    port = port_of(served)
    for path, host in (("/sign-in/", "localhost"), ("/healthz", "localhost"), ("/static/style.css", "localhost")):
        length = ask(port, "GET", path, {"Host": host}).headers["Content-Length"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connected:
            asked_ = f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            connected.sendall(asked_.encode())
            headers, _, text = connected.makefile("rb").read().partition(b"\r\n\r\n")
        assert text == b"" and f"Content-Length: {length}".encode() in headers
    assert "WARNING" not in served.said()


def port_of(served: Served) -> int:
    """The port on which it listens, by /proc: it says the proxy's address only."""
    sockets = set()
    for file in Path(f"/proc/{served.process.pid}/fd").iterdir():
        # One that was closed since they were listed.
        with suppress(FileNotFoundError):
            sockets.add(os.readlink(file))
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError("it does not listen")


@pytest.mark.long
def test_several_that_start_at_once_on_an_empty_database(database: str, started: Callable[..., Served]) -> None:
    several = [started("serve", "--address", "127.0.0.1:0", DATABASE_URL=database) for _ in range(3)]
    assert [status_of(f"{served.address()}/healthz") for served in several] == [200] * 3
    with django_on(database):
        wait_until(lambda: len(workers()) == 3)
        # One round at the start, not three.
        wait_until(lambda: models.Run.objects.filter(kind="round").exists())
        assert models.Run.objects.filter(kind="round").count() == 1


@pytest.mark.long
def test_the_embedded_database_is_started_looked_after_and_stopped(
    tmp_path: Path, started: Callable[..., Served]
) -> None:
    folder = tmp_path / "own"
    server = EmbeddedPostgres(folder / "postgres")
    served = started("serve", "--address", "127.0.0.1:0", "--data", str(folder), DATABASE_URL="")
    address = served.address()
    assert status_of(f"{address}/healthz") == 200
    assert folder.stat().st_mode & 0o777 == 0o700
    server.stop()
    wait_until(lambda: status_of(f"{address}/healthz") == 200)
    assert "The embedded database is down. It is started again." in served.said()
    with django_on(server.address()):
        alive = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '3 s'"
        wait_until(lambda: asked(alive) >= 1)
    assert served.end(signal.SIGTERM) == 0
    assert not server.is_running()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("begun", ["lock", "data.new", "start.log", "data/postmaster.pid"])
def test_the_embedded_database_is_stopped_when_it_has_hardly_started(
    tmp_path: Path, started: Callable[..., Served], begun: str, number: int
) -> None:
    folder = tmp_path / "own"
    served = started("serve", "--address", "127.0.0.1:0", "--data", str(folder), DATABASE_URL="")
    while not (folder / "postgres" / begun).exists():
        assert served.process.poll() is None, served.said()
    assert served.end(number) in (0, 130)
    assert not EmbeddedPostgres(folder / "postgres").is_running()
    assert not processes_in(folder / "postgres" / "data") and not processes_in(folder / "postgres" / "data.new")
    assert "Traceback" not in served.said()


def asked(question: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


@pytest.mark.long
def test_a_worker_survives_a_restart_of_the_database(tmp_path: Path, started: Callable[..., Served]) -> None:
    with EmbeddedPostgres(tmp_path / "elsewhere") as server:
        running = started("worker", DATABASE_URL=server.address())
        with django_on(server.address()):
            wait_until(lambda: "at work" in running.said())
            wait_until(lambda: asked("SELECT count(*) FROM procrastinate_workers") == 1)
            connection.close()
            server.stop()
            server.start()
            asked_for = models.Source.objects.create(name="files", kind="insightvm-report")
            assert ask_to_read(asked_for.pk)
            wait_until(lambda: asked_for.runs.exclude(outcome="").exists())
            assert asked_for.runs.get().outcome == "refused"  # a series of files cannot be read
        assert running.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("deaths", "pause"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (8, 30.0), (10_000, 30.0)]
)
def test_pauses_grow(deaths: int, pause: float) -> None:
    assert pause_before(deaths) == pause


def test_a_round_is_as_often_as_the_option_says(store: str, started: Callable[..., Served]) -> None:
    models.Run.objects.create(kind="round", started=timezone.now() - timedelta(minutes=5), outcome="done")
    started("worker", "--every", "4")
    wait_until(lambda: models.Run.objects.filter(kind="round").count() == 2)


@pytest.mark.parametrize("minutes", ["0", "10081", "99999999999999999999"])
def test_a_round_may_be_neither_always_nor_never(started: Callable[..., Served], minutes: str) -> None:
    for command in ("serve", "worker"):
        served = started(command, "--every", minutes)
        assert served.process.wait(PATIENCE) == 2 and "Invalid value for '--every'" in served.said()
