"""Search Tickets."""

from plugin_on_halo import OnHalo


class TestSearchTickets(OnHalo):
    def test_filters_find_open_and_closed_tickets_newest_first(self) -> None:
        found = self.run_action("search_tickets", agent_id=3)
        numbers = [number for number, ticket in self.halo.tickets.items() if ticket["agent_id"] == 3]
        self.assertEqual([ticket["id"] for ticket in found["tickets"]], sorted(numbers, reverse=True))
        self.assertEqual(found["count"], len(numbers))

    def test_a_filter_that_halo_ignores_still_filters(self) -> None:
        self.halo.ignored_parameters = {"priority"}
        found = self.run_action("search_tickets", priority_id=1)
        numbers = [number for number, ticket in self.halo.tickets.items() if ticket["priority_id"] == 1]
        self.assertEqual([ticket["id"] for ticket in found["tickets"]], numbers)

    def test_pages_are_read_up_to_the_number_that_is_wanted(self) -> None:
        for number in range(120):
            self.halo.log_ticket(summary=f"Finding {number}")
        self.assertEqual(self.run_action("search_tickets", summary_contains="Finding", max_results=110)["count"], 110)
