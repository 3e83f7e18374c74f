"""Assign Ticket."""

from plugin_on_halo import OnHalo


class TestAssignTicket(OnHalo):
    def test_an_agent_and_a_team(self) -> None:
        team = self.halo.lists.teams[-1]
        output = self.run_action("assign_ticket", ticket_id=2101, agent_id=3, team_id=team["id"])
        self.assertTrue(output["success"])
        self.assertEqual((self.halo.tickets[2101]["agent_id"], self.halo.tickets[2101]["team"]), (3, team["name"]))

    def test_neither_is_refused(self) -> None:
        self.assert_refused("agent", "assign_ticket", ticket_id=2101)
