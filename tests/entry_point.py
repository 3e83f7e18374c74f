"""The plugin's real entry point, bin/komand_haloitsm, started as InsightConnect does: on stdin, or as a server."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
ENTRY_POINT = ROOT / "bin" / "komand_haloitsm"
# Bounds against hanging, not measurements.
_LONGEST_START = 30.0
_LONGEST_STEP = 60.0


def action_start(action: str, given: Any, connection: Any) -> dict[str, Any]:
    """The message that starts an action."""
    body = {"action": action, "meta": {}, "input": given, "connection": connection}
    return {"version": "v1", "type": "action_start", "body": body}


def trigger_start(trigger: str, given: Any, connection: Any) -> dict[str, Any]:
    """The message that starts a trigger, whose events nobody would receive."""
    dispatcher = {"url": "http://127.0.0.1:1/", "webhook_url": ""}
    body = {"trigger": trigger, "meta": {}, "input": given, "connection": connection, "dispatcher": dispatcher}
    return {"version": "v1", "type": "trigger_start", "body": body}


def connection_test(connection: Any) -> dict[str, Any]:
    """The message that starts a connection test."""
    return {"version": "v1", "type": "connection_test", "body": {"meta": {}, "connection": connection}}


@dataclass(frozen=True)
class Outcome:
    """How a step ended: `code` is an exit code or an HTTP status."""

    code: int
    envelope: dict[str, Any]
    stdout: str = ""
    stderr: str = ""

    @property
    def body(self) -> dict[str, Any]:
        return self.envelope["body"]

    @property
    def succeeded(self) -> bool:
        return self.body["status"] == "ok"

    @property
    def output(self) -> Any:
        assert self.succeeded, self.body.get("error")
        return self.body["output"]

    @property
    def exception(self) -> dict[str, str]:
        assert not self.succeeded, "the step succeeded"
        return self.body.get("exception") or {}


def _environment() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        # A __pycache__ in bin/ would be taken for the entry point by Rapid7's checksum.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_on_stdin(message: Any, mode: str = "run") -> Outcome:
    """Runs one step in a process of its own. Log lines come on stdout too; the envelope is its last line."""
    done = subprocess.run(
        [sys.executable, str(ENTRY_POINT), mode],
        input=json.dumps(message),
        capture_output=True,
        text=True,
        env=_environment(),
        cwd=ROOT,
        timeout=_LONGEST_STEP,
        check=False,
    )
    envelope = json.loads(done.stdout[done.stdout.rindex('{"body"') :])
    return Outcome(done.returncode, envelope, done.stdout, done.stderr)


class PluginServer:
    """The plugin as HTTP server, which is how an orchestrator runs its actions."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(ENTRY_POINT), "http", "--port", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            cwd=ROOT,
        )
        self._await_start()

    def _await_start(self) -> None:
        until = time.monotonic() + _LONGEST_START
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if requests.get(self._url("actions"), timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(0.05)
        self.stop()
        raise AssertionError(f"the plugin's HTTP server did not start: {self.log()[-2000:]}")

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/{path}"

    def stop(self) -> None:
        """Ends it as an orchestrator does, so that it may finish (and coverage be written)."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_LONGEST_START)

    def log(self) -> str:
        """What it has written so far."""
        self._log.seek(0)
        return self._log.read()

    def run(self, action: str, given: Any, connection: Any) -> Outcome:
        """Runs an action."""
        return self._post(f"actions/{action}", action_start(action, given, connection))

    def test(self, connection: Any) -> Outcome:
        """Runs the connection test."""
        return self._post("connection/test", connection_test(connection))

    def test_trigger(self, trigger: str, connection: Any) -> Outcome:
        """Runs the connection test by way of a trigger."""
        return self._post(f"triggers/{trigger}/test", trigger_start(trigger, {}, connection))

    def _post(self, path: str, message: Any) -> Outcome:
        headers = {"Content-Type": "application/json"}
        answer = requests.post(self._url(path), data=json.dumps(message), headers=headers, timeout=_LONGEST_STEP)
        return Outcome(answer.status_code, answer.json(), answer.text)
