"""The demo's story: the life of a ticket and a trigger's event; and its end, whichever that is."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from halo_emulator import HaloEmulator
from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.halo.tickets.filters import TicketFilter
from tools.demo.instance import AGENT, Instance, WrongVariables, given_instance
from tools.demo.plugin import Json, Orchestrator, Plugin, StepFailed, check
from tools.demo.remains import Remains, ours
from tools.demo.stopping import GLANCE, Stopped, Stopping

FAILED, USAGE, STOPPED = 1, 2, 130
PREFIX = "InsightConnect demo"
WEBHOOK_SECRET = uuid.uuid4().hex


def main(stopping: Stopping, environment: Mapping[str, str]) -> int:
    """Run the demo; 0 when every step did its work.

    It runs in a thread of its own. This one only waits, and ends everything at the second Ctrl-C.
    """
    try:
        instance = given_instance(environment)
    except WrongVariables as error:
        say(f"FAILED: {error}")
        return USAGE
    with tempfile.TemporaryDirectory(prefix="haloitsm-demo-", ignore_cleanup_errors=True) as workspace:
        demo = Demo(instance, Path(workspace), stopping)
        thread = threading.Thread(target=demo.run, daemon=True)
        thread.start()
        while thread.is_alive() and not stopping.at_once:
            thread.join(GLANCE)
        cut_off = thread.is_alive()
        if cut_off:
            demo.kill()
    if cut_off:
        say("\n".join(["Stopped at once.", *demo.left_behind()]))
        # Threads of the demo may wait for HaloITSM for minutes.
        os._exit(STOPPED)
    return demo.code


class Demo:
    """One run on an instance, or on the stand-in where that is None."""

    def __init__(self, instance: Instance | None, workspace: Path, stopping: Stopping) -> None:
        self._instance = instance
        self._workspace = workspace
        self._stopping = stopping
        self._remains = Remains()
        self._plugin: Plugin | None = None
        self._left_out: list[str] = []
        self.code = FAILED

    def run(self) -> None:
        """All of it; ``code`` is the exit code then."""
        try:
            self._stopping.look()
            if self._instance:
                self._tell(self._instance, None)
            else:
                with HaloEmulator() as halo:
                    self._tell(instance_of(halo), halo)
            last, self.code = "Done: every step did its work.", 0
            if self._left_out:
                last = f"Done. Left out, since {AGENT} names nobody to assign: {', '.join(self._left_out)}."
        except Stopped:
            last, self.code = "Stopped.", STOPPED
        # Also an error of the client by itself, or a bug: what is left behind is told all the same.
        except Exception as error:  # pylint: disable=broad-exception-caught
            name = "" if isinstance(error, StepFailed) else f"{type(error).__name__}: "
            last, self.code = f"FAILED: {name}{error}", FAILED
        if not self._stopping.at_once:
            say("\n".join([last, *self.left_behind()]))

    def left_behind(self) -> list[str]:
        """What stays in HaloITSM, a sentence each."""
        if self._instance is None:
            return ["Nothing is left behind: the stand-in was in memory only."]
        return self._remains.lines() or ["Nothing is left behind in HaloITSM."]

    def kill(self) -> None:
        """End the plugin's processes at once."""
        if self._plugin:
            self._plugin.kill()

    def _tell(self, instance: Instance, stand_in: HaloEmulator | None) -> None:
        connection = connection_to(instance)
        client = client_of(instance)
        self._plugin = plugin = Plugin(connection, self._workspace, self._stopping)
        say(f"HaloITSM: {'the stand-in of this repository' if stand_in else 'the instance of HALO_RESOURCE_SERVER'}")
        step("connection test", plugin.step("get_ticket", {"ticket_id": 1}, command="test"))
        kind, name = ticket_type(client, instance.ticket_type_id)
        if not stand_in:
            say(f"Two tickets of the type {name!r} are made, and deleted at the end where that is allowed.")
        agent = first_agent(client) if stand_in else instance.agent_id
        try:
            self._life_of_a_ticket(plugin, {"tickettype_id": kind}, agent)
            if stand_in:
                self._event_by_webhook(plugin, stand_in)
            else:
                self._event_by_poll(plugin, client, {"tickettype_id": kind})
        finally:
            self._clean_up(client)

    def _life_of_a_ticket(self, plugin: Plugin, kind: Json, agent: int | None) -> None:
        """Create, search, comment, assign, update, close, get."""
        summary = f"{PREFIX} {uuid.uuid4().hex[:8]}"
        inputs = {"summary": summary, "details": "Made by make demo.\nIt may be deleted.", **kind}
        self._stopping.look()
        self._remains.making(summary)
        created = plugin.step("create_ticket", inputs)
        ticket = created["ticket"]
        self._remains.made(summary, int(ticket["id"]))
        step("create ticket", created, ticket)
        number = {"ticket_id": ticket["id"]}
        found = plugin.step("search_tickets", {"summary_contains": summary})
        check(found["count"] == 1 and found["tickets"][0]["id"] == ticket["id"], "search did not find the ticket")
        step("search tickets", {"count": found["count"]}, found["tickets"][0])
        comment = {**number, "comment": "Seen by the demo.\nSecond line.", "is_private": True}
        step("add comment", plugin.step("add_comment", comment))
        if agent:
            self._show(plugin, "assign_ticket", {**number, "agent_id": agent})
        else:
            self._left_out.append("assign ticket")
        self._show(plugin, "update_ticket", {**number, "summary": f"{summary}, updated"})
        closes = self._close(plugin, number, agent)
        shown = self._show(plugin, "get_ticket", number)
        check(shown["summary"].endswith(", updated"), "the update is not there")
        check(not closes or shown.get("closed") is True, "the ticket is not closed")

    def _close(self, plugin: Plugin, number: Json, agent: int | None) -> bool:
        """Close the ticket. HaloITSM may refuse that for a ticket that is assigned to nobody, which is no failure."""
        try:
            self._show(plugin, "close_ticket", {**number, "resolution": "Closed by the demo."})
            return True
        except StepFailed as error:
            if agent or "nobody is assigned to" not in str(error):
                raise
            say(f"{'close ticket':<24} refused: HaloITSM does not close what is assigned to nobody")
            self._left_out.append("close ticket")
            return False

    @staticmethod
    def _show(plugin: Plugin, action: str, inputs: Json) -> Json:
        """Run an action, show its outcome, and return its ticket."""
        output = plugin.step(action, inputs)
        step(action.replace("_", " "), output, output["ticket"])
        return dict(output["ticket"])

    def _event_by_webhook(self, plugin: Plugin, halo: HaloEmulator) -> None:
        """A person logs a ticket in the stand-in, which calls the trigger."""
        orchestrator, port = Orchestrator(self._stopping), free_port()
        with plugin.trigger("ticket_created", {"interval": 5, "webhook_port": port}, orchestrator.address):
            step("trigger ticket created", {"state": "started"})
            address = f"http://127.0.0.1:{port}/"
            halo.add_webhook(address, authentication="hmac", secret=WEBHOOK_SECRET, payload="event")
            number = halo.log_ticket(summary=f"{PREFIX}: logged by a person in HaloITSM")["id"]
            say(f"  ticket {number} is logged in HaloITSM, which sends its webhook")
            show_event(orchestrator, number)

    def _event_by_poll(self, plugin: Plugin, client: HaloITSMAPI, kind: Json) -> None:
        """The client by itself makes a ticket, which the trigger finds."""
        orchestrator = Orchestrator(self._stopping)
        with plugin.trigger("ticket_created", {"interval": 5}, orchestrator.address):
            step("trigger ticket created", {"state": "started"})
            summary = f"{PREFIX} event {uuid.uuid4().hex[:8]}"
            self._stopping.look()
            self._remains.making(summary)
            number = int(client.create_ticket({"summary": summary, "details": "It may be deleted.", **kind})["id"])
            self._remains.made(summary, number)
            say(f"  ticket {number} is logged in HaloITSM; the next poll finds it")
            show_event(orchestrator, number)

    def _clean_up(self, client: HaloITSMAPI) -> None:
        """Delete what was made, where that is allowed."""
        for summary in self._remains.unknown:
            self._look_for(client, summary)
        for number in self._remains.numbers:
            if self._stopping.at_once:
                return
            self._remains.deleting(number)
            gone = False
            try:
                client.delete_ticket(number, reason="Demo of the InsightConnect plugin")
                gone = True
                say(f"  ticket {number} is deleted")
            # Whatever it is, the person must know what is left.
            except Exception as error:  # pylint: disable=broad-exception-caught
                say(f"  ticket {number} could not be deleted: {error}")
            self._remains.deleted(number, gone)

    def _look_for(self, client: HaloITSMAPI, summary: str) -> None:
        """Whether a ticket is there whose making failed."""
        if self._stopping.at_once:
            return
        try:
            rows = client.search_tickets(TicketFilter(summary_contains=summary))
        except Exception as error:  # pylint: disable=broad-exception-caught
            say(f"  whether there is a ticket {summary!r} could not be looked up: {error}")
            return
        found = ours(rows, summary)
        for number in found:
            self._remains.made(summary, number)
        if not found:
            self._remains.not_found(summary)


def instance_of(halo: HaloEmulator) -> Instance:
    """The stand-in, as an instance."""
    return Instance(halo.resource_server, halo.auth_server, halo.client_id, halo.client_secret)


def connection_to(instance: Instance) -> Json:
    """The connection parameters, as InsightConnect hands them over."""
    return {
        "resource_server": instance.resource_server,
        "authorization_server": instance.auth_server,
        "client_id": {"secretKey": instance.client_id},
        "client_secret": {"secretKey": instance.client_secret},
        "tenant": instance.tenant,
        "scope": instance.scope,
        "private_note_outcome": instance.private_note_outcome,
        "webhook_secret": {"secretKey": WEBHOOK_SECRET},
    }


def client_of(instance: Instance) -> HaloITSMAPI:
    """The client by itself, for what no action does: choosing a ticket type and an agent, deleting."""
    return HaloITSMAPI(
        client_id={"secretKey": instance.client_id},
        client_secret={"secretKey": instance.client_secret},
        auth_server=instance.auth_server,
        resource_server=instance.resource_server,
        tenant=instance.tenant,
        scope=instance.scope,
    )


def ticket_type(client: HaloITSMAPI, wanted: int | None) -> tuple[int, str]:
    """The wanted ticket type, or any for tickets that the instance has: its id and name."""
    rows = client.lookups.rows("tickettype")
    fitting = [row for row in rows if (row["id"] == wanted if wanted else row.get("use", "ticket") == "ticket")]
    check(bool(fitting), f"the instance shows no ticket type {wanted or ''} to the API application")
    return int(fitting[0]["id"]), str(fitting[0].get("name"))


def first_agent(client: HaloITSMAPI) -> int:
    """An agent that the stand-in has."""
    return next(int(row["id"]) for row in client.lookups.rows("agent") if int(row["id"]) > 1)


def show_event(orchestrator: Orchestrator, number: int) -> None:
    """The event of a ticket, as it arrives."""
    event = orchestrator.event()
    check(event["event_id"] == f"{number}-created", f"another event came: {event['event_id']}")
    step("event delivered", {"event_id": event["event_id"]}, event["ticket"])


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
        known = [ticket.get("id"), repr(ticket.get("summary")), ticket.get("status_name"), ticket.get("agent_name")]
        say(f"{'':<24} ticket {', '.join(str(part) for part in known if part)}")


def say(line: str) -> None:
    """A line for the person who watches, at once."""
    print(line, flush=True)
