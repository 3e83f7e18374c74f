"""Update Ticket."""

from plugin_on_halo import OnHalo


class TestUpdateTicket(OnHalo):
    def test_what_is_given_changes_and_nothing_else(self) -> None:
        before = dict(self.halo.tickets[2102])
        output = self.run_action("update_ticket", ticket_id=2102, summary="Beaconing, contained", priority_id=1)
        self.assertTrue(output["success"])
        after = self.halo.tickets[2102]
        self.assertEqual((after["summary"], after["priority_id"]), ("Beaconing, contained", 1))
        self.assertEqual((after["details"], after["agent_id"]), (before["details"], before["agent_id"]))

    def test_a_ticket_that_is_not_there_is_not_made(self) -> None:
        number = len(self.halo.tickets)
        self.assert_refused("exist", "update_ticket", ticket_id=999999, summary="Nothing")
        self.assertEqual(len(self.halo.tickets), number)
