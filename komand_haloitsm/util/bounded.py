"""Connections on which an answer cannot take for ever to begin.

A read timeout starts anew with every byte, so a server that sends a byte of its headers now and then would hold up a
step for as long as it likes. One thread for all connections hangs up on those that are overdue.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager, suppress
from typing import Any, Iterator

import urllib3
from requests.adapters import HTTPAdapter


class Watchman:
    """Shuts down sockets that are still watched after their time. All times are equal, so the first is due first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: OrderedDict[object, tuple[float, socket.socket]] = OrderedDict()
        self._changed = threading.Condition()
        self._running = False

    @contextmanager
    def watching(self, connection: socket.socket | None) -> Iterator[None]:
        """Hang up on ``connection`` if it is still inside when its time is over."""
        if connection is None:
            yield
            return
        ticket = object()
        with self._changed:
            self._watched[ticket] = (time.monotonic() + self._seconds, connection)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="haloitsm-watchman", daemon=True).start()
        try:
            yield
        finally:
            with self._changed:
                in_time = self._watched.pop(ticket, None) is not None
        if not in_time:
            # To http.client the end of the line is the end of the headers: it would take what came for an answer.
            raise TimeoutError("the answer did not begin in time")

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._watched:
                    # Who comes next starts another thread: an idle client has none.
                    self._changed.wait(self._seconds)
                if not self._watched:
                    self._running = False
                    return
                ticket, (due, connection) = next(iter(self._watched.items()))
                left = due - time.monotonic()
                if left <= 0:
                    del self._watched[ticket]
            if left > 0:
                time.sleep(min(left, 1.0))
            else:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class BoundedAdapter(HTTPAdapter):
    """Requests' adapter, with one pool of kept connections whose answers begin within ``seconds``."""

    def __init__(self, seconds: float) -> None:
        watchman = Watchman(seconds)

        class Bounded:
            """Reads status and headers under the eyes of the watchman."""

            sock: Any

            def getresponse(self) -> Any:
                with watchman.watching(self.sock):
                    return super().getresponse()  # type: ignore[misc]  # of the connection class that comes second

        class HTTPConnection(Bounded, urllib3.connection.HTTPConnection):
            pass

        class HTTPSConnection(Bounded, urllib3.connection.HTTPSConnection):
            pass

        class HTTPPool(urllib3.HTTPConnectionPool):
            ConnectionCls = HTTPConnection

        class HTTPSPool(urllib3.HTTPSConnectionPool):
            ConnectionCls = HTTPSConnection

        self._pools = {"http": HTTPPool, "https": HTTPSPool}
        super().__init__(pool_connections=1, pool_maxsize=32, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As Requests does it, with our pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As Requests does it, with our pools."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
