"""Create Ticket."""

from halo_emulator import Fault
from plugin_on_halo import NEW, OnHalo


class TestCreateTicket(OnHalo):
    def test_the_ticket_is_there_as_it_was_given(self) -> None:
        output = self.run_action("create_ticket", **NEW, priority_id=2, agent_id=3)
        self.assertEqual((output["success"], output["created"]), (True, True))
        ticket = self.halo.tickets[output["ticket"]["id"]]
        self.assertEqual(ticket["summary"], NEW["summary"])
        self.assertIn("Second line.", ticket["details"])
        self.assertEqual((ticket["tickettype_id"], ticket["priority_id"], ticket["agent_id"]), (1, 2, 3))

    def test_one_external_reference_makes_one_ticket(self) -> None:
        first = self.run_action("create_ticket", **NEW, external_reference="rrn:1")
        again = self.run_action("create_ticket", **NEW, external_reference="rrn:1")
        self.assertEqual((first["created"], again["created"]), (True, False))
        self.assertEqual(first["ticket"]["id"], again["ticket"]["id"])

    def test_a_lost_answer_makes_no_second_ticket(self) -> None:
        self.halo.inject(Fault("status", "POST", "tickets", status=401, after_commit=True))
        output = self.run_action("create_ticket", **NEW)
        made = [number for number, ticket in self.halo.tickets.items() if ticket["summary"] == NEW["summary"]]
        self.assertEqual(made, [output["ticket"]["id"]])

    def test_an_unknown_team_is_refused_before_anything_is_sent(self) -> None:
        self.assert_refused("Service Desk", "create_ticket", **NEW, team_id=4711)
