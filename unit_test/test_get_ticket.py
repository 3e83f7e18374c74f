"""Get Ticket."""

from plugin_on_halo import OnHalo


class TestGetTicket(OnHalo):
    def test_a_ticket_has_the_names_of_its_ids(self) -> None:
        output = self.run_action("get_ticket", ticket_id=2102)
        ticket = self.halo.tickets[2102]
        self.assertTrue(output["found"])
        self.assertEqual(output["ticket"]["summary"], ticket["summary"])
        names = {row["id"]: row["name"] for row in self.halo.lists.statuses}
        self.assertEqual(output["ticket"]["status_name"], names[ticket["status_id"]])

    def test_none_is_said_and_no_error(self) -> None:
        self.assertEqual(self.run_action("get_ticket", ticket_id=999999), {"found": False, "ticket": {}})
