"""The webhook receiver over real sockets: every kind of bad request gets its response, no log repeats any of it, and
the next good webhook works."""

import base64
import errno
import gzip
import hashlib
import hmac
import json
import logging
import os
import re
import resource
import select
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from waitress import wasyncore

from komand_haloitsm.util.events.receiver import LARGEST_BODY, PortUnavailable, Receiver
from komand_haloitsm.util.events.store import open_store
from komand_haloitsm.util.halo.webhook import Notice

from .orchestrator import SECRET as WEBHOOK_SECRET
from .orchestrator import STARTED, SUMMARY, Stage

SECRET = "webhook-secret-4f1e"
MARK = "Reception-cannot-print-7731"
LOGGER = logging.getLogger("tests.receiver")
# A bound against hanging.
PATIENCE = 10.0


def ids(notices) -> list[int]:
    return [notice.ticket_id for notice in notices]


def token(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery(number: int = 17) -> bytes:
    event = {"event": "ticket updated", "object_id": number, "message": MARK, "ticket": {"id": number, "summary": MARK}}
    return json.dumps(event).encode()


def request(body: bytes = b"", method: str = "POST", path: str = "/", **headers: str | None) -> bytes:
    """A request with its length; an underscore in a header's name stands for a hyphen, None leaves it out."""
    given = {"Host": "receiver.example", "Content-Length": str(len(body)), "X-Test": MARK}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def signed(body: bytes, method: str = "POST", path: str = "/", **headers: str | None) -> bytes:
    return request(body, method, path, Token=token(body), **headers)


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


class Line:
    """One connection to the receiver."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            # The receiver has answered and disconnected before everything was sent.
            pass

    def status(self, *, body: bool = True) -> int:
        """The status of the next response; 0 when the receiver disconnects without one."""
        try:
            first = self.file.readline()
            if not first:
                return 0
            length = 0
            while (line := self.file.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.answer = self.file.read(length) if body else b""
            return int(first.split()[1])
        except ConnectionResetError:
            return 0

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Running:
    """A receiver on a free port, and what it took."""

    def __init__(self, take=None, secret: str = SECRET, **more: Any) -> None:
        self.taken: list[list[int]] = []
        with socket.create_server(("0.0.0.0", 0)) as free:
            self.port = free.getsockname()[1]
        self.receiver = Receiver(
            self.port, secret, take or (lambda notices: self.taken.append(ids(notices))), LOGGER, **more
        )
        self.receiver.start()

    def answer(self, data: bytes, *, end: bool = False, body: bool = True) -> int:
        with closing(Line(self.port)) as line:
            line.send(data)
            if end:
                line.socket.shutdown(socket.SHUT_WR)
            return line.status(body=body)

    def works(self) -> None:
        """A good webhook is taken, at once."""
        began = time.monotonic()
        self.taken.clear()
        assert self.answer(signed(delivery(4242))) == 200
        assert self.taken == [[4242]]
        assert time.monotonic() - began < PATIENCE

    def works_again(self) -> None:
        """It works as soon as its port is open again."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self.works()
            except (AssertionError, ConnectionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)


@contextmanager
def running(**given):
    each = Running(**given)
    try:
        yield each
    finally:
        each.receiver.stop()


@pytest.fixture(scope="module")
def shared():
    with running() as each:
        yield each


@pytest.fixture
def receiver(shared, caplog):
    caplog.set_level(logging.DEBUG)
    shared.taken.clear()
    yield shared
    assert not [text for text in (MARK, SECRET, token(delivery())) if text in caplog.text]


BODY = delivery()
CHUNKED = {"Token": token(BODY), "Content_Length": None, "Transfer_Encoding": "chunked"}
FULL_SIZE = b'{"ticket_id":17,"x":"' + b"y" * (LARGEST_BODY - 23) + b'"}'
GOOD = {
    "base64 in Token": signed(BODY),
    "hex": request(BODY, Token=base64.b64decode(token(BODY)).hex()),
    "prefixed, in X-Hub-Signature-256": request(
        BODY, X_Hub_Signature_256="sha256=" + base64.b64decode(token(BODY)).hex()
    ),
    "X-Halo-Signature": request(BODY, X_Halo_Signature=token(BODY)),
    "lower-case header": request(BODY, token=token(BODY)),
    "basic": request(BODY, Authorization="Basic " + base64.b64encode(f"halo:{SECRET}".encode()).decode()),
    "any path": signed(BODY, path="/some/where?else=1"),
    "the path of the health check": signed(BODY, path="/health"),
    "any content type": signed(BODY, Content_Type="text/plain; charset=utf-8"),
    "chunked": request(BODY, Token=token(BODY), Content_Length=None, Transfer_Encoding="chunked")[: -len(BODY)]
    + chunks(BODY[:20], BODY[20:]),
    "HTTP/1.0": signed(BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "1 MiB": signed(FULL_SIZE),
    "1 MiB in chunks": request(FULL_SIZE, **{**CHUNKED, "Token": token(FULL_SIZE)})[:-LARGEST_BODY]
    + chunks(*(FULL_SIZE[place : place + 100] for place in range(0, LARGEST_BODY, 100))),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_delivery_is_taken(receiver, name):
    assert receiver.answer(GOOD[name]) == 200
    assert receiver.taken == [[17]]


def test_what_names_no_ticket_is_taken_as_well(receiver):
    for body in (b"{}", b"[]", b'{"event":"asset updated","object_id":5}', b'{"event":"unknown"}'):
        assert receiver.answer(signed(body)) == 200
    assert [each for each in receiver.taken if each] == []


def test_a_batch_is_taken_at_once(receiver):
    body = json.dumps([{"ticket_id": number} for number in (3, 1, 3, 2)]).encode()
    assert receiver.answer(signed(body)) == 200
    assert receiver.taken == [[3, 1, 2]]


DEEP = b"[" * 100_000 + b"]" * 100_000
BIG = b'{"ticket_id":17,"x":"' + b"y" * (10 * 1024 * 1024) + b'"}'
# The request, the answers that may be given, and whether the client closes its side after it.
BAD = {
    "no authentication": (request(BODY), {401}, False),
    "wrong secret": (request(BODY, Token=token(BODY, "other")), {401}, False),
    "signature of another body": (request(BODY, Token=token(BODY + b" ")), {401}, False),
    "bad base64": (request(BODY, Token="%%%=" + MARK), {401}, False),
    "header that is not ASCII": (request(BODY, Token="é" * 44), {401}, False),
    "wrong password": (request(BODY, Authorization="Basic " + base64.b64encode(b"halo:x").decode()), {401}, False),
    "basic that is not base64": (request(BODY, Authorization="Basic " + MARK), {401}, False),
    "token twice": (request(BODY, Token="x", token=token(BODY)), {401}, False),
    "secret in the address": (request(BODY, path=f"/{SECRET}?token={SECRET}"), {401}, False),
    "not authenticated and no JSON": (request(b"{{{" + MARK.encode()), {401}, False),
    "not authenticated and deep": (request(DEEP), {401}, False),
    "no JSON": (signed(b"{{{" + MARK.encode()), {400}, False),
    "JSON of another kind": (signed(b'"ticket 17"'), {400}, False),
    "an array of numbers": (signed(b"[17]"), {400}, False),
    "empty": (signed(b""), {400}, False),
    "deep JSON": (signed(DEEP), {400}, False),
    "gzip": (signed(gzip.compress(BODY), Content_Encoding="gzip"), {400, 415}, False),
    "gzip, signed before": (request(gzip.compress(BODY), Token=token(BODY), Content_Encoding="gzip"), {401}, False),
    "truncated body": (signed(BODY)[:-10], {0, 400, 401}, True),
    "length too small": (request(BODY, Token=token(BODY), Content_Length=str(len(BODY) - 10)), {401}, False),
    "length too large": (request(BODY, Token=token(BODY), Content_Length=str(len(BODY) + 10)), {0, 400, 401}, True),
    "length no number": (request(BODY, Token=token(BODY), Content_Length="many"), {400}, False),
    "length negative": (request(BODY, Token=token(BODY), Content_Length="-1"), {400}, False),
    "no length": (request(BODY, Token=token(BODY), Content_Length=None), {400, 401, 411}, False),
    "chunk size no number": (request(**CHUNKED) + b"zz\r\n" + BODY, {400}, False),
    "chunk without its end": (request(**CHUNKED) + b"5\r\nabcdefgh\r\n0\r\n\r\n", {400}, False),
    "chunks cut off": (request(**CHUNKED) + b"ff\r\nabc", {0, 400, 401}, True),
    "chunked, signed wrongly": (request(**CHUNKED) + chunks(BODY + b" "), {401}, False),
    "another transfer encoding": (request(BODY, Token=token(BODY), Transfer_Encoding="gzip"), {400, 401, 501}, False),
    "10 MB": (signed(BIG), {413}, False),
    "10 MB without authentication": (request(BIG), {413, 401}, False),
    "1 MiB and a byte": (signed(b" " * (LARGEST_BODY + 1)), {413}, False),
    "1 MiB and a byte in chunks": (
        request(**{**CHUNKED, "Token": token(FULL_SIZE + b" ")}) + chunks(FULL_SIZE, b" "),
        {413},
        False,
    ),
    "1 MiB and a byte, asked for before": (
        request(Token="x", Content_Length=str(LARGEST_BODY + 1), Expect="100-continue"),
        {413},
        False,
    ),
    "a length of terabytes": (request(Token="x", Content_Length="9" * 13), {413}, False),
    "10 MB in chunks": (request(**CHUNKED) + chunks(*[b"x" * 65_536] * 160), {413}, False),
    "headers too large": (request(BODY, Token=token(BODY), X_More="m" * 70_000), {431, 400}, False),
    "GET": (request(method="GET"), {405}, False),
    "GET with a body": (signed(BODY, "GET"), {405}, False),
    "PUT": (signed(BODY, "PUT"), {405}, False),
    "PATCH": (signed(BODY, "PATCH"), {405}, False),
    "DELETE": (signed(BODY, "DELETE"), {405}, False),
    "OPTIONS": (request(method="OPTIONS"), {405}, False),
    "TRACE": (request(method="TRACE"), {405}, False),
    "PUT to the health check": (signed(BODY, "PUT", "/health"), {405}, False),
    "GET below the health check": (request(method="GET", path="/health/x"), {405, 404}, False),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + MARK.encode(), {400}, False),
    "no method": (b"\r\n" + MARK.encode() + b"\r\n\r\n", {400}, False),
    "header without colon": (request(BODY).replace(b"X-Test: ", b"X-Test "), {400}, False),
    "length and chunks": (signed(BODY, Transfer_Encoding="chunked") + b"\r\n", {400}, False),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_has_its_answer_and_the_next_good_one_works(receiver, name):
    data, expected, end = BAD[name]
    assert receiver.answer(data, end=end) in expected
    assert receiver.taken == []
    receiver.works()


def test_the_health_check(receiver):
    assert receiver.answer(request(method="GET", path="/health")) == 200
    assert receiver.answer(request(method="GET", path="/health?from=proxy")) == 200
    assert receiver.taken == []


@pytest.mark.parametrize("path", ["/", "/health"])
def test_head_is_no_webhook(receiver, path):
    assert receiver.answer(request(method="HEAD", path=path), body=False) in {405, 200} - (
        {200} if path == "/" else set()
    )
    assert receiver.taken == []


def test_what_is_not_authenticated_is_told_how(receiver):
    with closing(Line(receiver.port)) as line:
        line.send(request(BODY))
        head = b"".join(iter(line.file.readline, b"\r\n")).lower()
    assert b"401" in head and b"www-authenticate: basic" in head and b"waitress" not in head


def test_no_answer_repeats_what_was_sent(receiver):
    for data, _, end in BAD.values():
        with closing(Line(receiver.port)) as line:
            line.send(data)
            if end:
                line.socket.shutdown(socket.SHUT_WR)
            if line.status():
                assert MARK.encode() not in line.answer and SECRET.encode() not in line.answer


def test_one_connection_may_bring_many_deliveries(receiver):
    with closing(Line(receiver.port)) as line:
        for number in range(1, 20):
            line.send(signed(delivery(number)))
            assert line.status() == 200
    assert receiver.taken == [[number] for number in range(1, 20)]


def test_pipelined_requests_are_answered_in_order(receiver):
    with closing(Line(receiver.port)) as line:
        line.send(signed(delivery(1)) + request(BODY) + signed(delivery(2)) + request(method="GET", path="/health"))
        assert [line.status() for _ in range(4)] == [200, 401, 200, 200]
    assert receiver.taken == [[1], [2]]


def test_who_asks_before_sending_is_told_to_go_on(receiver):
    with closing(Line(receiver.port)) as line:
        head, _, body = signed(BODY, Expect="100-continue").partition(b"\r\n\r\n")
        line.send(head + b"\r\n\r\n")
        assert line.status() == 100
        line.send(body)
        assert line.status() == 200


def test_slow_clients_hold_up_nobody(receiver):
    whole = signed(delivery(9))
    lines = [Line(receiver.port) for _ in range(40)]
    try:
        for place, line in enumerate(lines):
            # Half of them stop within the headers, half within the body.
            line.send(whole[:30] if place % 2 else whole[:-5])
        receiver.works()
        receiver.taken.clear()
        for place, line in enumerate(lines):
            for byte in whole[30:60] if place % 2 else whole[-5:-2]:
                line.send(bytes([byte]))
        receiver.works()
        receiver.taken.clear()
        for place, line in enumerate(lines):
            line.send(whole[60:] if place % 2 else whole[-2:])
            assert line.status() == 200
        assert receiver.taken == [[9]] * len(lines)
    finally:
        for line in lines:
            line.close()


def test_a_thousand_slow_connections(receiver):
    lines = [Line(receiver.port) for _ in range(1000)]
    try:
        for line in lines[:750]:
            line.send(b"POST / HTTP/1.1\r\nHost: x\r\n")
        receiver.works()
        for line in lines[750:]:
            line.send(signed(delivery(3)))
        assert {line.status() for line in lines[750:]} == {200}
    finally:
        for line in lines:
            line.close()
    receiver.works()


def test_clients_that_go_away_at_once(receiver):
    for _ in range(200):
        line = Line(receiver.port)
        line.send(signed(BODY)[:40])
        line.close()
    receiver.works()


# -- what anybody may take up ----------------------------------------------------------------------------------------


def temporary_files() -> set[str]:
    """The files this process has open that have no name any more."""
    links = set()
    for descriptor in os.listdir("/proc/self/fd"):
        # Threads of earlier tests may close theirs between the listing and the reading.
        with suppress(FileNotFoundError):
            links.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {link for link in links if link.endswith("(deleted)")}


def until_read(lines, receiver, each):
    """Wait until all that was sent is read or refused; whoever waits holds ``each``. Returns who waits."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        waiting = [line for line in lines if not select.select([line.socket], [], [], 0)[0]]
        if receiver.listener.held == len(waiting) * each:
            return waiting
        time.sleep(0.01)
    raise AssertionError("what was sent is not read")


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_take_up_64_mb_at_most_and_no_temporary_file(receiver, chunked):
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % LARGEST_BODY
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n"
    nearly = head + (b"%x\r\n" % LARGEST_BODY if chunked else b"") + b"x" * (LARGEST_BODY - 1)
    spooled = temporary_files()
    lines = [Line(receiver.port) for _ in range(80)]
    try:
        for line in lines:
            line.send(nearly)
        receiver.works()
        waiting = until_read(lines, receiver.receiver, each=4 * len(head) + LARGEST_BODY - 1)
        answered = [line for line in lines if line not in waiting]
        assert 16 < len(waiting) < 64e6 / LARGEST_BODY, "too little, or too much"
        assert waiting == lines[-len(waiting) :], "the oldest go first"
        assert not temporary_files() - spooled
        assert {line.status() for line in answered} == {503}
        for line in waiting:
            line.send(b"x\r\n0\r\n\r\n" if chunked else b"x")
        assert {line.status() for line in waiting} == {401}
    finally:
        for line in lines:
            line.close()


def test_a_webhook_of_the_usual_size_is_not_refused_for_lack_of_room(receiver):
    with closing(Line(receiver.port)) as slow:
        slow.send(signed(BODY)[:-1])
        lines = [Line(receiver.port) for _ in range(40)]
        try:
            for line in lines:
                line.send(request(b"x" * LARGEST_BODY)[:-1])
            assert {line.status() for line in lines[:15]} == {503}
            slow.send(signed(BODY)[-1:])
            assert slow.status() == 200
        finally:
            for line in lines:
                line.close()


def test_who_is_refused_for_lack_of_room_is_told_when_to_come_again(receiver):
    nearly = request(b"x" * LARGEST_BODY)[:-1]
    lines = [Line(receiver.port) for _ in range(40)]
    try:
        for line in lines:
            line.send(nearly)
        head = b"".join(iter(lines[0].file.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 5\r\n" in head
    finally:
        for line in lines:
            line.close()


def test_when_all_have_gone_nothing_is_held(shared):
    with closing(Line(shared.port)) as line, closing(Line(shared.port)) as idle:
        idle.send(signed(BODY))
        assert idle.status() == 200
        until = time.monotonic() + PATIENCE
        while shared.receiver.listener.held and time.monotonic() < until:
            time.sleep(0.01)
        assert shared.receiver.listener.held == 0, "what is answered is let go of"
        line.send(signed(BODY)[:-5])
        shared.works()
        assert shared.receiver.listener.held > len(BODY) - 5
    until = time.monotonic() + PATIENCE
    while shared.receiver.listener.held and time.monotonic() < until:
        time.sleep(0.01)
    assert shared.receiver.listener.held == 0, "all tests before count too"


def test_when_there_are_too_many_connections_the_oldest_is_closed(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda kind: (256, 4096))
    with running() as receiver:
        kept = Line(receiver.port)
        lines = []
        try:
            for number in range(300):
                lines.append(line := Line(receiver.port))
                line.send(request(method="GET", path="/health") + b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                assert line.status() == 200, "now it is accepted"
                if number % 100 == 99:
                    # One that is used is not the one that has waited for the longest.
                    kept.send(signed(delivery(number)))
                    assert kept.status() == 200
            receiver.works()
            closed = [line for line in lines if select.select([line.socket], [], [], 0)[0]]
            assert 300 - len(closed) <= 128 and closed == lines[: len(closed)]
            kept.send(signed(BODY))
            assert kept.status() == 200
        finally:
            for line in (*lines, kept):
                line.close()


def test_while_everything_waits_for_the_disk_no_more_are_accepted_and_all_are_served_afterwards(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda kind: (64, 4096))
    saved, begun = threading.Event(), threading.Semaphore(0)

    def take(_notices):
        begun.release()
        saved.wait(PATIENCE)

    with running(take=take) as receiver:
        lines = []
        try:
            for _ in range(60):
                lines.append(Line(receiver.port))
                lines[-1].send(signed(BODY))
            for _ in range(8):
                assert begun.acquire(timeout=PATIENCE)
            assert len(receiver.receiver.listener.active_channels) <= 16
            saved.set()
            assert [line.status() for line in lines] == [200] * 60
        finally:
            saved.set()
            for line in lines:
                line.close()


def test_pipelining_has_an_end(receiver):
    with closing(Line(receiver.port)) as line:
        line.send(request(method="GET", path="/health") * 40)
        assert list(iter(line.status, 0)) == [200] * 8 + [503]


# -- what fails beneath it -------------------------------------------------------------------------------------------


def test_a_failing_accept_is_tried_again_after_a_second_and_told(monkeypatch, caplog):
    """EMFILE: waitress alone would try without a pause."""
    now, tries, failing = [0.0], [], [True]
    accept = wasyncore.dispatcher.accept

    def failing_accept(self):
        tries.append(1)
        if failing[0]:
            raise OSError(errno.EMFILE, MARK)
        return accept(self)

    with running(clock=lambda: now[0]) as receiver, closing(Line(receiver.port)) as line:
        line.send(request(method="GET", path="/health"))
        assert line.status() == 200
        monkeypatch.setattr(wasyncore.dispatcher, "accept", failing_accept)
        with closing(Line(receiver.port)) as second:
            second.send(signed(BODY))
            for _ in range(50):
                # At least one round of the loop each.
                line.send(request(method="GET", path="/health"))
                assert line.status() == 200
            assert len(tries) == 1
            failing[0], now[0] = False, 1.0
            line.send(request(method="GET", path="/health"))
            assert second.status() == 200
            receiver.works()
    assert "connections not accepted (EMFILE): 1" in caplog.text and MARK not in caplog.text


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("waitress.wasyncore.poll2", OSError(errno.EINVAL, MARK)),
        ("waitress.wasyncore.poll2", RuntimeError(MARK)),
        ("waitress.wasyncore.poll2", MemoryError(MARK)),
        # While a connection is taken up, an error closes waitress's listening socket.
        ("waitress.channel.HTTPChannel.__init__", OSError(errno.ENOBUFS, MARK)),
        ("waitress.channel.HTTPChannel.__init__", OSError(errno.ECONNRESET, MARK)),
        ("waitress.channel.HTTPChannel.__init__", MemoryError(MARK)),
    ],
)
def test_when_the_serving_dies_the_port_is_opened_again(monkeypatch, caplog, name, error):
    caplog.set_level(logging.DEBUG)
    now = [0.0]
    with running(clock=lambda: now[0]) as receiver:
        receiver.works()
        now[0] = 60.0
        with monkeypatch.context() as broken:

            def fail(*_, **__):
                broken.undo()
                # Not ``error`` itself: it would keep the connection alive that it interrupted.
                raise type(error)(*error.args)

            broken.setattr(name, fail)
            # The loop may have gone round by itself in the meantime, and be dead before this is even connected.
            with suppress(ConnectionError):
                receiver.answer(signed(BODY))
        receiver.works_again()
    assert f"port {receiver.port} failed" in caplog.text and "opened again" in caplog.text
    assert MARK not in caplog.text


def test_a_listening_socket_that_is_broken_is_replaced(caplog):
    now = [0.0]
    with running(clock=lambda: now[0]) as receiver:
        receiver.works()
        now[0] = 60.0
        broken = receiver.receiver.listener
        broken.socket.shutdown(socket.SHUT_RDWR)
        receiver.works_again()
        assert receiver.receiver.listener is not broken
    assert "failed (ListenerFailed)" in caplog.text


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as each:
        yield each


def trigger_with_few_files(stage, files):
    process = stage.trigger("ticket_updated", port=True, interval=3600)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        process.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert process.says(STARTED), process.said
    stage.webhook_to(process)
    return process, stage.log_ticket()


def test_more_dripping_connections_than_a_trigger_may_open_files_do_not_end_it(stage):
    process, number = trigger_with_few_files(stage, 256)
    lines = [Line(process.given["webhook_port"]) for _ in range(300)]
    try:
        for line in lines:
            line.send(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        stage.halo.change_ticket(number, summary=SUMMARY + " again")
        assert stage.comes(number), process.said[-2000:]
        assert process.running
    finally:
        for line in lines:
            line.close()


def test_a_trigger_whose_serving_died_serves_again(stage):
    process, number = trigger_with_few_files(stage, 256)
    stage.halo.change_ticket(number, summary=SUMMARY + " once")
    assert stage.comes(number)
    # The kernel refuses to poll more files than may be opened.
    assert process.process
    limits = resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (1, limits[1]))
    # It may die before it takes up the connection that wakes it.
    with suppress(ConnectionError), closing(Line(process.given["webhook_port"])) as line:
        line.send(request(BODY))
        process.says("failed (OSError: Invalid argument)")
    assert process.says("failed (OSError: Invalid argument)"), process.said[-2000:]
    resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, limits)
    stage.halo.change_ticket(number, summary=SUMMARY + " twice")
    until = time.monotonic() + PATIENCE
    while not stage.comes(number, times=2, timeout=0.5) and time.monotonic() < until:
        body = delivery(number)
        with suppress(ConnectionError), closing(Line(process.given["webhook_port"])) as line:
            line.send(request(body, Token=token(body, WEBHOOK_SECRET)))
            line.status()
    assert stage.comes(number, times=2, timeout=0.0), process.said[-2000:]


# -- what is said ----------------------------------------------------------------------------------------------------


def test_refusals_are_told_once_a_minute_by_kind_and_without_content(caplog):
    caplog.set_level(logging.WARNING)
    now, broken = [0.0], [OSError(MARK)]

    def take(_notices):
        if broken:
            raise broken.pop()

    with running(take=take, clock=lambda: now[0]) as receiver:
        assert receiver.answer(signed(BODY)) == 503
        for data, _, end in BAD.values():
            receiver.answer(data, end=end)
        assert receiver.answer(signed(BODY)) == 200
        now[0] = 59.0
        assert receiver.answer(signed(BODY)) == 200
        assert receiver.answer(signed(BODY)) == 200
        assert caplog.text == "", "not yet"
        now[0] = 60.0
        assert receiver.answer(signed(BODY)) == 200
        assert receiver.answer(signed(BODY)) == 200
        (told,) = [record.message for record in caplog.records]
        assert re.search(r"400 \(.+?\): \d+, 401 \(.+?\): 1\d, .*413 \(.+?\): \d, .*503 \(.*OSError\): 1", told), told
        assert "Webhook Secret?" in told
        assert not [text for text in (MARK, SECRET, token(BODY), "127.0.0.1") if text in told]
        now[0] = 180.0
        for _ in range(2):
            assert receiver.answer(signed(BODY)) == 200
        assert len(caplog.records) == 1, "nothing was refused since"
        assert receiver.answer(request(BODY)) == 401
    assert [record.message for record in caplog.records][1:] == [
        "HaloITSM trigger: the webhook port refused within a minute: 401 (not authenticated): 1. "
        "Does HaloITSM's webhook have the connection's Webhook Secret?"
    ], "what is not told yet is told at the end"


@pytest.mark.parametrize(("secret", "warned"), [("fifteen-letters", True), ("sixteen-letters-", False)])
def test_a_short_secret_is_warned_about_and_works(caplog, secret, warned):
    with running(secret=secret) as receiver:
        assert receiver.answer(request(BODY, Token=token(BODY, secret))) == 200
    assert ("fewer than 16 characters" in caplog.text) == warned
    assert secret not in caplog.text and (not warned or caplog.records[0].levelname == "WARNING")


# -- 200 only after the tickets are saved ----------------------------------------------------------------------------


def test_200_comes_only_after_the_tickets_are_saved():
    kept = threading.Event()
    with running(take=lambda notices: kept.wait(PATIENCE)) as receiver, closing(Line(receiver.port)) as line:
        line.send(signed(BODY))
        line.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.socket.recv(1)
        # Meanwhile the other requests are read and refused.
        assert receiver.answer(request(BODY)) == 401
        kept.set()
        line.socket.settimeout(PATIENCE)
        assert line.socket.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    "error", [OSError(MARK), RuntimeError(MARK), ValueError(MARK), OverflowError(MARK), MemoryError()]
)
def test_what_cannot_be_kept_is_503(caplog, error):
    caplog.set_level(logging.DEBUG)
    broken = [True, True, False]

    def take(_notices) -> None:
        if broken.pop(0):
            raise error

    with running(take=take) as receiver:
        assert [receiver.answer(signed(BODY)) for _ in range(3)] == [503, 503, 200]
    assert MARK not in caplog.text


def test_pending_tickets_are_in_the_store_when_it_answers(tmp_path):
    store = open_store(tmp_path / "x.sqlite3", "owner", LOGGER)
    with running(take=store.add_pending) as receiver:
        for number in (5, 6, 5):
            assert receiver.answer(signed(delivery(number))) == 200
            again = open_store(tmp_path / "x.sqlite3", "owner", LOGGER)
            assert number in {item.ticket_id for item in again.pending()}
            again.close()
        store.close()
        assert receiver.answer(signed(delivery(7))) == 503


def test_many_at_once_are_all_kept(tmp_path):
    store, answers = open_store(tmp_path / "x.sqlite3", "owner", LOGGER), []
    with running(take=store.add_pending) as receiver:

        def send(first: int) -> None:
            with closing(Line(receiver.port)) as line:
                for number in range(first, first + 20):
                    line.send(signed(delivery(number)))
                    answers.append(line.status())

        threads = [threading.Thread(target=send, args=(first,)) for first in range(1, 321, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert answers == [200] * 320
    assert {item.ticket_id for item in store.pending(1000)} == set(range(1, 321))
    store.close()


# -- the port -------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_a_clear_error():
    with running() as first:
        second = Receiver(first.port, SECRET, lambda notices: None, LOGGER)
        with pytest.raises(PortUnavailable) as caught:
            second.start()
        assert str(first.port) in caught.value.cause and caught.value.assistance
        second.stop()
        first.works()


def test_it_listens_on_all_interfaces():
    with running() as receiver, closing(socket.create_connection(("127.0.0.2", receiver.port), PATIENCE)) as line:
        line.sendall(signed(BODY))
        assert line.recv(12) == b"HTTP/1.1 200"


def test_after_the_stop_nobody_is_answered_and_the_port_is_free():
    with running() as first:
        port = first.port
        first.works()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with closing(Line(port)) as line:
                line.send(signed(BODY))
                assert line.status() == 0
        except ConnectionRefusedError:
            break
        except ConnectionResetError:
            # A connection made while the listening socket is being closed.
            time.sleep(0.01)
    else:
        pytest.fail("it still listens")
    again = Receiver(port, SECRET, lambda notices: None, LOGGER)
    again.start()
    again.stop()


def test_an_empty_secret_lets_nobody_in():
    with running(secret="") as receiver:
        assert receiver.answer(request(BODY, Token=token(BODY, ""))) == 401
        assert receiver.answer(request(BODY, Authorization="Basic " + base64.b64encode(b"halo:").decode())) == 401
        assert receiver.taken == []
