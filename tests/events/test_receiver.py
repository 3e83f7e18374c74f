"""The webhook receiver over real sockets: every kind of bad request gets its response, no log repeats any of it, and
the next good webhook works."""

import base64
import gzip
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from komand_haloitsm.util.events.receiver import LARGEST_BODY, PortUnavailable, Receiver
from komand_haloitsm.util.events.store import open_store
from komand_haloitsm.util.halo.webhook import Notice

SECRET = "webhook-secret-4f1e"
MARK = "Reception-cannot-print-7731"
LOGGER = logging.getLogger("tests.receiver")
# A bound against hanging.
PATIENCE = 10.0


def ids(notices) -> list[int]:
    return [notice.ticket_id for notice in notices]


def saves(store):
    """What a trigger does with notices."""
    return lambda notices: store.add_pending(ids(notices))


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

    def __init__(self, take=None, secret: str = SECRET) -> None:
        self.taken: list[list[int]] = []
        with socket.create_server(("0.0.0.0", 0)) as free:
            self.port = free.getsockname()[1]
        self.receiver = Receiver(self.port, secret, take or (lambda notices: self.taken.append(ids(notices))), LOGGER)
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
    "nearly 1 MiB": signed(b'{"ticket_id":17,"x":"' + b"y" * (LARGEST_BODY - 100) + b'"}'),
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


CHUNKED = {"Token": token(BODY), "Content_Length": None, "Transfer_Encoding": "chunked"}
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


def test_five_hundred_open_connections(receiver):
    lines = [Line(receiver.port) for _ in range(500)]
    try:
        for line in lines[:250]:
            line.send(b"POST / HTTP/1.1\r\nHost: x\r\n")
        receiver.works()
        for line in lines[250:]:
            line.send(signed(delivery(3)))
        assert {line.status() for line in lines[250:]} == {200}
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
