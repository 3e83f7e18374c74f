"""Close Ticket."""

from plugin_on_halo import OnHalo


class TestCloseTicket(OnHalo):
    def test_it_is_closed_with_its_note(self) -> None:
        output = self.run_action("close_ticket", ticket_id=2102, resolution="Host rebuilt")
        self.assertEqual((output["success"], output["ticket"]["closed"]), (True, True))
        self.assertEqual(self.halo.tickets[2102]["status_id"], 9)
        self.assertEqual(self.halo.tickets[2102]["closure_note"], "Host rebuilt")

    def test_an_open_status_does_not_close(self) -> None:
        self.assert_refused("Closed", "close_ticket", ticket_id=2102, closed_status_id=2)

    def test_what_is_assigned_to_nobody_is_refused_as_halo_does(self) -> None:
        number = self.halo.log_ticket(summary="Nobody's", agent_id=1)["id"]
        self.assert_refused("assign", "close_ticket", ticket_id=number)
