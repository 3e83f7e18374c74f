"""The plugin's real entry point, started as InsightConnect starts it; and what receives its events."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.demo.stopping import Stopping
from tools.tree import ROOT

ENTRY_POINT = ROOT / "bin" / "komand_haloitsm"
LONGEST_STEP = 300.0
LONGEST_EVENT = 30.0
LONGEST_START = 300.0
STARTED = "events from now on are delivered"

Json = dict[str, Any]


class StepFailed(Exception):
    """A step did not do what it is for; the text says which and why."""


def check(fine: bool, otherwise: str) -> None:
    """Raise StepFailed unless all is fine."""
    if not fine:
        raise StepFailed(otherwise)


class Plugin:
    """Runs steps and triggers over one connection.

    Each is a process with a group of its own, so that Ctrl-C in a terminal does not cut a request in two.
    """

    def __init__(self, connection: Json, workspace: Path, stopping: Stopping) -> None:
        self._connection = connection
        self._workspace = workspace
        self._stopping = stopping
        self._running: set[subprocess.Popen[str]] = set()

    def step(self, action: str, inputs: Json, command: str = "run") -> Json:
        """The output of one step. Raises StepFailed with the plugin's own error, Stopped before it is begun."""
        self._stopping.look()
        body = {"action": action, "meta": {}, "input": inputs, "connection": self._connection}
        with self._process(command, subprocess.PIPE) as process:
            message = json.dumps({"version": "v1", "type": "action_start", "body": body})
            try:
                said, complained = process.communicate(message, timeout=LONGEST_STEP)
            except subprocess.TimeoutExpired:
                raise StepFailed(f"{action} did not end within {LONGEST_STEP:.0f} seconds") from None
        # The runtime writes its log to standard output as well, before the envelope.
        envelope = next((line for line in reversed(said.splitlines()) if line.startswith('{"body"')), "")
        check(bool(envelope), f"{action} gave no answer:\n{complained[-2000:]}")
        answer: Json = json.loads(envelope)["body"]
        check(answer["status"] == "ok", f"{'connection test' if command == 'test' else action}: {answer.get('error')}")
        return dict(answer["output"])

    @contextmanager
    def trigger(self, name: str, inputs: Json, address: str) -> Iterator[None]:
        """A running trigger that has taken its first look at Halo; ends it by SIGTERM, as the orchestrator does."""
        self._stopping.look()
        dispatcher = {"url": address, "webhook_url": ""}
        body = {"trigger": name, "meta": {"triggerId": "demo"}, "dispatcher": dispatcher, "input": inputs}
        message = {"version": "v1", "type": "trigger_start", "body": body | {"connection": self._connection}}
        with self._process("run", subprocess.STDOUT) as process:
            _write(process, json.dumps(message))
            lines: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_read, args=(process, lines), daemon=True).start()
            said = ""
            try:
                while STARTED not in (line := self._stopping.wait(lines, LONGEST_START)):
                    said += line
                    check(bool(line), f"the trigger ended at once:\n{said[-2000:]}")
            except queue.Empty:
                raise StepFailed(f"the trigger did not start within {LONGEST_START:.0f} seconds") from None
            yield

    @contextmanager
    def _process(self, command: str, errors: int) -> Iterator[subprocess.Popen[str]]:
        """A process of the plugin; it is ended, if it has not ended by itself."""
        process = subprocess.Popen(
            [sys.executable, str(ENTRY_POINT), command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=self._environment(),
            process_group=0,
        )
        self._running.add(process)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=LONGEST_EVENT)
            except subprocess.TimeoutExpired:
                process.kill()
            self._running.discard(process)

    def _environment(self) -> dict[str, str]:
        """The plugin finds its own package, writes no byte code into bin/, and keeps its files where the demo says."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "HALOITSM_WORKSPACE": str(self._workspace),
        }

    def kill(self) -> None:
        """End at once whatever runs."""
        for process in list(self._running):
            process.kill()


def _write(process: subprocess.Popen[str], message: str) -> None:
    if process.stdin is None:
        raise StepFailed("the trigger has no standard input")
    process.stdin.write(message)
    process.stdin.close()


def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Take all that a process says, so that it never waits; an empty line is its end."""
    for line in process.stdout or ():
        lines.put(line)
    lines.put("")


class Orchestrator:
    """Stands in for InsightConnect: receives the events of triggers."""

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._events: queue.Queue[Json] = queue.Queue()
        events = self._events

        class Handler(BaseHTTPRequestHandler):
            """Accepts every event."""

            def do_POST(self) -> None:  # pylint: disable=invalid-name  # the name is the standard library's
                events.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:  # pylint: disable=arguments-differ
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def event(self) -> Json:
        """The output of the next event. Raises StepFailed when none comes in time."""
        try:
            return dict(self._stopping.wait(self._events, LONGEST_EVENT)["body"]["output"])
        except queue.Empty:
            raise StepFailed(f"no event was delivered within {LONGEST_EVENT:.0f} seconds") from None
