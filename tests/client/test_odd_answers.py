"""Guards writes against odd answers: another call's, another form's, broken, without end, or limited for ever."""

from __future__ import annotations

import dataclasses
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from fast_client import FIRST, NEW, answered, fast_client, made, notes, outcome, posts

from halo_emulator import Fault
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.halo.errors import HaloError, UncertainWrite
from komand_haloitsm.util.halo.tickets.exactly_once import claim_registry
from tools.odd_halos import SPEED


def to_posts(client, change: Callable, path: str = "/Tickets") -> None:
    """From now on the body of each answer to a POST is what `change` makes of it."""

    def altered(request, answer):
        if (request.method, request.path) != ("POST", path):
            return answer
        return dataclasses.replace(answer, data=change(answer.data))

    answered(client, altered)


# ------------------------------------------------------------------------------------------ about something else


@pytest.mark.parametrize("path", ["/Tickets", "/Actions"])
def test_an_answer_that_another_call_has_had_is_not_believed(halo, path):
    """A cache on the way hands the answer to the first POST to the second one as well."""
    client, first = fast_client(halo), []

    def cached(data):
        first.append(data)
        return first[0]

    to_posts(client, cached, path)
    if path == "/Tickets":
        ids = [client.create_ticket({**NEW, "summary": f"Beaconing {name}"})["id"] for name in "ab"]
        assert ids == made(halo, "Beaconing")
    else:
        ids = [client.add_comment(2102, f"Note {name}")["id"] for name in "ab"]
        assert ids == [*notes(halo, "Note a"), *notes(halo, "Note b")]


@pytest.mark.parametrize("known", [True, False], ids=["keys are known to be kept", "nothing is known yet"])
def test_an_answer_about_another_ticket_is_not_believed(halo, known):
    client = fast_client(halo)
    if known:
        client.create_ticket(FIRST)
    other = client.get_ticket(2102)
    to_posts(client, lambda _: other)
    assert [client.create_ticket(NEW)["id"]] == made(halo)


def test_an_answer_about_another_tickets_comment_is_not_believed(halo):
    client = fast_client(halo)
    other = client.add_comment(2103, "Elsewhere")
    to_posts(client, lambda _: other, "/Actions")
    comment = client.add_comment(2102, "Here")
    assert comment["ticket_id"] == 2102 and [comment["id"]] == notes(halo, "Here")


SHAPES = {
    "a list": lambda ticket: [ticket],
    "a list of two": lambda ticket: [ticket, ticket],
    "an object around it": lambda ticket: {"tickets": [ticket]},
    "the id as text": lambda ticket: {**ticket, "id": str(ticket["id"])},
    "the id as a fraction": lambda ticket: {**ticket, "id": float(ticket["id"])},
    "no id": lambda ticket: {name: value for name, value in ticket.items() if name != "id"},
    "id 0": lambda ticket: {**ticket, "id": 0},
    "null": lambda _: None,
    "true": lambda _: True,
    "text": lambda _: "ok",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_create_that_is_answered_in_another_form_makes_one_ticket(halo, shape):
    client = fast_client(halo)
    to_posts(client, shape)
    ticket = client.create_ticket(NEW)
    assert [int(ticket["id"])] == made(halo) == [max(halo.tickets)]


# ------------------------------------------------------------------------------------------ refused, limited, slow


@pytest.mark.parametrize("status", [403, 404, 409, 429])
@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_a_refusal_after_the_ticket_was_made_is_seen_through_though_lists_lag(halo, status, kept):
    halo.keeps_external_id = kept
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.list_lag = 4 / SPEED
    time.sleep(8 / SPEED)
    halo.inject(Fault("status", method="POST", path="tickets", status=status, after_commit=True))
    said = outcome(lambda: client.create_ticket(NEW))
    assert [said] == made(halo) if isinstance(said, int) else isinstance(said, UncertainWrite)
    assert len(made(halo)) == 1


@pytest.mark.parametrize("after", ["0.01", None], ids=lambda after: f"Retry-After {after}")
@pytest.mark.parametrize("path", ["tickets", "actions"])
def test_a_write_that_is_limited_for_ever_costs_few_requests(halo, path, after):
    client = fast_client(halo, read_timeout=1)
    client.create_ticket(FIRST)
    headers = (("Retry-After", after),) if after else ()
    halo.inject(Fault("status", method="POST", path=path, status=429, times=None, headers=headers))
    halo.forget_requests()
    error = outcome(lambda: client.create_ticket(NEW) if path == "tickets" else client.add_comment(2102, "Blocked"))
    assert isinstance(error, HaloError) and error.kind == "rate_limit" and posts(halo) <= 8 and len(halo.requests) < 40


def test_a_look_that_is_limited_for_ever_costs_few_requests(halo):
    client = fast_client(halo)
    client.create_ticket(FIRST)
    headers = (("Retry-After", "0.01"),)
    halo.inject(Fault("status", method="GET", path="tickets", status=429, times=None, headers=headers))
    halo.forget_requests()
    assert isinstance(outcome(lambda: client.create_ticket_once(NEW, "INV-1")[0]), HaloError)
    assert len(halo.requests) < 30 and made(halo) == []


def test_a_look_that_is_limited_for_a_while_is_waited_for(halo):
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    headers = (("Retry-After", "20"),)
    halo.inject(Fault("status", method="GET", path="tickets", status=429, times=3, headers=headers))
    assert [client.create_ticket(NEW)["id"]] == made(halo)


@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_a_create_ends_in_its_time_though_every_read_takes_twenty_seconds(halo, kept):
    halo.keeps_external_id = kept
    for number in range(35):
        create_ticket(halo.lists, {**FIRST, "summary": f"Old {number}"}, halo.api_agent_id)
    client = fast_client(halo, read_timeout=0.3)
    client.create_ticket(FIRST)
    halo.inject(Fault("hang", method="GET", seconds=20 / SPEED, times=None))
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    began = time.monotonic()
    said = outcome(lambda: client.create_ticket(NEW))
    assert (time.monotonic() - began) * SPEED < 300
    assert [said] == made(halo) if isinstance(said, int) else isinstance(said, UncertainWrite)


def test_a_token_that_is_revoked_before_each_look_makes_no_second_ticket(halo):
    client = fast_client(halo)
    client.create_ticket(FIRST)

    def revoked(_, answer):
        halo.revoke_tokens()
        return answer

    answered(client, revoked)
    halo.list_lag = 5 / SPEED
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    halo.forget_requests()
    assert [client.create_ticket(NEW)["id"]] == made(halo)
    assert posts(halo) == 1 and sum(request.status == 401 for request in halo.requests) >= 2


def test_an_agent_that_may_not_read_is_told_to_look(halo):
    client = fast_client(halo)
    halo.denied = {("GET", "tickets"), ("GET", "actions")}
    for path, write in (
        ("tickets", lambda: client.create_ticket(NEW)),
        ("actions", lambda: client.add_comment(2102, "Blocked")),
    ):
        halo.inject(Fault("drop", method="POST", path=path, after_commit=True))
        error = outcome(write)
        assert isinstance(error, UncertainWrite) and error.kind == "may_exist"
    halo.inject(Fault("status", method="POST", path="tickets", status=403, after_commit=True))
    assert "look" in str(outcome(lambda: client.create_ticket(NEW)))


# ------------------------------------------------------------------------------------------ errors in between


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_an_exception_in_the_middle_of_a_write_keeps_nobody_waiting(halo, error):
    client = fast_client(halo)
    client.create_ticket(FIRST)
    transport = client._session._transport
    real = transport.send

    def broken(*_):
        raise error()

    writes = (
        lambda: client.create_ticket(NEW),
        lambda: client.create_ticket_once(NEW, "INV-1")[0],
        lambda: client.add_comment(2102, "Blocked"),
    )
    transport.send = broken
    for write in (*writes, lambda: client.close_ticket(2102, resolution="Cleaned")):
        with pytest.raises(error):
            write()
    transport.send = real
    began = time.monotonic()
    assert all(isinstance(outcome(write), int) for write in writes) and time.monotonic() - began < 3


# ------------------------------------------------------------------------------------------ servers of our own


def test_tls_that_breaks_after_the_request_may_have_made_it(halo, tmp_path):
    """A middle box answers in plain text within TLS. OpenSSL calls that a wrong version; it is no failed handshake."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []

    def read(connection: ssl.SSLSocket) -> bytes:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("the client has gone")
        return part

    def answer(connection: ssl.SSLSocket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += read(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        (length,) = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")] or [
            0
        ]
        while len(body) < length:
            body += read(connection)
        if head.startswith(b"POST /api"):
            received.append(body)
            with socket.socket(fileno=connection.detach()) as plain:
                plain.sendall(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        token, tickets = {"access_token": "t", "expires_in": 3600}, {"record_count": 0, "tickets": []}
        said = json.dumps(token if b"token" in head.partition(b"\r\n")[0] else tickets).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(said), said))
        connection.close()

    def serve() -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            plain.settimeout(5)
            with suppress(OSError):
                answer(context.wrap_socket(plain, server_side=True))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        base = f"https://127.0.0.1:{server.getsockname()[1]}"
        addresses = {"auth_server": f"{base}/auth", "resource_server": f"{base}/api", "ssl_verify": False}
        client = fast_client(halo, **addresses, read_timeout=5, connect_timeout=5)
        with pytest.warns(match="Unverified HTTPS"), pytest.raises(UncertainWrite, match="may exist"):
            client.create_ticket(NEW)
    assert received


def test_a_server_that_trickles_does_not_hold_a_create_beyond_its_time():
    """Headers at once, then a byte now and then, to everything but the request for a token."""

    class Trickles(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):  # noqa: N802
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = json.dumps({"access_token": "t", "expires_in": 3600}).encode()
            asks_for_token = "token" in self.path
            self.send_response(200)
            self.send_header("Content-Length", str(len(token) if asks_for_token else 100_000))
            self.end_headers()
            with suppress(OSError):
                for part in [token] if asks_for_token else [b" "] * 100:
                    self.wfile.write(part)
                    time.sleep(0.0 if asks_for_token else 0.05)

        do_POST = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickles)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    nobody = SimpleNamespace(
        client_id="i", client_secret="s", auth_server=f"{base}/auth", resource_server=f"{base}/api"
    )
    client = fast_client(nobody, read_timeout=0.3, connect_timeout=2)
    claim_registry(client.address, "The ticket").keeps_key[("third_party_id_string", 1)] = True
    began = time.monotonic()
    try:
        with pytest.raises(UncertainWrite, match="may exist"):
            client.create_ticket(NEW)
    finally:
        server.shutdown()
        server.server_close()
    assert (time.monotonic() - began) * SPEED < 300
