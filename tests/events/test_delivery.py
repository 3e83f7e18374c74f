"""An event is delivered when it was answered with a 2xx status, and is tried until then. Over real sockets."""

import io
import json
import logging
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from komand_haloitsm import triggers
from komand_haloitsm.util.events import delivery
from komand_haloitsm.util.events.delivery import Delivered, Delivery, Dispatcher, NotAccepted
from komand_haloitsm.util.halo.http.deadline import DeadlineAdapter

LOGGER = logging.getLogger("tests.delivery")
SECRET_TEXT = "The password of reception is hunter2"
MESSAGE = {"body": {"output": {"event_id": "17-created", "ticket": {"summary": SECRET_TEXT}}}, "type": "trigger_event"}


class Orchestrator:
    """Accepts events. `answers` says what it does with one after the other (a status, "drop" or "hang"), then 200."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.received: list[bytes] = []
        self.visited: list[str] = []
        self.going = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.visited.append(self.path)
                self._answer(200)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.visited.append(self.path)
                outer.received.append(body)
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer == "hang":
                    outer.going.wait(20)
                if answer in ("drop", "hang"):
                    self.close_connection = True
                    return
                self._answer(answer)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/event"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.going.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def loopback(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def orchestrator(loopback):
    made = []

    def make(*answers):
        made.append(Orchestrator(*answers))
        return made[-1]

    yield make
    for each in made:
        each.stop()


class Waits:
    """A wait that takes no time. It returns True, which means to stop, from wait number `last` on."""

    def __init__(self, last: int | None = None) -> None:
        self.seconds: list[float] = []
        self.last = last

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return self.last is not None and len(self.seconds) >= self.last


def delivery_to(url: str, waits) -> Delivery:
    dispatcher = Dispatcher(url)
    return Delivery(lambda output: dispatcher.write({"body": {"output": output}}), waits, LOGGER)


# -- one attempt ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_acceptance(orchestrator, status):
    halls = orchestrator(status)
    Dispatcher(halls.url).write(MESSAGE)
    assert [json.loads(body) for body in halls.received] == [MESSAGE]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504])
def test_anything_else_is_not_and_a_redirect_is_not_followed(orchestrator, status):
    halls = orchestrator(status)
    with pytest.raises(NotAccepted, match=str(status)) as caught:
        Dispatcher(halls.url).write(MESSAGE)
    assert halls.visited == ["/event"]
    assert SECRET_TEXT not in str(caught.value)


def test_a_dropped_connection_is_no_acceptance(orchestrator):
    with pytest.raises(NotAccepted):
        Dispatcher(orchestrator("drop").url).write(MESSAGE)


def test_a_refused_connection_is_no_acceptance():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotAccepted):
        Dispatcher(f"http://127.0.0.1:{port}/").write(MESSAGE)


def test_a_hang_ends(orchestrator, monkeypatch):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "0.2")
    with pytest.raises(NotAccepted):
        Dispatcher(orchestrator("hang").url).write(MESSAGE)


@pytest.mark.parametrize("size, to_connect_and_send", [(0, 10), (60_000, 10), (100_000, 600)])
def test_an_answer_is_waited_for_ten_minutes(monkeypatch, size, to_connect_and_send):
    monkeypatch.delenv("HALOITSM_DISPATCH_TIMEOUT", raising=False)
    given = []

    def sent(adapter, _request, timeout, **_more):
        given.extend([adapter._watchman._seconds, *timeout])
        return SimpleNamespace(status_code=200, raw=None, close=lambda: None)

    monkeypatch.setattr(DeadlineAdapter, "send", sent)
    Dispatcher("http://127.0.0.1:1/").write({**MESSAGE, "more": "x" * size})
    assert given == [600, to_connect_and_send, 600]


class Peer:
    """A server of few words: `talk(connection)` has each connection of its own."""

    def __init__(self, talk, tls: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._tls = tls
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}/event"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(connection)

    def stop(self) -> None:
        self._listener.close()


@pytest.fixture
def peer(loopback):
    made = []

    def make(talk, tls=None):
        made.append(Peer(talk, tls))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def dripping(at_once: bytes, then: bytes, ending: threading.Event):
    """Says `at_once`, and `then` a byte at a time, again and again."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(at_once)
        while not ending.wait(0.02):
            for byte in then:
                connection.sendall(bytes([byte]))
                if ending.wait(0.02):
                    return

    return talk


@pytest.fixture
def ending():
    event = threading.Event()
    yield event
    event.set()


HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


def test_no_body_is_waited_for(peer, ending, monkeypatch):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "2")
    halls = peer(dripping(HEADERS, b"x", ending))
    Dispatcher(halls.url).write(MESSAGE)
    assert halls.connections == 1


@pytest.mark.parametrize("status", [302, 500])
def test_no_body_of_a_refusal_is_waited_for_either(peer, ending, monkeypatch, status):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "2")
    headers = HEADERS.replace(b"200 OK", b"%d No\r\nLocation: /elsewhere" % status)
    with pytest.raises(NotAccepted, match=str(status)):
        Dispatcher(peer(dripping(headers, b"x", ending)).url).write(MESSAGE)


@pytest.mark.parametrize("at_once", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["status", "headers"])
def test_status_and_headers_that_drip_have_a_limit_as_a_whole(peer, ending, monkeypatch, at_once):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "0.3")
    with pytest.raises(NotAccepted, match="no answer"):
        Dispatcher(peer(dripping(at_once, b"X-Slow: y\r\n" if at_once else b"H", ending)).url).write(MESSAGE)


def test_an_answer_that_drips_within_the_limit_is_an_answer(peer, ending, monkeypatch):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "20")
    halls = peer(dripping(b"", HEADERS, ending))
    assert delivery_to(halls.url, Waits()).deliver("17-created", MESSAGE) is Delivered.DONE
    assert halls.connections == 1


def test_a_large_event_that_is_read_late_is_sent_whole(peer, monkeypatch):
    """It is longer in coming than a connection may be: no timeout of the connection cuts it off."""
    monkeypatch.setattr(delivery, "_CONNECT_TIMEOUT", 0.2)
    sizes = []

    def talk(connection: socket.socket) -> None:
        time.sleep(0.5)
        size = 0
        while size < 8_000_000 and (part := connection.recv(65536)):
            size += len(part)
        sizes.append(size)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    Dispatcher(peer(talk).url).write({"body": "x" * 8_000_000})
    assert [size >= 8_000_000 for size in sizes] == [True]


# SO_LINGER of no time: closing resets the connection.
RESET = struct.pack("ii", 1, 0)


def refusing_early(reads: int, resets: bool):
    """Answers 413 when `reads` bytes have come, and closes."""

    def talk(connection: socket.socket) -> None:
        left = reads
        while left > 0 and (part := connection.recv(left)):
            left -= len(part)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        if resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    return talk


BIG = {"summary": SECRET_TEXT, "details": "x" * 5_000_000}


@pytest.mark.parametrize("reads", [1, 1000, 300_000])
@pytest.mark.parametrize("resets", [True, False])
def test_a_413_in_the_middle_of_five_megabytes_is_recognised(peer, caplog, reads, resets):
    halls, waits = peer(refusing_early(reads, resets)), Waits()
    assert delivery_to(halls.url, waits).deliver("17-created", BIG) is Delivered.REFUSED
    assert halls.connections == 3 and len(waits.seconds) == 2
    assert "HTTP 413" in caplog.text and "no answer" not in caplog.text and SECRET_TEXT not in caplog.text


def test_it_is_recognised_over_tls_too(peer, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    # Some of these answers are lost with their connection, so it takes more than three attempts at times.
    delivery = delivery_to(peer(refusing_early(300_000, resets=False), tls).url, Waits(last=30))
    assert delivery.deliver("17-created", BIG) is Delivered.REFUSED


def test_a_ca_bundle_that_is_missing_ends_no_trigger(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")
    with pytest.raises(NotAccepted, match="no answer"):
        Dispatcher("https://127.0.0.1:1/").write(MESSAGE)


def test_one_that_fails_between_two_events_does_not_spoil_the_next(orchestrator):
    halls = orchestrator(200, "drop", 500)
    dispatcher = Dispatcher(halls.url)
    dispatcher.write(MESSAGE)
    for _ in range(2):
        with pytest.raises(NotAccepted):
            dispatcher.write(MESSAGE)
    dispatcher.write(MESSAGE)
    assert len(halls.received) == 4


# -- until it is accepted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers",
    [(), (500,), (500, 500, 503), (302, 404, 429), ("drop",), ("drop", 500, "hang", 301)],
    ids=lambda answers: "-".join(map(str, answers)) or "at once",
)
def test_an_event_is_retried_until_it_is_accepted(orchestrator, monkeypatch, caplog, answers):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "0.2")
    caplog.set_level(logging.DEBUG)
    halls, waits = orchestrator(*answers), Waits()
    assert delivery_to(halls.url, waits).deliver("17-created", MESSAGE) is Delivered.DONE
    assert len(halls.received) == len(answers) + 1 and len(set(halls.received)) == 1
    assert len(waits.seconds) == len(answers)
    said = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    assert len(said) == (2 if answers else 1)
    assert SECRET_TEXT not in caplog.text


def test_the_pause_grows_and_is_bounded():
    attempts = []

    def send(_output) -> None:
        attempts.append(1)
        if len(attempts) <= 30:
            raise NotAccepted("HTTP 500")

    waits = Waits()
    assert Delivery(send, waits, LOGGER).deliver("17-created", {}) is Delivered.DONE
    assert waits.seconds == sorted(waits.seconds)
    assert 0 < waits.seconds[0] <= 5 and waits.seconds[0] < waits.seconds[3] < waits.seconds[-1] <= 300
    assert len(set(waits.seconds[-10:])) == 1


def test_a_day_of_refusals_does_not_end_it():
    left = [5000]

    def send(_output) -> None:
        left[0] -= 1
        if left[0]:
            raise NotAccepted("HTTP 500")

    assert Delivery(send, lambda _seconds: False, LOGGER).deliver("17-created", {}) is Delivered.DONE


# -- refusals for good ----------------------------------------------------------------------------------------------


def test_three_refusals_are_for_good_and_are_said_once(orchestrator, caplog):
    caplog.set_level(logging.DEBUG)
    for status in (400, 413, 422):
        caplog.clear()
        halls, waits = orchestrator(*[status] * 9), Waits()
        assert delivery_to(halls.url, waits).deliver("17-created", MESSAGE) is Delivered.REFUSED
        assert len(halls.received) == 3 and waits.seconds == [1, 2]
        said = [record.getMessage() for record in caplog.records if "for good" in record.getMessage()]
        assert len(said) == 1 and "17-created" in said[0] and f"HTTP {status}" in said[0]
        assert SECRET_TEXT not in caplog.text


@pytest.mark.parametrize(
    "answers",
    [(413, 500, 413, 413), (400, 422, "drop", 413), (500, 500, 400, "drop", 503, 400, 302, 400)],
    ids=lambda answers: "-".join(map(str, answers)),
)
def test_refusals_count_whatever_comes_between(orchestrator, answers):
    halls, waits = orchestrator(*answers), Waits()
    assert delivery_to(halls.url, waits).deliver("17-created", MESSAGE) is Delivered.REFUSED
    assert len(halls.received) == len(answers) and len(waits.seconds) == len(answers) - 1


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 409, 411, 429, 431, 500, 501, 503])
def test_no_other_answer_is_a_refusal_for_good(orchestrator, status):
    halls, waits = orchestrator(*[status] * 6), Waits()
    assert delivery_to(halls.url, waits).deliver("17-created", MESSAGE) is Delivered.DONE
    assert len(halls.received) == 7


def test_what_was_refused_twice_can_still_be_accepted(orchestrator):
    halls, waits = orchestrator(413, 413), Waits()
    delivery = delivery_to(halls.url, waits)
    assert delivery.deliver("17-created", MESSAGE) is Delivered.DONE
    halls.answers += [413, 413]
    assert delivery.deliver("18-created", MESSAGE) is Delivered.DONE, "the refusals of another event counted"


def test_a_stop_comes_before_the_last_refusal(orchestrator):
    halls = orchestrator(413, 413, 413)
    assert delivery_to(halls.url, Waits(2)).deliver("17-created", MESSAGE) is Delivered.STOPPED
    assert len(halls.received) == 2


@pytest.mark.parametrize("last", [1, 2, 7])
def test_a_stop_while_retrying_leaves_the_event_undelivered(last):
    attempts = []

    def send(output) -> None:
        attempts.append(output)
        raise NotAccepted("HTTP 500")

    assert Delivery(send, Waits(last), LOGGER).deliver("17-created", {}) is Delivered.STOPPED
    assert len(attempts) == last


def test_an_event_that_is_accepted_while_stopping_is_delivered():
    assert Delivery(lambda output: None, lambda _seconds: True, LOGGER).deliver("17-created", {}) is Delivered.DONE


# -- events that cannot be sent -------------------------------------------------------------------------------------


def created(output) -> None:
    triggers.TicketCreated().output.validate(output)


@pytest.mark.parametrize(
    "output",
    [
        {"event_id": "17-created", "ticket": {"id": "seventeen", "summary": SECRET_TEXT}},
        {"event_id": "17-created", "ticket": {"id": 17, "summary": [SECRET_TEXT]}},
        {"event_id": "17-created", "ticket": {"id": 17, "summary": None, "details": SECRET_TEXT}},
        {"event_id": 17, "ticket": {"summary": SECRET_TEXT}},
        {"event_id": "17-created", "ticket": SECRET_TEXT},
    ],
)
def test_an_event_that_breaks_its_schema_is_skipped_and_told_without_its_contents(caplog, output):
    caplog.set_level(logging.DEBUG)
    waits = Waits()
    assert Delivery(created, waits, LOGGER).deliver("17-created", output) is Delivered.DONE
    assert waits.seconds == []
    assert [record.levelno >= logging.WARNING for record in caplog.records] == [True]
    assert "17-created" in caplog.text and "hunter2" not in caplog.text and "seventeen" not in caplog.text


def whole_trigger(url: str):
    trigger = triggers.TicketCreated()
    trigger.dispatcher, trigger.log_stream = Dispatcher(url), io.StringIO()
    return trigger


def test_a_good_event_after_a_bad_one_arrives(orchestrator):
    halls = orchestrator()
    delivery = Delivery(whole_trigger(halls.url).send, Waits(), LOGGER)
    assert delivery.deliver("16-created", {"event_id": "16-created", "ticket": {"id": "x"}}) is Delivered.DONE
    assert delivery.deliver("17-created", {"event_id": "17-created", "ticket": {"id": 17}}) is Delivered.DONE
    assert [json.loads(body)["body"]["output"]["event_id"] for body in halls.received] == ["17-created"]


@pytest.mark.parametrize("value", ["\ud800", "é" * 100_000, "\0", 10**400, {"deep": [[[]]]}])
def test_whatever_a_custom_field_holds_arrives(orchestrator, value):
    halls = orchestrator()
    output = {"event_id": "17-created", "ticket": {"id": 17, "customfields": [{"id": 1, "value": value}]}}
    waits = Waits(3)
    assert Delivery(whole_trigger(halls.url).send, waits, LOGGER).deliver("17-created", output) is Delivered.DONE
    assert waits.seconds == [] and json.loads(halls.received[0])["body"]["output"] == output


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_event_that_is_no_json_does_not_hold_up_the_others(orchestrator, value):
    halls = orchestrator()
    output = {"event_id": "17-created", "ticket": {"id": 17, "customfields": [{"id": 1, "value": value}]}}
    assert Delivery(whole_trigger(halls.url).send, Waits(5), LOGGER).deliver("17-created", output) is Delivered.DONE


def test_a_stop_is_noticed_while_an_answer_is_awaited_only_after_it(orchestrator, monkeypatch):
    monkeypatch.setenv("HALOITSM_DISPATCH_TIMEOUT", "20")
    halls, result = orchestrator("hang", 200), []
    delivery = delivery_to(halls.url, lambda _seconds: True)
    thread = threading.Thread(target=lambda: result.append(delivery.deliver("17-created", MESSAGE)), daemon=True)
    thread.start()
    until = time.monotonic() + 5
    while not halls.received and time.monotonic() < until:
        time.sleep(0.01)
    assert result == []
    halls.going.set()
    thread.join(5)
    assert result == [Delivered.STOPPED]
