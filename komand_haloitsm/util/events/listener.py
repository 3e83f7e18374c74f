"""Waitress's server within bounds that whoever reaches the port cannot exceed: files, memory, and what is waited for.

Waitress 3.0.2 alone (read in its source, and measured):

- it spools bodies to temporary files, each up to the largest body, on each connection, without a bound for all;
- at its connection limit it accepts nobody until a client goes by itself, so clients that drip shut others out;
- after a failed ``accept`` (EMFILE) it tries again at once, for ever, with a CPU of its own;
- an error in taking up a connection closes its listening socket, and an error in its loop ends it, both silently;
- a client that does not read its answer stays for ever.

Nothing here knows what a webhook is, but for the names of the headers that are worth keeping.
"""

from __future__ import annotations

# Pylint runs without waitress, and so cannot know what its classes define.
# pylint: disable=attribute-defined-outside-init, access-member-before-definition, protected-access
import errno
import itertools
import resource
import socket
import threading
from typing import Any, Callable, cast

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import Error, RequestEntityTooLarge

from ..halo.webhook import SIGNATURE_HEADERS

LARGEST_BODY = 1024 * 1024
RETRY_AFTER = ("Retry-After", "5")
# More than any Halo opens.
_MOST_CONNECTIONS = 2000
# For the state file, the dispatcher, Halo, the log and modules that are loaded late. A trigger at rest has 12 open
# (measured).
_FILES_FOR_THE_REST = 128
# What requests may hold in memory before the oldest are refused. To it come at most 8 KiB for each connection (what one
# read brings), an eighth of all for the way in which buffers grow, and a copy of each body that is being authenticated.
# For 2,000 connections and 8 threads that is 53 MiB. A process under attack grows by 60 MB at most, its connections and
# the gaps between buffers included (measured).
_MOST_HELD = 24 * 1024 * 1024
_ONE_READ = 8 * 1024
# A request's address is kept in four forms; its other headers are dropped.
_COPIES_OF_HEADERS = 4
# Halo sends one request after the other. Each costs about 2 KB before it is served, whatever its length.
_MOST_PIPELINED = 8
_SECONDS_OF_SILENCE = 20
_SECONDS_AFTER_A_FAILED_ACCEPT = 1.0
_KEPT_HEADERS = frozenset(
    name.upper().replace("-", "_") for name in (*SIGNATURE_HEADERS, "Authorization", "Connection", "Content-Length")
)


class ListenerFailed(Exception):
    """The listening socket is of no use any more."""


def most_connections(file_limit: int) -> int:
    """How many connections a process may keep open that may have ``file_limit`` files (RLIMIT_NOFILE, soft)."""
    if file_limit == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return min(_MOST_CONNECTIONS, max(file_limit - _FILES_FOR_THE_REST, file_limit // 4))


class _NoRoom(Error):
    code = 503
    reason = "Service Unavailable"

    def to_response(self, ident: str | None = None) -> Any:
        status, headers, body = super().to_response(ident)
        return status, [*headers, RETRY_AFTER], body


class _Request(HTTPRequestParser):
    """A request: its exact size is bounded, and how many bytes it holds is known."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.header_plus = b""
        self.headers = {name: value for name, value in self.headers.items() if name in _KEPT_HEADERS}

    def received(self, data: bytes) -> int:
        consumed = super().received(data)
        # Waitress refuses a body of exactly its limit, and counts the framing of chunks as well.
        if self.error is None and max(self.content_length, self._body()) > LARGEST_BODY:
            self.error, self.completed = RequestEntityTooLarge(f"{LARGEST_BODY} bytes at most"), True
        if self.error is not None:
            # Otherwise waitress would ask the client to go on, and forget that the request is refused.
            self.expect_continue = False
        return consumed

    def _body(self) -> int:
        return len(self.body_rcv) if self.body_rcv else 0

    def held(self) -> int:
        """The bytes that it holds in memory, about. Unfinished lines between chunks are held too."""
        held = _COPIES_OF_HEADERS * self.header_bytes_received + self._body()
        if self.chunked:
            chunks = cast(Any, self.body_rcv)
            held += len(chunks.control_line) + len(chunks.trailer)
        return held


class _Refused(_Request):
    """Stands for requests for which there is no room, whatever they are. Its answer ends the connection."""

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.parse_header(b"POST / HTTP/1.1\r\n")
        self.error, self.completed = _NoRoom("too many requests at once"), True

    def received(self, data: bytes) -> int:
        return len(data)


class _Refusal(ErrorTask):
    """The answer to a request that waitress, or the lack of room, refuses; the application never sees it."""

    def execute(self) -> None:
        task = cast(Any, self)
        task.channel.server.count(f"{task.request.error.code} ({task.request.error.reason.lower()})")
        super().execute()


class _Channel(HTTPChannel):
    """A connection. ``place`` is lower the longer ago its last request was complete, or else it was accepted."""

    error_task_class = _Refusal
    # What the server has counted for it.
    counted = 0

    def __init__(self, server: Listener, *arguments: Any, **options: Any) -> None:
        super().__init__(server, *arguments, **options)
        self.place = next(server.places)

    @property
    def _listener(self) -> Listener:
        return cast(Listener, self.server)

    def parser_class(self, adjustments: Any) -> HTTPRequestParser:  # type: ignore[override]
        """Waitress calls this for each new request, and gives it what came after the one before."""
        return (_Request if len(self.requests) < _MOST_PIPELINED else _Refused)(adjustments)

    def received(self, data: bytes) -> bool:
        taken = super().received(data)
        listener = self._listener
        listener.weigh(self)
        if listener.held > _MOST_HELD:
            listener.make_room()
        return taken

    def service(self) -> None:
        self.place = next(self._listener.places)
        try:
            super().service()
        finally:
            self._listener.weigh(self)

    def handle_close(self) -> None:
        super().handle_close()
        self._listener.weigh(self)

    def held(self) -> int:
        """The bytes that its requests hold. A closed connection keeps those that are queued or in work."""
        held = 0
        for request in list(self.requests):
            held += cast(_Request, request).held()
        if self.connected and self.request is not None:
            held += cast(_Request, self.request).held()
        return held

    def refuse(self) -> None:
        """Answer 503 in place of the request that is not complete, and let go of it."""
        with cast(Any, self).requests_lock:
            cast("list[HTTPRequestParser]", self.requests).append(_Refused(self.adj))
            self.request = None
        self._listener.weigh(self)
        self._listener.add_task(cast(Any, self))


class Listener(TcpWSGIServer):
    """Serves ``application`` on a port of all interfaces, a round at a time.

    ``count(kind)`` is told of each request and connection that is turned away. ``held`` is how many bytes the requests
    of all connections hold. Opening raises OSError.
    """

    channel_class = _Channel

    def __init__(
        self,
        application: Any,
        port: int,
        threads: int,
        count: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.count = count
        self.places = itertools.count()
        self._clock = clock
        self._most = most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._accepting_from = clock()
        self._somebody_waits = False
        self.held = 0
        self._weighing = threading.Lock()
        self._open = True
        options: Any = {
            "threads": threads,
            # Never reached: see ``handle_accept``.
            "connection_limit": 2 * _MOST_CONNECTIONS,
            "channel_timeout": _SECONDS_OF_SILENCE,
            "cleanup_interval": 5,
            # Of a body in chunks, with their framing. Bodies are never so large that they would be spooled.
            "max_request_body_size": 2 * LARGEST_BODY,
            "inbuf_overflow": 2 * LARGEST_BODY,
            "max_request_header_size": 32 * 1024,
            "recv_bytes": _ONE_READ,
            "asyncore_use_poll": True,
            "backlog": 1024,
            "ident": None,
        }
        # Whoever fronts the port with TLS reaches it from outside the container.
        listening = socket.create_server(("0.0.0.0", port))  # nosec B104
        try:
            info = (listening.family, listening.type, listening.proto, listening.getsockname())
            super().__init__(application, {}, _sock=listening, sockinfo=info, bind_socket=False, **options)
        except BaseException:
            listening.close()
            raise

    # -- the loop's thread ---------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """One round: what came from all clients, or a second without anything. An exception means: open another."""
        self.asyncore.loop(timeout=1.0, use_poll=True, map=cast(Any, self)._map, count=1)
        if self._somebody_waits:
            self._somebody_waits = False
            # Not in the middle of a round: its number could at once be that of a new connection.
            if waiting := self._waiting():
                min(waiting, key=lambda channel: channel.place).handle_close()
                self.count("connections closed for newer ones")

    def _channels(self) -> list[_Channel]:
        return list(cast(Any, self).active_channels.values())

    def _waiting(self) -> list[_Channel]:
        """The connections of which no request is complete: only these may be closed."""
        return [channel for channel in self._channels() if not channel.requests]

    def _is_full(self) -> bool:
        return len(cast(Any, self).active_channels) >= self._most

    def handle_accept(self) -> None:
        if self._is_full():
            self._somebody_waits = True
        else:
            super().handle_accept()

    def accept(self) -> Any:
        try:
            return super().accept()
        except OSError as error:
            self._accepting_from = self._clock() + _SECONDS_AFTER_A_FAILED_ACCEPT
            self.count(f"connections not accepted ({errno.errorcode.get(error.errno or 0, 'OSError')})")
            return None

    def readable(self) -> bool:
        ready = super().readable() and self._clock() >= self._accepting_from
        return ready and not (self._is_full() and not self._waiting())

    def maintenance(self, now: int) -> None:
        for channel in self._channels():
            if not channel.requests and channel.last_activity < now - _SECONDS_OF_SILENCE:
                channel.handle_close()

    def handle_close(self) -> None:
        """Waitress calls this after an error at the listening socket, and would go on without it."""
        raise ListenerFailed

    def make_room(self) -> None:
        """Refuse the oldest unfinished requests until the others fit into memory.

        Small ones, as webhooks are, are left alone: without them there is always a larger one, or all are complete.
        """
        while self.held > _MOST_HELD:
            large = [channel for channel in self._waiting() if channel.counted > _ONE_READ]
            if not large:
                break
            min(large, key=lambda channel: channel.place).refuse()

    # -- any thread ----------------------------------------------------------------------------------------------------

    def weigh(self, channel: _Channel) -> None:
        """Count anew what a connection holds."""
        with self._weighing:
            held = channel.held()
            self.held += held - channel.counted
            channel.counted = held

    def pull_trigger(self) -> None:
        # The number of a closed pipe may be that of another file by now.
        if self._open:
            super().pull_trigger()

    def shut(self, seconds: int) -> None:
        """Close the port and all connections. Requests in work are finished and answered before, for ``seconds``."""
        self.task_dispatcher.shutdown(timeout=seconds)
        self._open = False
        wasyncore.close_all(cast(Any, self)._map, ignore_all=True)
