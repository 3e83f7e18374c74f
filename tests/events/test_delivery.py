"""An event is delivered when it was answered with a 2xx status, and is tried until then. Over real sockets."""

import io
import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import pytest

from komand_haloitsm import triggers
from komand_haloitsm.util.events.delivery import Delivery, Dispatcher, NotAccepted

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
def orchestrator(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
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


def test_a_hang_ends_without_the_variable_as_well(monkeypatch):
    monkeypatch.delenv("HALOITSM_DISPATCH_TIMEOUT", raising=False)
    dispatcher, given = Dispatcher("http://127.0.0.1:1/"), {}
    dispatcher._session.post = lambda url, **more: given.update(more) or type("Answer", (), {"status_code": 200})()
    dispatcher.write(MESSAGE)
    connect, read = given["timeout"]
    assert 0 < connect <= 60 and 0 < read <= 300


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
    assert delivery_to(halls.url, waits).deliver("17-created", MESSAGE) is True
    assert len(halls.received) == len(answers) + 1 and len(set(halls.received)) == 1
    assert len(waits.seconds) == len(answers)
    said = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    assert len(said) == (2 if answers else 0)
    assert SECRET_TEXT not in caplog.text


def test_the_pause_grows_and_is_bounded():
    attempts = []

    def send(_output) -> None:
        attempts.append(1)
        if len(attempts) <= 30:
            raise NotAccepted("HTTP 500")

    waits = Waits()
    assert Delivery(send, waits, LOGGER).deliver("17-created", {}) is True
    assert waits.seconds == sorted(waits.seconds)
    assert 0 < waits.seconds[0] <= 5 and waits.seconds[0] < waits.seconds[3] < waits.seconds[-1] <= 300
    assert len(set(waits.seconds[-10:])) == 1


def test_a_day_of_refusals_does_not_end_it():
    left = [5000]

    def send(_output) -> None:
        left[0] -= 1
        if left[0]:
            raise NotAccepted("HTTP 500")

    assert Delivery(send, lambda _seconds: False, LOGGER).deliver("17-created", {}) is True


@pytest.mark.parametrize("last", [1, 2, 7])
def test_a_stop_while_retrying_leaves_the_event_undelivered(last):
    attempts = []

    def send(output) -> None:
        attempts.append(output)
        raise NotAccepted("HTTP 500")

    assert Delivery(send, Waits(last), LOGGER).deliver("17-created", {}) is False
    assert len(attempts) == last


def test_an_event_that_is_accepted_while_stopping_is_delivered():
    assert Delivery(lambda output: None, lambda _seconds: True, LOGGER).deliver("17-created", {}) is True


# -- events that cannot be sent -------------------------------------------------------------------------------------


def created(output) -> None:
    jsonschema.validate(output, triggers.TicketCreated().output.schema)


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
    assert Delivery(created, waits, LOGGER).deliver("17-created", output) is True
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
    assert delivery.deliver("16-created", {"event_id": "16-created", "ticket": {"id": "x"}}) is True
    assert delivery.deliver("17-created", {"event_id": "17-created", "ticket": {"id": 17}}) is True
    assert [json.loads(body)["body"]["output"]["event_id"] for body in halls.received] == ["17-created"]


@pytest.mark.parametrize("value", ["\ud800", "é" * 100_000, "\0", 10**400, {"deep": [[[]]]}])
def test_whatever_a_custom_field_holds_arrives(orchestrator, value):
    halls = orchestrator()
    output = {"event_id": "17-created", "ticket": {"id": 17, "customfields": [{"id": 1, "value": value}]}}
    waits = Waits(3)
    assert Delivery(whole_trigger(halls.url).send, waits, LOGGER).deliver("17-created", output) is True
    assert waits.seconds == [] and json.loads(halls.received[0])["body"]["output"] == output


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_event_that_is_no_json_does_not_hold_up_the_others(orchestrator, value):
    halls = orchestrator()
    output = {"event_id": "17-created", "ticket": {"id": 17, "customfields": [{"id": 1, "value": value}]}}
    assert Delivery(whole_trigger(halls.url).send, Waits(5), LOGGER).deliver("17-created", output) is True


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
    assert result == [False]
