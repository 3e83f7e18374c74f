"""Connections on which an answer cannot take for ever.

A read timeout starts anew with every byte, so a server that sends a byte of its answer now and then would hold up a
step for as long as it likes. One thread for all connections hangs up on those that are overdue.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter


class DeadlineWatcher:
    """Shuts down sockets that are still watched after their time. All times are equal, so the first is due first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: OrderedDict[object, tuple[float, socket.socket]] = OrderedDict()
        self._lock = threading.Lock()
        self._running = False

    def begin(self, connection: socket.socket) -> object:
        """Watch a connection from now on; what is returned is for ``end``."""
        watch = object()
        with self._lock:
            self._watched[watch] = (time.monotonic() + self._seconds, connection)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="haloitsm-watchman", daemon=True).start()
        return watch

    def end(self, watch: object) -> bool:
        """Watch no longer; False when the connection was overdue and has been shut down."""
        with self._lock:
            return self._watched.pop(watch, None) is not None

    def is_on(self, watch: object) -> bool:
        """Whether the connection is still in its time."""
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
                    # Who comes next starts another thread: an idle client has none.
                    self._running = False
                    return
            if overdue is None:
                time.sleep(min(left, 1.0))
            else:
                with suppress(OSError):
                    overdue.shutdown(socket.SHUT_RDWR)


class DeadlineAdapter(HTTPAdapter):
    """Requests' adapter with one pool of kept connections. An answer has ``seconds`` until ``release``."""

    def __init__(self, seconds: float) -> None:
        self._watchman = watchman = DeadlineWatcher(seconds)

        class Bounded:
            """Reads status and headers, and leaves the answer watched."""

            sock: Any

            def getresponse(self) -> Any:
                watch = watchman.begin(self.sock)
                try:
                    response = super().getresponse()  # type: ignore[misc]  # of the class that comes second
                    if not watchman.is_on(watch):
                        # To http.client the end of the line is the end of the headers: it takes them for an answer.
                        raise TimeoutError("the answer did not begin in time")
                except BaseException:
                    watchman.end(watch)
                    raise
                response.haloitsm_watch = watch
                return response

        class HTTPConnection(Bounded, urllib3.connection.HTTPConnection):
            """Plain, for loopback."""

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
        """Watch the answer ``raw`` (urllib3's) no longer: it is read, or given up. False when it was overdue."""
        watch = getattr(raw, "haloitsm_watch", None)
        return watch is None or self._watchman.end(watch)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As Requests does it, with our pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As Requests does it, with our pools."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
