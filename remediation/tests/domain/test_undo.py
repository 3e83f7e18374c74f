"""Taking back what an apply did: which steps that takes, and what stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from remediation.domain.plan import Kind, Plan
from remediation.domain.ticket import Ticket
from remediation.domain.undo import Done, Shown, taken_back

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
NAMES = {1: "New", 2: "In Progress", 41: "Remediated", 42: "Closed"}
TICKET = Ticket("s1", halo_id=7, told={("a1", "v1"): "remediated"})
SAID = Done(11, Kind.COMMENT, "s1/1", AT)
SET = Done(12, Kind.SET_STATUS, "s1/1", AT, before=2, after=41)


def back(*done: Done, status: int | None = 41, ticket: Ticket = TICKET) -> Any:
    return taken_back(done, {"s1/1": Shown(ticket, status)}, NAMES, "ann")


def test_a_comment_and_a_status() -> None:
    made = back(SAID, SET)
    comment, status = made.steps
    assert comment.body == {
        "text": "ann takes back what was said here at 2026-03-02 02:00 UTC.\nann sets the status back to In Progress.",
        "takes_back": [11],
        "announces": [12],
        "taken_back": True,
    }
    # What it has told of its findings stays told.
    assert comment.told == {"a1|v1": "remediated"}
    assert (status.kind, status.body) == (Kind.SET_STATUS, {"restores": 2, "takes_back": [12]})
    assert not made.not_done


def test_of_two_statuses_the_first_one_before_counts() -> None:
    made = back(replace(SET, after=42), replace(SET, number=13, before=42))
    assert made.steps[-1].body == {"restores": 2, "takes_back": [12, 13]}


def test_a_status_whose_end_was_announced_before_is_set_without_another_word() -> None:
    made = back(replace(SET, announced=True))
    assert [step.kind for step in made.steps] == [Kind.SET_STATUS]


def test_the_projects_own_ticket_follows_the_others_by_itself() -> None:
    assert back(replace(SET, ticket="project/1")) == Plan()


@pytest.mark.parametrize(
    ("done", "status", "ticket", "reason", "kinds"),
    [
        pytest.param([SAID, SET], 42, TICKET, "its status was set since, to Closed", ["comment"], id="changed"),
        pytest.param([SET], None, TICKET, "its status was set since, to another one", [], id="unknown-now"),
        pytest.param(
            [SET],
            41,
            replace(TICKET, changed=AT + timedelta(hours=1)),
            "its status was set since, to Remediated",
            [],
            id="changed-to-the-same",
        ),
        pytest.param(
            [replace(SET, later=True)], 41, TICKET, "its status was set since, to Remediated", [], id="by-a-later-plan"
        ),
        pytest.param(
            [replace(SET, before=None)], 41, TICKET, "what its status was before is not known", [], id="before-unknown"
        ),
        pytest.param(
            [SAID, SET],
            41,
            replace(TICKET, missing=True),
            "ticket 7 does not exist in HaloITSM any more, or the API's agent may not see it",
            [],
            id="gone",
        ),
        pytest.param(
            [Done(1, Kind.CREATE, "s1/1", AT)],
            1,
            TICKET,
            "ticket 7 was made by it, and stays until somebody closes it",
            [],
            id="made",
        ),
        pytest.param([Done(1, Kind.FOLLOW, "s1/1", AT)], 1, TICKET, "what it stands for stays as it is", [], id="key"),
        pytest.param(
            [replace(SAID, ticket="s9/1")], 1, TICKET, "it is not a ticket of this project any more", [], id="no-ticket"
        ),
    ],
)
def test_what_stays_and_why(
    done: list[Done], status: int | None, ticket: Ticket, reason: str, kinds: list[str]
) -> None:
    made = back(*done, status=status, ticket=ticket)
    assert [item.reason for item in made.not_done] == [reason]
    assert [step.kind.value for step in made.steps] == kinds


def test_nothing_done_is_nothing_to_do() -> None:
    assert not back().steps
