"""Connections with a deadline for the response as a whole.

A read timeout starts anew with every byte. A server that sends a byte now and then could make a call wait forever. So
one thread watches all connections and shuts down those whose response is overdue.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter


class DeadlineWatcher:
    """Shuts down sockets that are still watched after ``seconds``. All have the same time: the oldest is due first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: OrderedDict[object, tuple[float, socket.socket]] = OrderedDict()
        self._lock = threading.Lock()
        self._running = False

    def begin(self, connection: socket.socket) -> object:
        """Watch a connection from now on. Returns a handle for ``end`` and ``is_on``."""
        watch = object()
        with self._lock:
            self._watched[watch] = (time.monotonic() + self._seconds, connection)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="haloitsm-watchman", daemon=True).start()
        return watch

    def end(self, watch: object) -> bool:
        """Stop watching. False when the connection was overdue and has been shut down."""
        with self._lock:
            return self._watched.pop(watch, None) is not None

    def is_on(self, watch: object) -> bool:
        """Whether the connection is still watched and not overdue."""
        with self._lock:
            return watch in self._watched

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            overdue, left = None, 1.0
            with self._lock:
                if self._watched:
                    idle_since = time.monotonic()
                    watch, (due, connection) = next(iter(self._watched.items()))
                    left = due - idle_since
                    if left <= 0:
                        overdue = connection
                        del self._watched[watch]
                elif time.monotonic() - idle_since > self._seconds:
                    # An idle client needs no thread. The next ``begin`` starts another one.
                    self._running = False
                    return
            if overdue is None:
                time.sleep(min(left, 1.0))
            else:
                with suppress(OSError):
                    overdue.shutdown(socket.SHUT_RDWR)


class DeadlineAdapter(HTTPAdapter):
    """Requests' adapter with one pool of kept connections. A response has ``seconds`` until ``release``."""

    def __init__(self, seconds: float) -> None:
        self._watchman = watchman = DeadlineWatcher(seconds)

        class Bounded:
            """Reads status and headers; the connection stays watched for the body."""

            sock: Any

            def send(self, data: Any) -> None:
                try:
                    super().send(data)  # type: ignore[misc]  # of the class that comes second
                except ssl.SSLError as error:
                    # The peer has closed before it had read everything, perhaps with an answer that says why. urllib3
                    # goes on to read that answer after a broken pipe, which is how this shows without TLS.
                    raise BrokenPipeError("TLS broke while the request was sent") from error

            def getresponse(self) -> Any:
                watch = watchman.begin(self.sock)
                try:
                    response = super().getresponse()  # type: ignore[misc]  # of the class that comes second
                    if not watchman.is_on(watch):
                        # The connection was shut down while headers were read. http.client takes the end of the data
                        # for the end of the headers, so it returns a response that is not complete.
                        raise TimeoutError("the answer did not begin in time")
                except ssl.SSLError as error:
                    # The request has been sent, so this is no failed handshake, whatever OpenSSL calls it.
                    watchman.end(watch)
                    raise ConnectionResetError("TLS broke after the request was sent") from error
                except BaseException:
                    watchman.end(watch)
                    raise
                response.haloitsm_watch = watch
                return response

        class HTTPConnection(Bounded, urllib3.connection.HTTPConnection):
            """Without TLS, for loopback addresses."""

        class HTTPSConnection(Bounded, urllib3.connection.HTTPSConnection):
            """Over TLS."""

        class HTTPPool(urllib3.HTTPConnectionPool):
            """Keeps plain connections."""

            ConnectionCls = HTTPConnection

        class HTTPSPool(urllib3.HTTPSConnectionPool):
            """Keeps TLS connections."""

            ConnectionCls = HTTPSConnection

        self._pools = {"http": HTTPPool, "https": HTTPSPool}
        super().__init__(pool_connections=1, pool_maxsize=32, max_retries=0)

    def release(self, raw: Any) -> bool:
        """Stop watching the response ``raw`` (urllib3's), which is read or given up. False when it was overdue."""
        watch = getattr(raw, "haloitsm_watch", None)
        return watch is None or self._watchman.end(watch)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Like Requests' own, but with the watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Like Requests' own, but with the watched connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
