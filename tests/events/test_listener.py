"""The bounds of the listener where a test of the receiver cannot reach them. Rounds are driven by hand."""

import select
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from komand_haloitsm.util.events.listener import Listener, most_connections

# A bound against hanging.
PATIENCE = 10.0
INFINITE = -1


@pytest.mark.parametrize(
    ("files", "connections"),
    [
        (INFINITE, 2000),
        (1_048_576, 2000),
        (20_000, 2000),
        (2128, 2000),
        (2127, 1999),
        (1024, 896),
        (256, 128),
        (160, 40),
        (64, 16),
        (8, 2),
    ],
)
def test_connections_leave_files_for_the_rest_of_the_trigger(files, connections):
    assert most_connections(files) == connections


class Connected:
    """A listener, one client, and what was counted."""

    def __init__(self, application) -> None:
        self.counted: list[str] = []
        self.listener = Listener(application, 0, 1, self.counted.append, time.monotonic)
        self.client = self.another()

    def another(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", int(self.listener.effective_port)), PATIENCE)

    def serve_until(self, happened) -> None:
        until = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < until, "it did not happen"
            self.listener.serve()

    @property
    def connections(self) -> int:
        return len(self.listener.active_channels)


@contextmanager
def connected(application=None):
    each = Connected(application)
    try:
        with closing(each.client):
            yield each
    finally:
        each.listener.shut(1)


def test_who_does_not_read_the_answer_is_closed_as_well():
    """Waitress waits until the client takes something, and so for ever."""

    def endless(_environ, start_response):
        start_response("200 OK", [("Content-Length", "20000000")])
        return [b"x" * 20_000_000]

    with connected(endless) as one:
        one.client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        one.serve_until(
            lambda: one.connections and any(c.total_outbufs_len for c in one.listener.active_channels.values())
        )
        one.serve_until(lambda: not any(channel.requests for channel in one.listener.active_channels.values()))
        one.listener.maintenance(time.time())
        assert one.connections == 1
        one.listener.maintenance(time.time() + 21)
        one.serve_until(lambda: not one.connections)


def test_while_none_can_be_closed_nobody_is_accepted_and_the_loop_rests(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda kind: (8, 4096))
    saved = threading.Event()

    def blocked(_environ, start_response):
        saved.wait(PATIENCE)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with connected(blocked) as one, one.another() as second, one.another() as third:
        for client in (one.client, second, third):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        one.serve_until(lambda: sum(len(c.requests) for c in one.listener.active_channels.values()) == 2)
        assert not one.listener.readable()
        saved.set()
        one.serve_until(lambda: select.select([third], [], [], 0)[0])
        assert third.recv(12) == b"HTTP/1.1 200"


def test_silence_ends_a_connection_and_a_byte_now_and_then_does_not():
    with connected() as one:
        one.client.sendall(b"POST / HTTP/1.1\r\n")
        one.serve_until(lambda: one.listener.held)
        one.listener.maintenance(time.time() + 19)
        assert one.connections == 1
        one.listener.maintenance(time.time() + 21)
        assert one.connections == 0 and one.listener.held == 0
        assert one.client.recv(1) == b""


def test_headers_and_lines_between_chunks_are_held_too():
    with connected() as one:
        one.client.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: " + b"x" * 10_000)
        one.serve_until(lambda: one.listener.held >= 10_000)
        one.client.sendall(b"\r\n\r\n1;" + b"y" * 50_000)
        one.serve_until(lambda: one.listener.held >= 60_000)
        (channel,) = one.listener.active_channels.values()
        assert "X" not in channel.request.headers and not channel.request.header_plus
    assert one.listener.held == 0 or one.connections == 0


def test_after_it_is_shut_nothing_wakes_it_by_the_number_of_another_file():
    with connected() as one:
        pipe = one.listener.trigger.trigger
    with open(__file__, "rb") as other:
        # The pipe's number is free, and the next file may have it.
        assert other.fileno() <= pipe
        one.listener.pull_trigger()
