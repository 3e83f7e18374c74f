"""Which names of HaloITSM's are used, and which of them it does not have any more."""

from __future__ import annotations

import pytest

from remediation.domain.mapped_names import Vanished, numbers_of, used_names, vanished

CONNECTION = {
    "statuses": {"Remediated": "Fixed", "Exception": "Waived"},
    "reads": {"Parked": "Exception"},
    "ticket_type": "Vulnerability",
    "parent_type": "Vulnerability",
    "closing_agent": "Marcus Okafor",
}
PROJECT = {
    "priorities": {"critical": "Critical", "high": "High", "none": ""},
    "rules": [{"field": "ip", "value": "10.", "agent": "Priya Raman", "team": "Network"}],
    "default_agent": "Priya Raman",
    "default_team": None,
    "fields": {"CFrisk": "$RISK_SCORE", "171": "x"},
    "parent_fields": {"CFrisk": "$RISK_SCORE"},
}
USED = used_names(CONNECTION, {"DMZ": PROJECT}, {})


def test_what_is_used_and_by_what() -> None:
    project = ["the project 'DMZ'"]
    assert USED == {
        ("status", "Fixed"): ["the status Remediated"],
        ("status", "Waived"): ["the status Exception"],
        ("status", "Parked"): ["the status Exception"],
        ("tickettype", "Vulnerability"): ["new tickets", "projects' own tickets"],
        ("agent", "Marcus Okafor"): ["the closing of tickets"],
        ("priority", "Critical"): project,
        ("priority", "High"): project,
        ("agent", "Priya Raman"): project,
        ("team", "Network"): project,
        ("field", "CFrisk"): project,
        ("field", "171"): project,
    }
    assert used_names({}, {}, {}) == {}


def test_the_names_that_investigations_stand_for_are_used_too() -> None:
    how = {"states": {"OPEN": "New", "WAITING": ""}, "reads": {"Parked": "WAITING"}, "priorities": {"HIGH": "P1"}}
    by = ["the investigations of 'soc'"]
    assert used_names({}, {}, {"soc": {**how, "team": "SOC"}}) == {
        ("status", "New"): by,
        ("status", "Parked"): by,
        ("priority", "P1"): by,
        ("team", "SOC"): by,
    }


BY = ("new tickets", "projects' own tickets")


@pytest.mark.parametrize(
    ("kind", "there", "found"),
    [
        ("tickettype", [(21, "vulnerability")], []),
        ("tickettype", [(28, "Incident")], [Vanished("tickettype", "Vulnerability", BY)]),
        ("tickettype", [(21, "Weakness")], [Vanished("tickettype", "Vulnerability", BY, now="Weakness")]),
        (
            "tickettype",
            [(21, "Vulnerability"), (30, "Vulnerability")],
            [Vanished("tickettype", "Vulnerability", BY, 2)],
        ),
        ("status", [(1, "Fixed"), (2, "Fixed"), (3, "Waived"), (4, "Parked")], []),
        ("field", [(0, "CFrisk")], []),
        ("field", [(0, "CFother")], [Vanished("field", "CFrisk", ("the project 'DMZ'",))]),
    ],
)
def test_what_vanished(kind: str, there: list[tuple[int, str]], found: list[Vanished]) -> None:
    assert vanished(USED, {kind: there}, {"tickettype": {"Vulnerability": 21}}) == found
    assert all("'" in one.text and "Used by " in one.text for one in found)


def test_a_kind_that_could_not_be_read_is_not_judged() -> None:
    assert not vanished(USED, {}, {})


def test_the_numbers_by_which_a_renamed_one_is_known_again() -> None:
    there = {
        "agent": [(3, "Marcus Okafor"), (4, "Somebody")],
        "tickettype": [(30, "vulnerability"), (21, "Vulnerability")],
    }
    assert numbers_of(USED, there) == {"agent": {"Marcus Okafor": 3}, "tickettype": {"Vulnerability": 21}}
