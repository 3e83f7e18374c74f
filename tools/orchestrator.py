"""A stand-in for the orchestrator: what triggers send their events to. It takes the place of Rapid7's own."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """An event that was answered with a 2xx; ``trigger_id`` is the one in its meta."""

    at: float
    trigger_id: str
    output: dict[str, Any]

    @property
    def event_id(self) -> str:
        """The event's id."""
        return str(self.output.get("event_id"))


class Orchestrator:
    """Takes the place of the address to which triggers send events.

    ``mode`` is "accept", "error" (answers 500), "hang" (answers nothing until the mode changes, then disconnects) or
    "late" (accepts, but answers after ``late`` seconds). ``on_event(accepted)`` is called before an event is answered.
    """

    def __init__(self) -> None:
        self.late = 0.0
        self.late_answers = 0
        self.on_event: Callable[[bool], None] | None = None
        # For an event that is not treated by the mode: its status, and the seconds until it is answered.
        self.treats: Callable[[Mapping[str, Any]], tuple[int, float] | None] = lambda output: None
        self._changed = threading.Condition()
        self._mode = "accept"
        self._accepted: list[Accepted] = []
        self._attempts = 0
        handler = type("_Handler", (_DispatcherHandler,), {"orchestrator": self})
        self._server = _DispatcherServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Orchestrator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mode = "closed"
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    @property
    def accepted(self) -> list[Accepted]:
        """The accepted events so far, in order."""
        with self._changed:
            return list(self._accepted)

    @property
    def attempts(self) -> int:
        """How many events were posted, accepted or not."""
        with self._changed:
            return self._attempts

    @property
    def mode(self) -> str:
        """See the class."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        with self._changed:
            self._mode = mode
            self._changed.notify_all()

    def take(self, message: dict[str, Any]) -> int:
        """The status with which to answer a message; 0 to disconnect without one."""
        body = message["body"]
        with self._changed:
            self._attempts += 1
            by_mode = {"accept": (200, 0.0), "late": (200, self.late), "hang": (0, 0.0)}.get(self._mode, (500, 0.0))
            treated = self.treats(body["output"])
            status, seconds = treated or by_mode
            if status == 200:
                trigger_id = str(body["meta"].get("triggerId"))
                self._accepted.append(Accepted(time.monotonic(), trigger_id, body["output"]))
                self.late_answers += not treated and seconds > 0
                self._changed.notify_all()
        if self.on_event:
            self.on_event(status == 200)
        if not status:
            with self._changed:
                self._changed.wait_for(lambda: self._mode != "hang")
        time.sleep(seconds)
        return status

    def wait_for(self, happened: Callable[[list[Accepted]], Any], timeout: float) -> bool:
        """Wait until something holds of the accepted events; False if that took too long."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: happened(self._accepted), timeout))


class _DispatcherServer(ThreadingHTTPServer):
    """Says nothing of clients that are killed."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent, unless it is a fault of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _DispatcherHandler(BaseHTTPRequestHandler):
    """One connection of a trigger."""

    protocol_version = "HTTP/1.1"
    orchestrator: Orchestrator

    def do_POST(self) -> None:  # pylint: disable=invalid-name  # the base class's name
        """An event."""
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        # Cut short when the trigger was killed while it sent.
        status = self.orchestrator.take(json.loads(body)) if len(body) == size else 0
        if not status:
            self.close_connection = True
            return
        try:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            # The trigger was killed meanwhile.
            self.close_connection = True

    def log_message(self, *_: Any) -> None:  # pylint: disable=arguments-differ
        """Silent."""
