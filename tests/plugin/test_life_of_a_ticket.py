"""The whole life of a ticket through the plugin server: against a real HaloITSM where HALO_RESOURCE_SERVER,
HALO_AUTH_SERVER, HALO_CLIENT_ID and HALO_CLIENT_SECRET (and HALO_TENANT) are set, against the emulator otherwise.

HALO_SCOPE and HALO_PRIVATE_NOTE_OUTCOME are the connection's, where its defaults do not fit. On a real instance
HALO_AGENT_ID has to say whom to assign to, and HALO_TICKET_TYPE_ID may say of which type to make the ticket; without it
the first ticket type is taken. What was made is deleted at the end, or closed where the application may not delete.
"""

import os
import uuid
from contextlib import contextmanager

import pytest
from steps import checked, connected, connection_to, new_halo

from komand_haloitsm.util.insightconnect.errors import HaloITSMError
from tools.demo.instance import given_instance


def real_instance():
    """The connection that the environment describes, or None."""
    instance = given_instance(os.environ)
    if instance is None:
        return None
    if instance.agent_id is None:
        pytest.fail("HALO_AGENT_ID has to name the agent to whom this test may assign a ticket on a real instance")
    return {
        "client_id": {"secretKey": instance.client_id},
        "client_secret": {"secretKey": instance.client_secret},
        "authorization_server": instance.auth_server,
        "resource_server": instance.resource_server,
        "tenant": instance.tenant,
        "scope": instance.scope,
        "private_note_outcome": instance.private_note_outcome,
    }


@contextmanager
def some_halo():
    params = real_instance()
    if params is not None:
        yield params
        return
    halo = new_halo()
    try:
        yield connection_to(halo)
    finally:
        halo.stop()


def chosen(name, rows):
    """The id that the environment gives, or that of the first usable row."""
    given = os.environ.get(name) if real_instance() else None
    usable = [row["id"] for row in rows if row["id"] > 1 or name != "HALO_AGENT_ID"]
    usable = [number for number in usable if not any(row["id"] == number and row.get("isdisabled") for row in rows)]
    return int(given) if given else usable[0]


def remove(client, ticket_id):
    try:
        client.delete_ticket(ticket_id, "Made by a test of the InsightConnect plugin.")
    except HaloITSMError:
        client.close_ticket(ticket_id)


@pytest.fixture
def life(plugin_server):
    """A connection, a client to look things up and clean up with, and a runner of steps."""
    with some_halo() as params:
        client = connected(params).client
        made = []

        def run(name, **given):
            output = checked(name, plugin_server.run(name, given, params).output)
            if name == "create_ticket" and output["created"]:
                made.append(output["ticket"]["id"])
            return output

        yield client, run, lambda: plugin_server.test(params)
        for ticket_id in made:
            remove(client, ticket_id)


def test_the_life_of_a_ticket(life):
    client, run, test = life
    assert test().output == {"success": True}
    mark = uuid.uuid4().hex
    agent = chosen("HALO_AGENT_ID", client.lookups.rows("agent"))
    kind = chosen("HALO_TICKET_TYPE_ID", client.lookups.rows("tickettype"))
    given = {"summary": f"Plugin test {mark}", "details": "A <test>.\nSafe to delete.", "tickettype_id": kind}

    created = run("create_ticket", **given, external_reference=mark)
    ticket = created["ticket"]
    assert created["created"] is True and ticket["summary"] == given["summary"] and ticket["closed"] is False
    again = run("create_ticket", **given, external_reference=mark)
    assert (again["created"], again["ticket"]["id"]) == (False, ticket["id"])

    found = run("search_tickets", summary_contains=mark)
    assert [row["id"] for row in found["tickets"]] == [ticket["id"]] and found["count"] == 1

    public = run("add_comment", ticket_id=ticket["id"], comment="Seen by the user.\nSecond line.")["comment_id"]
    private = run("add_comment", ticket_id=ticket["id"], comment="For agents.", is_private=True)["comment_id"]
    notes = {action["id"]: action for action in client.list_actions(ticket["id"])}
    assert public != private and {public, private} <= set(notes)
    assert bool(notes[private].get("hiddenfromuser")) and not notes[public].get("hiddenfromuser")

    assert run("assign_ticket", ticket_id=ticket["id"], agent_id=agent)["ticket"]["agent_id"] == agent

    changed = run("update_ticket", ticket_id=ticket["id"], summary=f"Plugin test {mark}, changed")["ticket"]
    assert changed["summary"].endswith(", changed") and changed["agent_id"] == agent

    closed = run("close_ticket", ticket_id=ticket["id"], resolution="The test is over.")["ticket"]
    assert closed["closed"] is True and closed["id"] == ticket["id"]
    assert run("close_ticket", ticket_id=ticket["id"])["ticket"]["closed"] is True

    read = run("get_ticket", ticket_id=ticket["id"])
    assert read["found"] is True and read["ticket"]["closed"] is True
    assert (read["ticket"]["summary"], read["ticket"]["status_id"]) == (changed["summary"], closed["status_id"])
    assert "Safe to delete." in read["ticket"]["details"]
