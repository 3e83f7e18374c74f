"""Clients in processes of their own: each keeps a connection and sends prepared requests over it, one after the other.

Bare sockets and bytes that were made before, so that the clients are not what is measured.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

_LONGEST_ANSWER = 60.0
_LARGEST_HEAD = 64 * 1024


@dataclass
class Sent:
    """What came of requests: for each when it was sent, how long the answer took, its status (0 for none)."""

    at: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers with 200 in a second."""
        return self.status.count(200) / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        """How many were not answered with 200."""
        return len(self.status) - self.status.count(200)


def http_request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Client:
    """One connection, made anew when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> int:
        """The status of the answer, 0 when none came."""
        fresh = self._socket is None
        try:
            return self._asked(request)
        except OSError:
            self.close()
            # A server may close an idle connection just as it is used again; one try on a new one, as clients do.
            if fresh:
                return 0
        try:
            return self._asked(request)
        except OSError:
            self.close()
            return 0

    def _asked(self, request: bytes) -> int:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=_LONGEST_ANSWER)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        head, body = self._head(self._socket)
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        missing = int(fields.get(b"content-length", b"0")) - len(body)
        while missing > 0:
            missing -= len(self._more(self._socket))
        if fields.get(b"connection", b"").strip() == b"close":
            self.close()
        return int(head.split(b" ", 2)[1])

    def _head(self, connection: socket.socket) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            if len(received) > _LARGEST_HEAD:
                raise OSError("no end of the head")
            received += self._more(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        if piece := connection.recv(_LARGEST_HEAD):
            return piece
        raise OSError("closed")

    def close(self) -> None:
        """Hang up."""
        if self._socket:
            self._socket.close()
            self._socket = None


def _client(port: int, requests: Sequence[bytes], until: float, start: threading.Event, sent: Sent) -> None:
    """One client: through the requests once, or again and again until a time."""
    client, number = _Client(port), 0
    start.wait(10)
    while requests and (time.monotonic() < until if until else number < len(requests)):
        began = time.monotonic()
        status = client.ask(requests[number % len(requests)])
        sent.at.append(began)
        sent.took.append(time.monotonic() - began)
        sent.status.append(status)
        number += 1
    client.close()


def _process(pipe: Pipe) -> None:
    """Carries out orders until the pipe is closed: port, requests of each client, seconds (0: each request once)."""
    while True:
        try:
            port, requests, seconds = pipe.recv()
        except EOFError:
            return
        start, sent = threading.Event(), [Sent() for _ in requests]
        until = time.monotonic() + seconds if seconds else 0.0
        threads = [
            threading.Thread(target=_client, args=(port, mine, until, start, into), daemon=True)
            for mine, into in zip(requests, sent)
        ]
        for thread in threads:
            thread.start()
        start.set()
        for thread in threads:
            thread.join(seconds + 2 * _LONGEST_ANSWER)
        pipe.send(sent)


class Clients:
    """A few processes that send, ready before the measurement."""

    def __init__(self, processes: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Pipe] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_process, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            if process.is_alive():
                process.kill()

    def send(self, port: int, requests: Sequence[bytes], clients: int, seconds: float = 0.0) -> Sent:
        """Send from so many clients side by side: for ``seconds``, or each request once. Raises RuntimeError."""
        spare = requests if seconds else ()
        shares = [requests[number::clients] or spare for number in range(clients)]
        busy = self._pipes[: min(clients, len(self._pipes))]
        began = time.monotonic()
        for number, pipe in enumerate(busy):
            pipe.send((port, shares[number :: len(busy)], seconds))
        whole = Sent()
        for pipe in busy:
            if not pipe.poll(seconds + 3 * _LONGEST_ANSWER):
                raise RuntimeError("the clients did not come to an end")
            for sent in pipe.recv():
                whole.at += sent.at
                whole.took += sent.took
                whole.status += sent.status
        ends = [at + took for at, took in zip(whole.at, whole.took)]
        whole.seconds = max(ends) - min(whole.at) if ends else time.monotonic() - began
        return whole
