"""Guards Transport and Session: each failure has its kind, time and size are limited, tokens go nowhere else.

Where a response is needed that no HaloITSM would send, the server is a plain socket of the test.
"""

from __future__ import annotations

import errno
import gzip
import json
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
import responses
import urllib3

from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.halo.clock import Clock
from komand_haloitsm.util.halo.errors import Forbidden, HaloError, NotFound, ServerTrouble, UncertainWrite, Unreachable
from komand_haloitsm.util.halo.http import transport as transport_module
from komand_haloitsm.util.halo.http.messages import NOT_SENT, NoResponse, NoResponseKind, Request, Response
from komand_haloitsm.util.halo.http.retry import RetryPolicy
from komand_haloitsm.util.halo.http.session import Session, Waiting
from komand_haloitsm.util.halo.http.transport import Transport
from komand_haloitsm.util.insightconnect.version import plugin_version

KIND = NoResponseKind
GET = Request("GET", "/Tickets/7", {"includedetails": "true"})
CREATE = Request("POST", "/Tickets", body=[{"summary": "s"}], repeatable=False)
TOKEN = "token-of-a-test"
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

Behaviour = Callable[[socket.socket], None]


class Server:
    """A loopback server. It reads each request completely, keeps it, and lets a function of the test answer it."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/api"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(10)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := self._read(connection):
                self.requests.append(request)
                self._behave(connection)
        except (OSError, _Close):
            pass
        finally:
            connection.close()

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := connection.recv(65536)):
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [line.split(b":", 1) for line in head.split(b"\r\n")[1:]]
        length = next((int(line[1]) for line in lines if line[0].lower() == b"content-length"), 0)
        while len(body) < length and (piece := connection.recv(65536)):
            body += piece
        return head + b"\r\n\r\n" + body

    def headers(self, number: int = 0) -> dict[str, str]:
        lines = self.requests[number].split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def stop(self) -> None:
        self.stopped.set()
        self._listener.close()


class _Close(Exception):
    """Raised by a behaviour to close the connection."""


def http(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return (f"HTTP/1.1 {status}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields.items()) + "\r\n").encode() + body


def says(*pieces: bytes, close: bool = False, pause: float = 0.0) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        if close:
            raise _Close

    return behave


@pytest.fixture(name="serve")
def _serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Server:
        running.append(Server(behave, tls))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def transport(address: str, **more: Any) -> Transport:
    settings = {"verify": True, "user_agent": "test/1", "connect_timeout": 2.0, "read_timeout": 2.0}
    return Transport(address, **{**settings, **more})


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# ------------------------------------------------------------------------------------------- why no answer came


@pytest.mark.parametrize("request_", [GET, CREATE], ids=["a read", "a create"])
def test_a_port_that_nobody_listens_on_is_refused(request_):
    result = transport(f"http://127.0.0.1:{closed_port()}/api").send(request_, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.REFUSED


@pytest.mark.parametrize(
    "error, kind",
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), KIND.NAME),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), KIND.NAME),
        (TimeoutError("timed out"), KIND.CONNECT_TIMEOUT),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), KIND.REFUSED),
        (OSError(errno.EHOSTUNREACH, "No route to host"), KIND.REFUSED),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), KIND.REFUSED),
    ],
    ids=["no such name", "no name server", "a timeout", "a refusal", "no route", "no network"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_was_never_made(monkeypatch, error, kind, scheme):
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("urllib3.util.connection.create_connection", fail)
    result = transport(f"{scheme}://127.0.0.1:9/api").send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is kind and kind in NOT_SENT


def test_a_server_that_speaks_no_tls_is_a_tls_failure():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_at_once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(http(b"", "400 Bad Request"))
                connection.recv(65536)

        threading.Thread(target=answer_at_once, daemon=True).start()
        result = transport(f"https://127.0.0.1:{listener.getsockname()[1]}/api").send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.TLS


@pytest.mark.parametrize(
    "reason",
    [
        "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        "UNEXPECTED_EOF_WHILE_READING",
        None,
    ],
    ids=["a bad record", "an end", "no reason"],
)
def test_tls_that_breaks_after_a_create_was_sent_is_not_taken_for_not_sent(serve, monkeypatch, reason):
    server = serve(says(http()))
    error = ssl.SSLError(1, f"[SSL: {reason}] of a test")
    if reason:
        error.reason = reason

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "getresponse", broken)
    result = transport(server.address).send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind not in NOT_SENT


def _dies(connection: socket.socket) -> None:
    raise _Close


def _resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    raise _Close


_LOST: dict[str, Behaviour] = {
    "closed without a word": _dies,
    "reset without a word": _resets,
    "closed in the status line": says(b"HTTP/1.1 20", close=True),
    "no HTTP at all": says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True),
    "a status that is no number": says(b"HTTP/1.1 abc OK\r\n\r\n", close=True),
    "an endless header line": says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, close=True),
    "a thousand headers": says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", close=True),
    "a body cut short": says(http(b'{"id": 1}', Content_Length="900"), close=True),
    "a body that never began": says(http(b"", Content_Length="900"), close=True),
    "a chunk cut short": says(http(b'ff\r\n{"id": 1', Transfer_Encoding="chunked", Content_Length="0"), close=True),
    "chunks without an end": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" + b'{"id": 1}\r\n', close=True
    ),
    "a chunk whose size is none": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", close=True
    ),
}


@pytest.mark.parametrize("behave", list(_LOST.values()), ids=list(_LOST))
def test_a_connection_that_breaks_after_sending_is_lost(serve, behave):
    server = serve(behave)
    result = transport(server.address).send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.LOST and len(server.requests) == 1
    assert KIND.LOST not in NOT_SENT


def test_an_answer_that_breaks_in_its_headers_is_no_success(serve):
    result = transport(serve(says(b"HTTP/1.1 201 Created\r\nContent-Le", close=True)).address).send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) or not result.readable


@pytest.mark.parametrize(
    "pieces",
    [(), (b"HTTP/1.1 200 OK\r\n",), (http(b'{"id"', Content_Length="900"),)],
    ids=["nothing", "half the headers", "half the body"],
)
def test_an_answer_that_does_not_come_is_a_read_timeout(serve, pieces):
    def hang(connection: socket.socket) -> None:
        says(*pieces)(connection)
        server.stopped.wait(10)

    server = serve(hang)
    result = transport(server.address, read_timeout=0.2).send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.READ_TIMEOUT and KIND.READ_TIMEOUT not in NOT_SENT


def test_a_detail_of_a_failure_is_short_and_holds_no_address():
    result = transport(f"http://127.0.0.1:{closed_port()}/api").send(GET, TOKEN)
    assert isinstance(result, NoResponse) and len(result.detail) < 60
    assert "127.0.0.1" not in result.detail and TOKEN not in result.detail and "0x" not in result.detail


def test_each_attempt_is_one_request(serve):
    server = serve(_dies)
    transport(server.address).send(GET, TOKEN)
    assert server.connections == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_bundle_that_does_not_exist_is_a_tls_failure(monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    result = transport(f"https://127.0.0.1:{closed_port()}/api").send(GET, TOKEN)
    assert isinstance(result, NoResponse) and result.kind in (KIND.TLS, KIND.CERTIFICATE)


@pytest.mark.parametrize(
    "request_",
    [Request("GET", "/Tickets", {"search_summary": "\ud800"}), Request("POST", "", form={"scope": "\ud800"})],
    ids=["in a query", "in a form"],
)
def test_a_text_that_has_no_utf8_is_a_clear_error(serve, request_):
    with pytest.raises(HaloError):
        transport(serve(says(http())).address).send(request_, TOKEN)


# ------------------------------------------------------------------------------------------------- what is bounded


@pytest.fixture(name="small_limit")
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(transport_module, "LARGEST_ANSWER", 1024**2)
    return 1024**2


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


_TOO_LARGE: dict[str, Behaviour] = {
    "a byte too many": says(http(b" " * (1024**2 + 1))),
    "a body of many megabytes": says(http(b"x" * 8 * 1024**2)),
    "chunks without an end": _endless,
    "a gzip bomb": says(http(gzip.compress(b"0" * 40 * 1024**2), Content_Encoding="gzip")),
    "a gzip bomb in another": says(
        http(gzip.compress(gzip.compress(b"0" * 40 * 1024**2)), Content_Encoding="gzip, gzip")
    ),
}


@pytest.mark.parametrize("behave", list(_TOO_LARGE.values()), ids=list(_TOO_LARGE))
def test_an_answer_that_is_too_large_is_not_kept(serve, small_limit, behave):
    server = serve(behave)
    tracemalloc.start()
    try:
        result = transport(server.address).send(CREATE, TOKEN)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(result, NoResponse) and result.kind is KIND.TOO_LARGE
    assert peak < 16 * small_limit


def test_an_answer_of_exactly_the_limit_is_read(serve, small_limit):
    body = b'"' + b"x" * (small_limit - 2) + b'"'
    result = transport(serve(says(http(body))).address).send(GET, TOKEN)
    assert isinstance(result, Response) and len(result.data) == small_limit - 2


def test_a_body_that_drips_for_ever_is_bounded_in_time(serve):
    def drip(connection: socket.socket) -> None:
        connection.sendall(http(b"", Content_Length="600"))
        for _ in range(600):
            connection.sendall(b" ")
            time.sleep(0.005)

    server = serve(drip)
    result = transport(server.address, read_timeout=0.4).send(GET, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.READ_TIMEOUT


def _drips_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(600):
        connection.sendall(f"X-{number}: y\r\n".encode() if number < 90 else b"y")
        time.sleep(0.01)


def test_headers_that_drip_for_ever_are_bounded_in_time_and_are_no_success(serve, monkeypatch):
    one = transport(serve(_drips_headers).address)
    monkeypatch.setattr(one, "_adapter", transport_module.DeadlineAdapter(0.2))
    began = time.monotonic()
    result = one.send(CREATE, TOKEN)
    assert time.monotonic() - began < 4
    assert isinstance(result, NoResponse) or not result.readable


def test_headers_that_drip_for_ever_are_a_read_timeout(serve, monkeypatch):
    one = transport(serve(_drips_headers).address)
    monkeypatch.setattr(one, "_adapter", transport_module.DeadlineAdapter(0.2))
    result = one.send(GET, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.READ_TIMEOUT


def test_a_body_that_comes_slowly_but_in_time_is_read(serve):
    pieces = [bytes([byte]) for byte in b'{"id": 12345}']
    server = serve(says(http(b"", Content_Length=str(len(pieces))), *pieces, pause=0.002))
    result = transport(server.address, read_timeout=2.0).send(GET, TOKEN)
    assert isinstance(result, Response) and result.data == {"id": 12345}


# --------------------------------------------------------------------------------------------- reading the answer

_BODIES: dict[str, tuple[bytes, dict[str, str], Any, bool]] = {
    "an object": (b'{"id": 1}', {}, {"id": 1}, True),
    "an array": (b"[1]", {}, [1], True),
    "a bare string": (b'"Please assign"', {}, "Please assign", True),
    "null": (b"null", {}, None, True),
    "a byte order mark": (b'\xef\xbb\xbf{"id": 1}', {}, {"id": 1}, True),
    "JSON called text": (b'{"id": 1}', {"Content_Type": "text/plain"}, {"id": 1}, True),
    "letters beyond ASCII": ('{"a": "\u00e9\U0001f600"}'.encode(), {}, {"a": "\u00e9\U0001f600"}, True),
    "gzip": (gzip.compress(b'{"id": 1}'), {"Content_Encoding": "gzip"}, {"id": 1}, True),
    "nothing": (b"", {}, None, False),
    "plain text": (b"Record not found", {"Content_Type": "text/plain"}, None, False),
    "JSON cut short": (b'{"id": 1, "summ', {}, None, False),
    "two objects": (b"{}{}", {}, None, False),
    "bytes that are no text": (b"\xff\xfe\xfa\x00\x01", {}, None, False),
    "JSON too deep to read": (b"[" * 100_000 + b"]" * 100_000, {}, None, False),
    "a page": (b"<html></html>", {"Content_Type": "text/html; charset=utf-8"}, None, False),
    "gzip that is none": (b"not gzip at all", {"Content_Encoding": "gzip"}, None, False),
}


@pytest.mark.parametrize("body, headers, data, readable", list(_BODIES.values()), ids=list(_BODIES))
@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_body(serve, body, headers, data, readable, status):
    result = transport(serve(says(http(body, f"{status} X", **headers))).address).send(GET, TOKEN)
    assert isinstance(result, Response)
    assert (result.status, result.data, result.readable) == (status, data, readable)
    assert len(result.text) <= 4000


def test_gzip_that_comes_byte_by_byte_is_read_whole(serve):
    body = gzip.compress(json.dumps({"rows": list(range(200))}).encode())
    pieces = [body[at : at + 1] for at in range(len(body))]
    server = serve(says(http(b"", Content_Length=str(len(body)), Content_Encoding="gzip"), *pieces))
    result = transport(server.address).send(GET, TOKEN)
    assert isinstance(result, Response) and result.data == {"rows": list(range(200))}


def test_plain_text_is_kept_for_the_error_but_not_all_of_it(serve):
    result = transport(serve(says(http(b"y" * 50_000, "500 X", Content_Type="text/plain"))).address).send(GET, TOKEN)
    assert isinstance(result, Response) and result.text == "y" * 4000 and not result.html


@pytest.mark.parametrize(
    "body, kind",
    [(b"\n <!DOCTYPE html><p>x", "application/json"), (b"sign in", "Text/HTML")],
    ids=["by body", "by type"],
)
def test_a_page_is_known_as_one(serve, body, kind):
    result = transport(serve(says(http(body, Content_Type=kind))).address).send(GET, TOKEN)
    assert isinstance(result, Response) and result.html


def test_the_headers_that_decisions_need_are_read(serve):
    answer = http(
        b"{}", "429 X", Date="Sun, 01 Mar 2026 12:00:00 GMT", Retry_After="17", Location="https://b.example/x"
    )
    result = transport(serve(says(answer)).address).send(GET, TOKEN)
    assert isinstance(result, Response)
    assert (result.date, result.retry_after, result.location) == (NOW, "17", "https://b.example/x")


def test_an_answer_without_these_headers_has_none(serve):
    result = transport(serve(says(http(b"{}", Date="soon"))).address).send(GET, TOKEN)
    assert isinstance(result, Response)
    assert (result.date, result.retry_after, result.location) == (None, "", "")


# --------------------------------------------------------------------------------------------------- what is sent


def test_a_read_as_it_is_sent(serve):
    server = serve(says(http()))
    transport(server.address).send(Request("GET", "/Tickets", {"search_summary": "a&b=c d+\u00e9/\U0001f600"}), TOKEN)
    line = server.requests[0].split(b"\r\n")[0].decode()
    assert line == "GET /api/Tickets?search_summary=a%26b%3Dc+d%2B%C3%A9%2F%F0%9F%98%80 HTTP/1.1"
    headers = server.headers()
    assert headers["authorization"] == f"Bearer {TOKEN}" and headers["user-agent"] == "test/1"
    assert headers["accept"] == "application/json" and "cookie" not in headers and "content-type" not in headers


def test_a_write_as_it_is_sent(serve):
    server = serve(says(http(b'{"id": 1}', "201 Created")))
    body = [{"summary": "\u00e9 \U0001f600 \x00 \ud800 <b>", "details": "two\nlines", "status_id": None}]
    transport(server.address).send(Request("POST", "/Tickets", body=body, repeatable=False), TOKEN)
    assert server.headers()["content-type"] == "application/json"
    assert json.loads(server.requests[0].split(b"\r\n\r\n", 1)[1]) == body


def test_a_form_as_it_is_sent(serve):
    server = serve(says(http()))
    form = {"client_id": "not+a/real=id", "client_secret": "not&a=real+secret/\u00e9 %41", "scope": "all edit:tickets"}
    transport(server.address).send(Request("POST", "", form=form), "")
    headers, body = server.headers(), server.requests[0].split(b"\r\n\r\n", 1)[1].decode()
    assert headers["content-type"] == "application/x-www-form-urlencoded" and "authorization" not in headers
    assert dict(parse_qsl(body, strict_parsing=True)) == form


def test_ten_megabytes_are_sent_as_they_are(serve):
    server = serve(says(http()))
    text = "0123456789" * 1_000_000
    result = transport(server.address).send(Request("POST", "/Tickets", body=[{"details": text}]), TOKEN)
    assert (
        isinstance(result, Response) and json.loads(server.requests[0].split(b"\r\n\r\n", 1)[1])[0]["details"] == text
    )


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"bytes", {1, 2}, object(), NOW, {(1, 2): 3}, _circle(), _deep()],
    ids=["not a number", "infinity", "bytes", "a set", "an object", "a date", "a key", "a circle", "a depth"],
)
def test_what_json_does_not_have_is_a_clear_error_and_nothing_is_sent(serve, value):
    server = serve(says(http()))
    with pytest.raises(HaloError) as caught:
        transport(server.address).send(Request("POST", "/Tickets", body=[{"field": value}]), TOKEN)
    assert caught.value.kind == "input" and server.connections == 0


def test_a_connection_is_kept_for_the_next_request(serve):
    server = serve(says(http()))
    one = transport(server.address)
    for _ in range(5):
        assert isinstance(one.send(GET, TOKEN), Response)
    assert len(server.requests) == 5 and server.connections == 1


def test_a_connection_that_halo_has_closed_meanwhile_is_made_anew(serve):
    server = serve(says(http(), close=True))
    one = transport(server.address)
    for _ in range(3):
        assert isinstance(one.send(GET, TOKEN), Response)
        time.sleep(0.05)
    assert server.connections == 3


def test_a_broken_answer_does_not_spoil_the_next_one(serve):
    answers = iter([http(b"x" * 500, Content_Length="900"), http(b'{"id": 2}')])

    def behave(connection: socket.socket) -> None:
        connection.sendall(next(answers))
        raise _Close

    one = transport(serve(behave).address)
    assert isinstance(one.send(GET, TOKEN), NoResponse)
    answer = one.send(GET, TOKEN)
    assert isinstance(answer, Response) and answer.data == {"id": 2}


def test_many_threads_may_share_one_transport(serve):
    def behave(connection: socket.socket) -> None:
        connection.sendall(http(json.dumps({"port": connection.getpeername()[1]}).encode()))

    one = transport(serve(behave).address)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(one.send(GET, TOKEN))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(results) == 40 and all(isinstance(result, Response) and result.readable for result in results)


# ----------------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "request_", [GET, CREATE, Request("POST", "", form={"a": "b"})], ids=["read", "create", "token"]
)
def test_a_redirect_is_not_followed_and_the_token_stays_here(serve, status, request_):
    other = serve(says(http()))
    server = serve(says(http(b"", f"{status} Moved", Location=f"http://127.0.0.1:{other.port}/api/Tickets")))
    result = transport(server.address).send(request_, TOKEN)
    assert isinstance(result, Response) and result.status == status
    assert other.connections == 0 and len(server.requests) == 1


def test_a_redirect_to_the_same_host_is_not_followed_either(serve):
    server = serve(says(http(b"", "307 Moved", Location="/elsewhere")))
    assert isinstance(transport(server.address).send(CREATE, TOKEN), Response) and len(server.requests) == 1


# ----------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(name="tls")
def _tls(serve: Callable[..., Server], certificate: tuple[Path, Path]) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return serve(says(http()), context)


def test_a_certificate_of_nobody_known_is_refused_before_anything_is_sent(tls):
    result = transport(tls.address).send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.CERTIFICATE and tls.requests == []


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_verification_can_be_turned_off_for_one_connection_and_stays_on_for_another(tls):
    assert isinstance(transport(tls.address, verify=False).send(GET, TOKEN), Response)
    assert isinstance(transport(tls.address).send(GET, TOKEN), NoResponse)
    assert isinstance(transport(tls.address, verify=False).send(GET, TOKEN), Response)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_certificate_bundle_of_the_environment_is_honoured(tls, monkeypatch, certificate, variable):
    monkeypatch.setenv(variable, str(certificate[0]))
    assert isinstance(transport(tls.address).send(GET, TOKEN), Response)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_bundle_of_the_environment_does_not_turn_verification_on_again(tls, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
    assert isinstance(transport(tls.address, verify=False).send(GET, TOKEN), Response)
    assert isinstance(transport(tls.address).send(GET, TOKEN), NoResponse)


def test_a_certificate_bundle_that_is_none_is_a_failure_of_tls_and_not_of_halo(tls, monkeypatch, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("no certificate\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    result = transport(tls.address).send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind in (KIND.TLS, KIND.CERTIFICATE)


def test_a_certificate_for_another_host_is_refused(tls, monkeypatch, certificate):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    result = transport(f"https://localhost:{tls.port}/api").send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.CERTIFICATE and tls.requests == []


# ------------------------------------------------------------------------------------------------------- proxies


def test_the_proxy_of_the_environment_is_used(serve, monkeypatch):
    proxy = serve(says(http(b'{"by": "proxy"}')))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    result = transport("http://halo.invalid/api").send(GET, TOKEN)
    assert isinstance(result, Response) and result.data == {"by": "proxy"}
    assert proxy.requests[0].startswith(b"GET http://halo.invalid/api/Tickets/7?")


def test_to_a_tls_host_the_proxy_sees_no_token(serve, monkeypatch):
    proxy = serve(says(http(b"", "407 Proxy Authentication Required"), close=True))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    result = transport("https://halo.invalid/api").send(CREATE, TOKEN)
    assert isinstance(result, NoResponse) and result.kind is KIND.PROXY
    assert proxy.requests[0].startswith(b"CONNECT halo.invalid:443 ") and TOKEN.encode() not in proxy.requests[0]


def test_a_proxy_that_is_not_there_is_a_proxy_failure(monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for scheme in ("http", "https"):
        result = transport(f"{scheme}://halo.invalid/api").send(CREATE, TOKEN)
        assert isinstance(result, NoResponse) and result.kind is KIND.PROXY and KIND.PROXY in NOT_SENT


def test_the_credentials_of_the_proxy_go_to_the_proxy_and_into_no_failure(serve, monkeypatch):
    proxy = serve(says(http()))
    monkeypatch.setenv("http_proxy", f"http://jo:not-a-secret@127.0.0.1:{proxy.port}")
    assert isinstance(transport("http://halo.invalid/api").send(GET, TOKEN), Response)
    assert proxy.headers()["proxy-authorization"].startswith("Basic ")
    monkeypatch.setenv("http_proxy", f"http://jo:not-a-secret@127.0.0.1:{closed_port()}")
    result = transport("http://halo.invalid/api").send(GET, TOKEN)
    assert isinstance(result, NoResponse) and "not-a-secret" not in result.detail


@pytest.mark.parametrize("exempt", ["127.0.0.1", "localhost,127.0.0.1", "127.0.0.0/8", "*"])
def test_no_proxy_is_honoured(serve, monkeypatch, exempt):
    proxy, server = serve(says(http())), serve(says(http(b'{"by": "halo"}')))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", exempt)
    result = transport(server.address).send(GET, TOKEN)
    assert isinstance(result, Response) and result.data == {"by": "halo"} and proxy.connections == 0


@pytest.mark.parametrize("token", [TOKEN, ""], ids=["with a token", "for a token"])
def test_netrc_is_ignored(serve, monkeypatch, tmp_path, token):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login jo password not-a-secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve(says(http()))
    transport(server.address).send(GET, token)
    assert server.headers().get("authorization", "") == (f"Bearer {token}" if token else "")


# ------------------------------------------------------------------------------------------- repeating: Session


class Script:
    """A transport that returns ``results`` in order, and the last one for ever. Each attempt takes ``seconds``."""

    def __init__(self, world: World, *results: Response | NoResponse, seconds: float = 0.0) -> None:
        self._world, self._results, self._seconds = world, list(results), seconds
        self.sent: list[tuple[Request, str]] = []

    def send(self, request: Request, token: str) -> Response | NoResponse:
        self.sent.append((request, token))
        assert len(self.sent) < 1000, "it is sent without end"
        self._world.time += self._seconds
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]


class World:
    """A clock that only sleeping moves, and a logger that keeps its lines."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []
        self.lines: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def info(self, line: str) -> None:
        self.lines.append(line)

    warning = info


class Tokens:
    """A source of numbered tokens. ``discard`` makes the next number current."""

    def __init__(self) -> None:
        self.number = 1
        self.discarded: list[str] = []

    def token(self, *_: Any) -> str:
        return f"token-number-{self.number}"

    def discard(self, token: str) -> None:
        self.discarded.append(token)
        self.number += 1


def session(
    world: World,
    script: Script,
    tokens: Tokens | None = None,
    jitter: Callable[[], float] = lambda: 1.0,
    **more: Any,
) -> Session:
    clock = Clock(lambda: world.time, world.sleep, jitter, lambda: NOW)
    return Session(script, tokens=tokens, policy=RetryPolicy(), logger=world, clock=clock, **more)


OK = Response(200, data={"id": 7})
_AGAIN: dict[str, tuple[Request, Response | NoResponse]] = {
    "a read after 429": (GET, Response(429)),
    "a read after 502": (GET, Response(502, readable=False)),
    "a read after 503": (GET, Response(503)),
    "a read after 504": (GET, Response(504)),
    "a read after a timeout": (GET, NoResponse(KIND.READ_TIMEOUT)),
    "a read after a lost connection": (GET, NoResponse(KIND.LOST)),
    "an update after a lost connection": (Request("POST", "/Tickets", body=[{"id": 7}]), NoResponse(KIND.LOST)),
    "a create after a refused connection": (CREATE, NoResponse(KIND.REFUSED)),
    "a create after a connect timeout": (CREATE, NoResponse(KIND.CONNECT_TIMEOUT)),
    "a create after a name that was not resolved": (CREATE, NoResponse(KIND.NAME)),
}


@pytest.mark.parametrize("request_, trouble", list(_AGAIN.values()), ids=list(_AGAIN))
def test_it_is_sent_again(request_, trouble):
    world = World()
    script = Script(world, trouble, trouble, OK)
    assert session(world, script, Tokens()).call(request_) is OK
    assert len(script.sent) == 3 and world.slept == [1.0, 2.0]


_ONCE: dict[str, tuple[Request, Response | NoResponse, type[Exception]]] = {
    "a read after 400": (GET, Response(400, data="no"), HaloError),
    "a read after 403": (GET, Response(403, readable=False), Forbidden),
    "a read after 404": (GET, Response(404, readable=False), NotFound),
    "a read after 500": (GET, Response(500), ServerTrouble),
    "a read after a bad certificate": (GET, NoResponse(KIND.CERTIFICATE), Unreachable),
    "a create after TLS that was not made": (CREATE, NoResponse(KIND.TLS), Unreachable),
    "a read after a redirect": (GET, Response(302, location="https://b.example/"), HaloError),
    "a create after 400": (CREATE, Response(400), UncertainWrite),
    "a create after 401": (CREATE, Response(401), UncertainWrite),
    "a create after 429": (CREATE, Response(429), UncertainWrite),
    "a create after 500": (CREATE, Response(500), UncertainWrite),
    "a create after 502": (CREATE, Response(502), UncertainWrite),
    "a create after 503": (CREATE, Response(503), UncertainWrite),
    "a create after 504": (CREATE, Response(504), UncertainWrite),
    "a create after a timeout": (CREATE, NoResponse(KIND.READ_TIMEOUT), UncertainWrite),
    "a create after a lost connection": (CREATE, NoResponse(KIND.LOST), UncertainWrite),
    "a create after a page": (CREATE, Response(200, readable=False, text="<html>", html=True), UncertainWrite),
}


@pytest.mark.parametrize("request_, trouble, error", list(_ONCE.values()), ids=list(_ONCE))
def test_it_is_sent_once(request_, trouble, error):
    world = World()
    script = Script(world, trouble, OK)
    with pytest.raises(HaloError) as caught:
        session(world, script, Tokens()).call(request_)
    assert type(caught.value) is error and len(script.sent) == 1 and world.slept == []


def test_an_uncertain_write_keeps_all_that_the_error_knows():
    world = World()
    with pytest.raises(UncertainWrite) as caught:
        session(world, Script(world, Response(503, data={"message": "Down"})), Tokens()).call(CREATE)
    error = caught.value
    assert (error.kind, error.status, error.said) == ("unavailable", 503, "Down") and "Down" in error.data


def test_a_401_is_answered_by_one_new_token_and_one_more_request():
    world, tokens = World(), Tokens()
    script = Script(world, Response(401, readable=False), OK)
    assert session(world, script, tokens).call(GET) is OK
    assert [token for _, token in script.sent] == ["token-number-1", "token-number-2"]
    assert tokens.discarded == ["token-number-1"] and world.slept == []


def test_a_second_401_is_the_end():
    world, tokens = World(), Tokens()
    script = Script(world, Response(401, readable=False))
    with pytest.raises(HaloError) as caught:
        session(world, script, tokens).call(GET)
    assert caught.value.kind == "unauthorized" and len(script.sent) == 2 and len(tokens.discarded) == 1


def test_a_second_401_is_the_end_also_with_other_trouble_between():
    world, tokens = World(), Tokens()
    script = Script(world, Response(401), Response(503), Response(401), OK)
    with pytest.raises(HaloError):
        session(world, script, tokens).call(GET)
    assert len(script.sent) == 3 and len(tokens.discarded) == 1


def test_the_next_call_may_refresh_again():
    world, tokens = World(), Tokens()
    one = session(world, Script(world, Response(401), OK, Response(401), OK), tokens)
    assert one.call(GET) is OK and one.call(GET) is OK and len(tokens.discarded) == 2


def test_a_request_for_a_token_is_not_refreshed():
    world = World()
    script = Script(world, Response(401, data={"error": "invalid_client"}))
    with pytest.raises(HaloError) as caught:
        session(world, script).call(Request("POST", "", form={"a": "b"}))
    assert caught.value.kind == "invalid_client" and script.sent == [(Request("POST", "", form={"a": "b"}), "")]


def test_the_wait_of_a_call_is_capped_and_the_error_says_what_halo_wanted():
    world = World()
    script = Script(world, Response(429, retry_after="50"))
    with pytest.raises(HaloError) as caught:
        session(world, script, Tokens()).call(GET)
    assert world.slept == [50.0, 50.0] and "50 seconds" in caught.value.assistance and "3 attempts" in caught.value.data


def test_a_wish_beyond_the_cap_fails_at_once():
    world = World()
    with pytest.raises(HaloError) as caught:
        session(world, Script(world, Response(429, retry_after="300")), Tokens()).call(GET)
    assert world.slept == [] and "300 seconds" in caught.value.assistance
    assert not isinstance(caught.value, UncertainWrite)


@pytest.mark.parametrize(
    "trouble", [Response(503), NoResponse(KIND.READ_TIMEOUT), NoResponse(KIND.NAME)], ids=["503", "slow", "DNS"]
)
def test_no_call_goes_far_past_the_cap_whatever_each_attempt_takes(trouble):
    world = World()
    with pytest.raises(HaloError):
        session(world, Script(world, trouble, seconds=30.0), Tokens()).call(GET)
    assert world.time - 1000.0 <= 120.0 + 30.0


def test_the_cap_may_count_from_an_earlier_moment():
    world = World()
    script = Script(world, Response(503))
    with pytest.raises(HaloError):
        session(world, script, Tokens()).within(Waiting(RetryPolicy(), world.time - 119.5)).call(GET)
    assert len(script.sent) == 1


def test_one_call_may_have_a_policy_of_its_own():
    world = World()
    with pytest.raises(HaloError):
        session(world, Script(world, Response(503)), Tokens()).begin(RetryPolicy(max_wait=3.0)).call(GET)
    assert world.slept == [1.0, 2.0]


def test_jitter_is_asked_anew_for_each_pause():
    world, numbers = World(), iter([0.0, 1.0, 0.5, 0.5])
    session(world, Script(world, Response(503), Response(503), OK), Tokens(), jitter=lambda: next(numbers)).call(GET)
    assert world.slept == [0.5, 2.0]


def test_a_log_line_holds_method_path_result_attempt_and_duration_and_nothing_else():
    world = World()
    script = Script(world, NoResponse(KIND.LOST, "X"), Response(401), OK, seconds=0.25)
    request_ = Request("POST", "/Tickets", {"q": "query-words"}, body=[{"details": "private-words"}])
    session(world, script, Tokens(), secrets=("not-a-secret",)).call(request_)
    assert world.lines == [
        "HaloITSM: POST /Tickets -> lost (attempt 1, 0.250 s)",
        "HaloITSM: POST /Tickets -> 401 (attempt 2, 0.250 s)",
        "HaloITSM: POST /Tickets -> 200 (attempt 3, 0.250 s)",
    ]


def test_the_log_line_of_a_token_holds_no_form():
    world = World()
    session(world, Script(world, OK)).call(Request("POST", "", form={"client_secret": "not-a-secret"}))
    assert world.lines == ["HaloITSM: POST (token) -> 200 (attempt 1, 0.000 s)"]


def test_neither_secrets_nor_the_token_are_in_the_error_when_halo_repeats_them():
    world = World()
    echo = Response(400, data={"message": "Bearer token-number-1 of not-a-secret-of-a-test is odd"})
    with pytest.raises(HaloError) as caught:
        session(world, Script(world, echo), Tokens(), secrets=("not-a-secret-of-a-test",)).call(GET)
    shown = f"{caught.value} {caught.value.cause} {caught.value.assistance} {caught.value.data} {caught.value.said}"
    assert "token-number-1" not in shown and "not-a-secret-of-a-test" not in shown and "is odd" in shown


# --------------------------------------------------------------------------------- the whole client, by its answers

AUTH, API = "https://desk.example.com/auth", "https://desk.example.com/api"


def client(**more: Any) -> HaloITSMAPI:
    settings: dict[str, Any] = {
        "client_id": {"secretKey": "id-of-a-test"},
        "client_secret": {"secretKey": "not+a/real=secret&of-a-test"},
        "auth_server": AUTH,
        "resource_server": API,
        "sleep": lambda seconds: None,
        "max_wait": 5.0,
    }
    return HaloITSMAPI(**{**settings, **more})


@pytest.fixture(name="web")
def _web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def _token(web: responses.RequestsMock, number: int = 1) -> None:
    web.post(f"{AUTH}/token", json={"access_token": f"{TOKEN}-{number}", "expires_in": 3600, "token_type": "Bearer"})


def test_every_request_says_which_plugin_in_which_version_it_comes_from(web):
    _token(web)
    web.get(f"{API}/Tickets/7", json={"id": 7})
    client().get_ticket(7)
    agents = {call.request.headers["User-Agent"] for call in web.calls}
    assert len(web.calls) == 2 and len(agents) == 1 and plugin_version() in agents.pop()
    assert plugin_version()[:1].isdigit()


@pytest.mark.parametrize("verify", [True, False])
def test_verification_and_timeouts_are_passed_with_each_request(web, monkeypatch, verify):
    _token(web)
    web.get(f"{API}/Tickets/7", json={"id": 7})
    client(ssl_verify=verify, connect_timeout=3.0, read_timeout=4.0).get_ticket(7)
    for call in web.calls:
        assert call.request.req_kwargs["verify"] is verify and call.request.req_kwargs["timeout"] == (3.0, 4.0)


def test_a_401_of_the_api_leads_to_one_token_more_and_one_request_more(web):
    _token(web, 1)
    _token(web, 2)
    web.get(f"{API}/Tickets/7", status=401)
    web.get(f"{API}/Tickets/7", json={"id": 7})
    assert client().get_ticket(7) == {"id": 7}
    sent = [call.request.headers.get("Authorization") for call in web.calls]
    assert sent == [None, f"Bearer {TOKEN}-1", None, f"Bearer {TOKEN}-2"]


def test_nothing_is_sent_before_it_is_needed(web):
    client()
    assert len(web.calls) == 0


def test_without_a_logger_it_works_as_well(web):
    _token(web)
    web.get(f"{API}/Tickets/7", json={"id": 7})
    assert client(logger=None).get_ticket(7) == {"id": 7}


def test_no_secret_and_no_text_is_logged(web):
    world = World()
    _token(web)
    web.post(f"{API}/Tickets", json={"id": 7, "summary": "private-words"}, status=201)
    web.get(f"{API}/Tickets", json={"record_count": 0, "tickets": []})
    one = client(logger=world)
    one.create_ticket({"summary": "private-words", "details": "private-words"})
    one.search_tickets({"search_summary": "private-words"})
    assert len(world.lines) >= 3
    for words in ("private-words", "not+a/real", "id-of-a-test", TOKEN, "search_summary", "?"):
        assert not any(words in line for line in world.lines)
