"""Stopping by SIGTERM, SIGINT and the flag file: at once where nothing is lost by it, otherwise after the event."""

import logging
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from komand_haloitsm.util.events import lifecycle
from komand_haloitsm.util.events.delivery import Delivered, Delivery, Dispatcher, NotAccepted
from komand_haloitsm.util.events.lifecycle import Stopped, Stopping

LOGGER = logging.getLogger("tests.stopping")
# Far more than a stop takes, and less than it would take if the stop were not noticed.
LONG, BOUND = 30.0, 10.0


@pytest.fixture
def flag(tmp_path):
    return tmp_path / "terminate_trigger.flag"


@pytest.fixture
def stopping(flag):
    return Stopping(flag, LOGGER)


@pytest.fixture(autouse=True)
def handlers_as_before():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


def by_signal(number):
    return lambda flag: os.kill(os.getpid(), number)


WAYS = {"SIGTERM": by_signal(signal.SIGTERM), "SIGINT": by_signal(signal.SIGINT), "flag": Path.touch}


@pytest.fixture(params=WAYS)
def soon(request, flag):
    """Tells the trigger to stop in a moment."""
    timer = threading.Timer(0.1, lambda: WAYS[request.param](flag))
    yield timer
    timer.cancel()
    timer.join()


class Bounded:
    """Fails when what is inside takes about as long as it would without a stop."""

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *_) -> None:
        assert time.monotonic() - self.began < BOUND


def test_a_rest_ends(stopping, soon):
    with Bounded(), stopping.watching():
        soon.start()
        stopping.rest(LONG)
        assert stopping.stopped


def test_a_wait_ends(stopping, soon):
    with Bounded(), stopping.watching():
        soon.start()
        assert stopping.wait(LONG) is True


def test_a_read_is_broken_off(stopping, soon):
    done = []
    one, other = socket.socketpair()
    with one, other, Bounded():
        one.settimeout(LONG)
        with stopping.watching():
            soon.start()
            with stopping.breakable():
                one.recv(1)
                done.append("read")
            done.append("went on")
    assert (done, stopping.stopped) == ([], True)


def test_a_delivery_is_finished_and_saved_first(stopping, soon):
    done = []
    one, other = socket.socketpair()
    with one, other, Bounded():
        one.settimeout(LONG)

        def send(_output) -> None:
            soon.start()
            until = time.monotonic() + LONG
            while not stopping.stopped and time.monotonic() < until:
                time.sleep(0.01)
            # Only now does the orchestrator answer.
            other.send(b"x")
            done.append(one.recv(1))

        with stopping.watching():
            assert Delivery(send, stopping.wait, LOGGER).deliver("1-created", {}) is Delivered.DONE
            done.append("saved")
            with stopping.breakable():
                done.append("went on")
    assert done == [b"x", "saved"]


def test_a_delivery_that_is_retried_is_given_up(stopping, soon):
    def send(_output) -> None:
        raise NotAccepted("HTTP 500")

    with Bounded(), stopping.watching():
        soon.start()
        assert (
            Delivery(send, lambda _seconds: stopping.wait(LONG), LOGGER).deliver("1-created", {}) is Delivered.STOPPED
        )


@pytest.fixture(params=["silent", "dripping"])
def slow_orchestrator(request):
    """Has each event and never gets to the end of its answer."""
    ending, received = threading.Event(), []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            received.append(connection.recv(65536))
            while not ending.wait(0.05):
                connection.sendall(b"H" if request.param == "dripping" else b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}/", received=received)
    ending.set()
    thread.join(BOUND)
    listener.close()


def test_an_answer_that_does_not_come_is_waited_for_a_few_seconds_more(
    stopping, soon, slow_orchestrator, monkeypatch, loopback_without_proxy
):
    monkeypatch.setattr(lifecycle, "_GRACE", 0.3)
    dispatcher, done = Dispatcher(slow_orchestrator.url), []
    with Bounded(), stopping.watching():
        soon.start()
        delivery = Delivery(dispatcher.write, stopping.wait, LOGGER, stopping.patient)
        done.append(delivery.deliver("1-created", {}))
    assert stopping.stopped and done == [] and len(slow_orchestrator.received) == 1


def test_after_a_stop_no_delivery_is_begun(stopping):
    sent = []
    with stopping.watching():
        # The signal came between two steps of the loop, where it only tells.
        stopping.stop()
        Delivery(sent.append, stopping.wait, LOGGER, stopping.patient).deliver("1-created", {})
    assert sent == []


def test_the_flag_is_removed(stopping, flag):
    with Bounded(), stopping.watching():
        flag.touch()
        assert stopping.wait(LONG) is True
    assert not flag.exists()


def test_a_flag_from_before_the_start_counts(stopping, flag):
    flag.touch()
    with Bounded(), stopping.watching():
        assert stopping.wait(LONG) is True


def test_a_folder_without_place_for_flags_is_no_obstacle(tmp_path):
    stopping = Stopping(tmp_path / "nowhere" / "x.flag", LOGGER)
    with stopping.watching():
        assert stopping.wait(0.4) is False


class StubbornFlag:
    """A flag of another owner, in a folder that the plugin may not write."""

    def is_file(self) -> bool:
        return True

    def unlink(self, missing_ok: bool = False) -> None:
        raise PermissionError("not yours")


def test_a_flag_that_cannot_be_removed_counts_all_the_same():
    stopping = Stopping(StubbornFlag(), LOGGER)
    with stopping.watching():
        assert stopping.wait(1.5) is True


class SlowFlag:
    """A flag on a slow volume."""

    def is_file(self) -> bool:
        return True

    def unlink(self, missing_ok: bool = False) -> None:
        time.sleep(0.5)


def test_after_the_end_no_signal_comes_any_more():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        stopping = Stopping(SlowFlag(), LOGGER)
        with Bounded(), stopping.watching():
            assert stopping.wait(LONG) is True
        # The trigger ends here. A signal would change its exit code from 0.
        time.sleep(0.8)
        assert received == []
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_signal_while_finishing_breaks_nothing(stopping):
    with stopping.watching():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
            assert stopping.wait(LONG) is True


def test_what_comes_after_the_stop_is_not_begun(stopping):
    done = []
    with stopping.watching():
        stopping.stop()
        with stopping.breakable():
            done.append("read")
    assert done == []


def test_the_stop_is_no_error_that_a_handler_could_take(stopping):
    stopping.stop()
    with pytest.raises(Stopped):
        try:
            with stopping.breakable():
                pass
        except Exception:
            pytest.fail("taken for an error")


def test_an_error_inside_is_passed_on(stopping):
    with pytest.raises(ValueError), stopping.watching():
        raise ValueError


def test_outside_of_what_may_be_broken_off_a_signal_only_tells(stopping):
    with stopping.watching():
        with stopping.breakable():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert stopping.stopped


def test_a_wake_ends_a_rest_but_not_a_wait(stopping):
    threading.Timer(0.05, stopping.wake).start()
    with Bounded():
        stopping.rest(LONG)
    assert not stopping.stopped
    stopping.wake()
    assert stopping.wait(0.05) is False


def test_a_wake_before_the_rest_ends_it_too(stopping):
    stopping.wake()
    with Bounded():
        stopping.rest(LONG)


def test_it_watches_from_another_thread_as_well(stopping, flag):
    result = []

    def work() -> None:
        with stopping.watching():
            result.append(stopping.wait(LONG))

    thread = threading.Thread(target=work, daemon=True)
    with Bounded():
        thread.start()
        flag.touch()
        thread.join(BOUND)
    assert result == [True]


def test_after_the_end_flags_are_no_longer_looked_for(stopping, flag):
    with stopping.watching():
        pass
    flag.touch()
    time.sleep(0.4)
    assert flag.exists() and not stopping.stopped


def test_a_stop_inside_a_thread_that_stops_itself_ends_quietly(stopping):
    with stopping.watching():
        raise Stopped
    assert stopping.stopped
