"""Drives the plugin's real entry point through the life of a ticket, as InsightConnect does, and shows each outcome.

Against the HaloITSM stand-in of this repository, or against a real instance when HALO_RESOURCE_SERVER,
HALO_AUTH_SERVER, HALO_CLIENT_ID and HALO_CLIENT_SECRET (and HALO_TENANT) are set. Deletes the ticket that it has made,
or leaves it closed where it may not delete.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess  # nosec B404: starts the plugin of this repository
import sys
import tempfile
import threading
import uuid
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator, Mapping

from halo_emulator import HaloEmulator
from komand_haloitsm.util.api import HaloITSMAPI

ROOT = Path(__file__).resolve().parents[1]
ENTRY_POINT = ROOT / "bin" / "komand_haloitsm"
WEBHOOK_SECRET = uuid.uuid4().hex
REAL = ("HALO_RESOURCE_SERVER", "HALO_AUTH_SERVER", "HALO_CLIENT_ID", "HALO_CLIENT_SECRET")
LONGEST_STEP = 300.0
LONGEST_EVENT = 30.0

Json = dict[str, Any]


class DemoFailed(Exception):
    """A step did not do what it is for; the text says which and why."""


class Orchestrator:
    """Stands in for InsightConnect: receives the events of triggers."""

    def __init__(self) -> None:
        self.events: queue.Queue[Json] = queue.Queue()
        events = self.events

        class Handler(BaseHTTPRequestHandler):
            """Accepts every event."""

            def do_POST(self) -> None:  # pylint: disable=invalid-name  # the name is the standard library's
                events.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def event(self) -> Json:
        """The output of the next event. Raises DemoFailed when none comes in time."""
        try:
            return dict(self.events.get(timeout=LONGEST_EVENT)["body"]["output"])
        except queue.Empty:
            raise DemoFailed(f"no event was delivered within {LONGEST_EVENT:.0f} seconds") from None


def main() -> int:
    """Run the demo; 0 when every step did its work."""
    try:
        with ExitStack() as stack:
            halo = None if all(os.environ.get(name) for name in REAL) else stack.enter_context(HaloEmulator())
            connection = connection_to(halo)
            workspace = stack.enter_context(tempfile.TemporaryDirectory(prefix="haloitsm-demo-"))
            say(f"HaloITSM: {'the stand-in of this repository' if halo else 'the instance of HALO_RESOURCE_SERVER'}")
            life_of_a_ticket(connection)
            show_events(connection, halo, workspace)
        say("Done: every step did its work.")
        return 0
    except DemoFailed as error:
        say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("Stopped. A ticket of this demo may be left behind; its summary begins with: InsightConnect demo")
        return 130


def connection_to(halo: HaloEmulator | None) -> Json:
    """The connection parameters, as InsightConnect hands them over."""
    if halo is not None:
        values = [halo.resource_server, halo.auth_server, halo.client_id, halo.client_secret]
    else:
        values = [os.environ[name] for name in REAL]
    return {
        "resource_server": values[0],
        "authorization_server": values[1],
        "client_id": {"secretKey": values[2]},
        "client_secret": {"secretKey": values[3]},
        "tenant": "" if halo else os.environ.get("HALO_TENANT", ""),
        "webhook_secret": {"secretKey": WEBHOOK_SECRET},
    }


def client_of(connection: Json) -> HaloITSMAPI:
    """The client by itself, for what no action does: choosing an agent and a ticket type, deleting."""
    return HaloITSMAPI(
        client_id=connection["client_id"],
        client_secret=connection["client_secret"],
        auth_server=connection["authorization_server"],
        resource_server=connection["resource_server"],
        tenant=connection["tenant"],
    )


def life_of_a_ticket(connection: Json) -> None:
    """Connection test, create, search, comment, assign, update, close, get; then the ticket is deleted."""
    step("connection test", run("test", "get_ticket", {"ticket_id": 1}, connection))
    client = client_of(connection)
    chosen = choose(client)
    summary = f"InsightConnect demo {uuid.uuid4().hex[:8]}"
    inputs = {"summary": summary, "details": "Made by make demo.\nIt may be deleted.", **chosen["type"]}
    created = run("run", "create_ticket", inputs, connection)
    ticket = created["ticket"]
    step("create ticket", created, ticket)
    number = {"ticket_id": ticket["id"]}
    try:
        found = run("run", "search_tickets", {"summary_contains": summary}, connection)
        check(found["count"] == 1 and found["tickets"][0]["id"] == ticket["id"], "search did not find the ticket")
        step("search tickets", {"count": found["count"]}, found["tickets"][0])
        comment = {**number, "comment": "Seen by the demo.\nSecond line.", "is_private": True}
        step("add comment", run("run", "add_comment", comment, connection))
        for name, more in (
            ("assign_ticket", chosen["agent"]),
            ("update_ticket", {"summary": f"{summary}, updated"}),
            ("close_ticket", {"resolution": "Closed by the demo."}),
            ("get_ticket", {}),
        ):
            output = run("run", name, {**number, **more}, connection)
            step(name.replace("_", " "), output, output["ticket"])
        check(output["ticket"]["summary"].endswith(", updated"), "the update is not there")
        check(output["ticket"].get("closed") is True, "the ticket is not closed")
    finally:
        clean_up(client, ticket["id"])


def choose(client: HaloITSMAPI) -> dict[str, dict[str, int]]:
    """A ticket type and an agent that the instance has."""
    types = [row for row in client.lookups.rows("tickettype") if row.get("use", "ticket") == "ticket"]
    agents = [row for row in client.lookups.rows("agent") if int(row["id"]) > 1 and not row.get("isdisabled")]
    check(bool(types and agents), "the instance shows no ticket type or no agent to the API application")
    return {"type": {"tickettype_id": int(types[0]["id"])}, "agent": {"agent_id": int(agents[0]["id"])}}


def clean_up(client: HaloITSMAPI, ticket_id: int) -> None:
    """Delete the ticket, where that is allowed."""
    try:
        client.delete_ticket(ticket_id, reason="Demo of the InsightConnect plugin")
        say(f"  ticket {ticket_id} is deleted")
    # Whatever it is, the person must know what is left.
    except Exception as error:  # pylint: disable=broad-exception-caught
        say(f"  ticket {ticket_id} could not be deleted and is left behind: {error}")


def show_events(connection: Json, halo: HaloEmulator | None, workspace: str) -> None:
    """A trigger starts, a ticket is logged in Halo, the event arrives: by webhook from the stand-in, else by poll."""
    orchestrator, port = Orchestrator(), free_port() if halo else 0
    body = {
        "trigger": "ticket_created",
        "meta": {"triggerId": "demo"},
        "dispatcher": {"url": orchestrator.url, "webhook_url": ""},
        "input": {"interval": 5, **({"webhook_port": port} if port else {})},
        "connection": connection,
    }
    with trigger(body, workspace):
        step("trigger ticket created", {"state": "started"})
        if halo is not None:
            halo.add_webhook(f"http://127.0.0.1:{port}/", authentication="hmac", secret=WEBHOOK_SECRET, payload="event")
            number = halo.log_ticket(summary="InsightConnect demo: logged by a person in HaloITSM")["id"]
            say(f"  ticket {number} is logged in HaloITSM, which sends its webhook")
            event = orchestrator.event()
        else:
            client = client_of(connection)
            fields = {"summary": "InsightConnect demo event", "details": "It may be deleted.", **choose(client)["type"]}
            number = int(client.create_ticket(fields)["id"])
            say(f"  ticket {number} is logged in HaloITSM; the next poll finds it")
            try:
                event = orchestrator.event()
            finally:
                clean_up(client, number)
        check(event["event_id"] == f"{number}-created", f"another event came: {event['event_id']}")
        step("event delivered", {"event_id": event["event_id"]}, event["ticket"])


@contextmanager
def trigger(body: Json, workspace: str) -> Iterator[None]:
    """A running trigger that has taken its first look at Halo; ends it by SIGTERM, as the orchestrator does."""
    process = subprocess.Popen(  # nosec B603: our own entry point
        [sys.executable, str(ENTRY_POINT), "run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment() | {"HALOITSM_WORKSPACE": workspace, "PYTHONUNBUFFERED": "1"},
    )
    if process.stdin is None or process.stdout is None:
        raise DemoFailed("the trigger has no pipes")
    try:
        process.stdin.write(json.dumps({"version": "v1", "type": "trigger_start", "body": body}))
        process.stdin.close()
        lines = []
        while "events from now on are delivered" not in (line := process.stdout.readline()):
            lines.append(line)
            check(bool(line), "the trigger ended at once:\n" + "".join(lines))
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield
    finally:
        process.terminate()
        process.wait(timeout=LONGEST_EVENT)


def run(command: str, action: str, inputs: Json, connection: Json) -> Json:
    """The output of one step of the plugin. Raises DemoFailed with the plugin's own error."""
    body = {"action": action, "meta": {}, "input": inputs, "connection": connection}
    done = subprocess.run(  # nosec B603: our own entry point
        [sys.executable, str(ENTRY_POINT), command],
        input=json.dumps({"version": "v1", "type": "action_start", "body": body}),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=LONGEST_STEP,
        check=False,
    )
    # The runtime writes its log to standard output as well, before the envelope.
    envelope = next((line for line in reversed(done.stdout.splitlines()) if line.startswith('{"body"')), "")
    check(bool(envelope), f"{action} gave no answer:\n{done.stderr[-2000:]}")
    answer: Json = json.loads(envelope)["body"]
    name = "connection test" if command == "test" else action
    check(answer["status"] == "ok", f"{name}: {answer.get('error')}")
    return dict(answer["output"])


def environment() -> dict[str, str]:
    """The environment of the plugin's process: it finds its own package, and writes no byte code into bin/."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def step(name: str, output: Mapping[str, Any], ticket: Mapping[str, Any] | None = None) -> None:
    """Show a step's outcome in a line or two."""
    flat = ", ".join(f"{key} {value}" for key, value in output.items() if not isinstance(value, (dict, list)))
    say(f"{name:<24} {flat}")
    if ticket:
        shown = [
            f"{ticket.get('id')}",
            repr(ticket.get("summary")),
            ticket.get("status_name"),
            ticket.get("agent_name"),
        ]
        say(f"{'':<24} ticket {', '.join(str(part) for part in shown if part)}")


def check(fine: bool, otherwise: str) -> None:
    """Raise DemoFailed unless all is fine."""
    if not fine:
        raise DemoFailed(otherwise)


def say(line: str) -> None:
    """A line for the person who watches, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
