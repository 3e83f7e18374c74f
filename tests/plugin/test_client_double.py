"""An action whose client is a Mock, as other people's tests have it: the ticket comes out, what the Mock invents does not."""

from unittest.mock import Mock

import pytest
from steps import run_action

from komand_haloitsm.connection import Connection

TICKET = {"id": 4711, "summary": "Printer on fire", "status_id": 2, "agent_id": 5, "team": "Network"}
SHOWN = {"id": 4711, "summary": "Printer on fire", "status_id": 2, "agent_id": 5, "team_name": "Network"}
STEPS = {
    "create_ticket": ("create_ticket", {"summary": "s", "details": "d", "tickettype_id": 1}, "ticket"),
    "get_ticket": ("get_ticket", {"ticket_id": 4711}, "ticket"),
    "update_ticket": ("update_ticket", {"ticket_id": 4711, "summary": "s"}, "ticket"),
    "assign_ticket": ("assign_ticket", {"ticket_id": 4711, "agent_id": 5}, "ticket"),
    "close_ticket": ("close_ticket", {"ticket_id": 4711}, "ticket"),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_plain_ticket_comes_out_without_names(name):
    method, given, output = STEPS[name]
    connection = Connection()
    connection.client = Mock()
    getattr(connection.client, method).return_value = dict(TICKET)
    assert run_action(connection, name, **given)[output] == SHOWN


def test_so_it_does_from_a_search():
    connection = Connection()
    connection.client = Mock()
    connection.client.search_tickets.return_value = [dict(TICKET)]
    assert run_action(connection, "search_tickets") == {"tickets": [SHOWN], "count": 1}
