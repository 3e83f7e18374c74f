"""Run the exported image as InsightConnect does, against the emulator: an action, the HTTP server, a trigger.

    python -m tools.image_check        (make image-check exports the image first)

Everything runs inside the image as its own user; the emulator and a dispatcher, which stands in for the orchestrator's
address for trigger events, run on this machine. The trigger is stopped and started again: what it remembers has to
outlive it, so that the second run sends what happened in between and nothing twice.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from halo_emulator import HaloEmulator
from tools.containers import Container, container
from tools.export_plg import exported
from tools.image import has_engine, image_tag
from tools.tree import read_spec

ENTRY_POINT = ("python", "/workspace/bin/komand_haloitsm")
NOBODY = 65534
PATIENCE = 60.0  # seconds until something that has to happen counts as not happening
INTERVAL = 5  # seconds between two polls: the shortest that the triggers take
TRIGGER_ID = "image-check-ticket-created"


class Failed(Exception):
    """The image does not do what it has to do."""


def expect(truth: object, message: str) -> None:
    """Fail with a message unless something holds (assert, but not switched off by -O)."""
    if not truth:
        raise Failed(message)


def wait_for(what: str, happened: Callable[[], Any]) -> Any:
    """Wait until something is so; returns what made it so."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.1)
    raise Failed(f"waited {PATIENCE:.0f} s in vain for {what}")


def connection(halo: HaloEmulator) -> dict[str, Any]:
    """The plugin's connection to the emulator."""
    return {
        "client_id": {"secretKey": halo.client_id},
        "client_secret": {"secretKey": halo.client_secret},
        "authorization_server": halo.auth_server,
        "resource_server": halo.resource_server,
        "ssl_verify": True,
    }


def start_message(kind: str, name: str, halo: HaloEmulator, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What InsightConnect sends to start a step."""
    body = {kind: name, "meta": {}, "input": inputs, "connection": connection(halo), **more}
    return {"version": "v1", "type": f"{kind}_start", "body": body}


def output_of(envelope: dict[str, Any]) -> dict[str, Any]:
    """The output in a step's answer, which has to say that it went well."""
    body = envelope.get("body", {})
    expect(body.get("status") == "ok", f"the step failed: {json.dumps(body)[:2000]}")
    output: dict[str, Any] = body["output"]
    return output


def run(place: Container, *arguments: str, message: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """A command in the image to its end, with a start message on standard input if there is one."""
    text = json.dumps(message) if message else ""
    command = place.command(*arguments)
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)


def check_user(place: Container) -> None:
    """It runs as nobody, who can write to the two folders for it and not to the code."""
    probe = (
        "import os; print(os.getuid(), [os.access(path, os.W_OK) for path in "
        "('/workspace/cache', '/workspace/tmp', '/workspace', '/workspace/komand_haloitsm', '/plugin.spec.yaml')])"
    )
    said = run(place, "python", "-c", probe)
    expected = f"{NOBODY} [True, True, False, False, False]"
    expect(said.stdout.strip() == expected, f"user and writable folders: {said.stdout}{said.stderr}, not {expected}")
    print(f"user: uid {NOBODY}; writes to /workspace/cache and /workspace/tmp only")


def check_action(place: Container, halo: HaloEmulator) -> None:
    """One action by a start message on standard input."""
    inputs = {"summary": "Image check", "details": "By standard input", "tickettype_id": 1}
    message = start_message("action", "create_ticket", halo, inputs)
    done = run(place, *ENTRY_POINT, "run", message=message)
    answers = [line for line in done.stdout.splitlines() if line.startswith("{") and '"body"' in line]
    expect(done.returncode == 0 and answers, f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    ticket = output_of(json.loads(answers[-1]))["ticket"]
    expect(halo.tickets[ticket["id"]]["summary"] == "Image check", f"HaloITSM holds no such ticket: {ticket}")
    print(f"action: create_ticket made ticket {ticket['id']}")


@contextmanager
def started(
    place: Container, *arguments: str, message: dict[str, Any] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A long-running command of the plugin; SIGTERM at the end. Where the check fails, its last output is printed."""
    with subprocess.Popen(
        place.command(*ENTRY_POINT, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said: list[str] = []
        assert process.stdin and process.stdout  # nosec B101  # for mypy: both are pipes
        reader = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            process.stdin.write(json.dumps(message) if message else "")
            process.stdin.close()
            yield process
        except BaseException:
            process.terminate()
            reader.join(5)
            print("".join(said[-40:]))
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Failed("did not end within 30 s of SIGTERM") from None


def check_server(place: Container, halo: HaloEmulator) -> None:
    """The HTTP server, as the orchestrator uses it for actions."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    message = start_message("action", "search_tickets", halo, {"summary": "Image check"})
    # Once it has served a request, gunicorn takes the whole of that time to end.
    with started(place, "http", "--port", str(port), "--graceful_timeout", "3") as process:

        def answer() -> requests.Response | None:
            expect(process.poll() is None, f"the server ended with {process.returncode}")
            try:
                return requests.post(f"{address}/actions/search_tickets", json=message, timeout=PATIENCE)
            except requests.ConnectionError:
                return None

        response: requests.Response = wait_for("the HTTP server", answer)
    output = output_of(response.json())
    found = [ticket["summary"] for ticket in output["tickets"]]
    expect("Image check" in found, f"the ticket of the action was not found: {output}")
    print(f"HTTP server: search_tickets found {output['count']}")


class Dispatcher(ThreadingHTTPServer):
    """Stands in for the orchestrator's address that takes trigger events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Taker)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def tickets(self) -> list[int]:
        """The tickets of the events that came, in order."""
        return [event["body"]["output"]["ticket"]["id"] for event in self.events]


class Taker(BaseHTTPRequestHandler):
    """Takes one event."""

    def do_POST(self) -> None:  # pylint: disable=invalid-name  # the name that the base class calls
        """Keep the event, answer 200."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Dispatcher)  # nosec B101  # for mypy
        self.server.events.append(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin  # the base's own name
        """Say nothing."""


def polled(halo: HaloEmulator) -> bool:
    """Whether the trigger has begun a second poll since the emulator's journal was emptied.

    The very first one counts all that there is until its end as old: what happens during it is no event.
    """
    return sum("lastupdatefromdate" in request.query for request in halo.requests) > 1


def check_trigger(place: Container, halo: HaloEmulator) -> None:
    """A trigger sends what happens, remembers it, and carries on after a restart."""
    dispatcher = Dispatcher()
    message = start_message(
        *("trigger", "ticket_created", halo, {"interval": INTERVAL}),
        meta={"triggerId": TRIGGER_ID, "workflowId": "image-check"},
        dispatcher={"url": dispatcher.url, "webhook_url": ""},
    )

    def log_ticket(when: str) -> int:
        return int(halo.log_ticket(summary=f"Logged {when}", details="For the trigger")["id"])

    def sends(expected: list[int], happens: Callable[[], int] | None = None) -> None:
        """Start the trigger, let something happen once it polls, and wait for all events so far, and no others."""
        halo.forget_requests()
        with started(place, "run", message=message) as process:
            wait_for("the trigger's second poll", lambda: polled(halo) or process.poll() is not None)
            expect(process.poll() is None, f"the trigger ended with {process.returncode}")
            if happens:
                expected.append(happens())
            wait_for("the trigger's event", lambda: len(dispatcher.events) >= len(expected))
            time.sleep(2 * INTERVAL)  # some more polls, for events that should not come
        expect(dispatcher.tickets() == expected, f"events for tickets {dispatcher.tickets()}, not {expected}")

    expected: list[int] = []
    sends(expected, lambda: log_ticket("while the trigger runs"))
    expected.append(log_ticket("while the trigger was stopped"))
    sends(expected)
    dispatcher.shutdown()
    name = check_state(place)
    print(f"trigger: ticket_created sent {expected}, the second after a restart; state in /workspace/cache/{name}")


def check_state(place: Container) -> str:
    """What the trigger remembers is on the volume and its own; returns the names of the files."""
    states = [state for state in place.state() if TRIGGER_ID in state.name]
    expect(states, f"no file of the trigger in /workspace/cache: {place.state()}")
    for state in states:
        expect(state.owner == NOBODY and not state.mode & 0o022, f"{state.name}: owner {state.owner}, {state.mode:o}")
    expect(any(state.content for state in states), f"nothing in {[state.name for state in states]}")
    return ", ".join(state.name for state in states)


def main() -> int:
    """Entry point; returns the exit code."""
    plg: Path = exported()
    checks: list[Callable[[Container, HaloEmulator], None]] = [
        lambda place, _: check_user(place),
        check_action,
        check_server,
        check_trigger,
    ]
    with HaloEmulator() as halo, container(plg, image_tag(read_spec()), has_engine()) as place:
        print(f"running {plg.name} {place.how}")
        try:
            for check in checks:
                check(place, halo)
        except Failed as failure:
            print(f"FAILED: {failure}")
            return 1
    print("OK: the image runs as InsightConnect runs it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
