"""Add Comment."""

from halo_emulator import Fault
from plugin_on_halo import OnHalo


class TestAddComment(OnHalo):
    def notes(self, text: str) -> list[int]:
        """The actions of ticket 2102 with this text."""
        return [action["id"] for action in self.halo.actions[2102] if action["note"] == text]

    def test_the_text_is_kept_and_hidden_where_that_is_wanted(self) -> None:
        for private in (True, False):
            output = self.run_action("add_comment", ticket_id=2102, comment=f"Called <b>{private}", is_private=private)
            action = next(row for row in self.halo.actions[2102] if row["id"] == output["comment_id"])
            self.assertEqual((action["note"], action["hiddenfromuser"]), (f"Called <b>{private}", private))

    def test_a_lost_answer_makes_no_second_comment(self) -> None:
        self.halo.inject(Fault("status", "POST", "actions", status=401, after_commit=True))
        output = self.run_action("add_comment", ticket_id=2102, comment="Called back")
        self.assertEqual(self.notes("Called back"), [output["comment_id"]])

    def test_an_outcome_that_does_not_exist_is_refused_with_those_that_do(self) -> None:
        self.halo.outcomes = {"Internal", "Reply"}
        self.assert_refused("Internal", "add_comment", ticket_id=2102, comment="Called back")
