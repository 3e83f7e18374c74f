"""Templates of tickets: names in brackets, lines of compliance, and which one a ticket has where nobody chooses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import template
from remediation.domain.compliance import ended_with, lines_of
from remediation.domain.project import Settings
from remediation.domain.ticket_template import BUILT_IN, CRITICAL, STANDARD, TicketTemplate, usual
from remediation.domain.wording import NOT_KNOWN, Wording


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("hostname", "ASSET_NAME_LIST"),
        ("ip_address", "ASSET_IP_LIST"),
        ("cve_id", "TOP_CVE"),
        ("cve_list", "CVE_LIST"),
        ("vpr_score", "TOP_VPR"),
        ("cvss_score", "TOP_CVSS"),
        ("epss_score", "TOP_EPSS"),
        ("severity", "SEVERITY"),
        ("due_date", "DUE_DATE"),
        ("asset_count", "ASSET_COUNT"),
        ("solution", "SOL_NAME"),
        ("remediation_steps", "SOL_FIX"),
        ("HOSTNAME", "ASSET_NAME_LIST"),
        ("Vpr_Score", "TOP_VPR"),
    ],
)
def test_a_name_in_brackets_is_a_variable(name: str, variable: str) -> None:
    template.check_with_brackets(f"on [{name}]")
    assert template.fill(template.without_brackets(f"on [{name}]!"), {variable: "x"}) == "on x!"


def test_each_alias_stands_for_a_variable_and_each_variable_has_its_own_name() -> None:
    assert set(template.ALIASES.values()) <= template.VARIABLES
    for name in template.VARIABLES:
        own = template.named(name.lower())
        assert own == template.ALIASES.get(name.lower(), name)
        assert template.named(name) == own, "in capitals it is the same"


@pytest.mark.parametrize(
    ("text", "unknown", "nearest"),
    [
        ("[hostnam]", "[hostnam]", "[hostname]"),
        ("[vpr_scor]", "[vpr_scor]", "[vpr_score]"),
        ("[host_nam] and [hostname]", "[host_nam]", "[host_name]"),
        ("[cve_ids_list]", "[cve_ids_list]", "[cve_list]"),
        ("$VPR", "$VPR", "$TOP_VPR"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(text: str, unknown: str, nearest: str) -> None:
    with pytest.raises(ValueError) as refused:
        template.check_with_brackets(text)
    assert unknown in str(refused.value) and f"The nearest is {nearest}." in str(refused.value)


@pytest.mark.parametrize(
    "text", ["[see the wiki]", "[ ] done", "[x] done", "[1]", "[]", "[a-b]", "[hostname ]", "a[0]"]
)
def test_other_brackets_are_left_alone(text: str) -> None:
    template.check_with_brackets(text)
    assert template.fill(template.without_brackets(text), {}) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[hostname]", "[cve_id] $LINK ${LINK} $$"),
        ("[$DEVICE]", "[[hostname] $SEVERITY]"),
        ("$$[severity]", "$high"),
        ("$SEVERITY[severity]", "highhigh"),
    ],
)
def test_a_value_is_never_filled_in_again(text: str, expected: str) -> None:
    values = {
        "ASSET_NAME_LIST": "[cve_id] $LINK ${LINK} $$",
        "DEVICE": "[hostname] $SEVERITY",
        "SEVERITY": "high",
        "LINK": "secret",
        "TOP_CVE": "secret",
    }
    assert template.fill(template.without_brackets(text), values) == expected


LINES = ("PCI DSS 6.3.3 applies.", "Ask the change board first.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Do it.", "Do it.\n\n" + "\n".join(LINES), id="added"),
        pytest.param("", "\n".join(LINES), id="nothing-else"),
        pytest.param("Do it.\n\n" + "\n".join(LINES), "Do it.\n\n" + "\n".join(LINES), id="there-already"),
        pytest.param("Do it.\n" + LINES[0], "Do it.\n\n" + "\n".join(LINES), id="one-taken-out"),
        pytest.param("\n".join([*LINES, "Do it."]), "Do it.\n\n" + "\n".join(LINES), id="moved-to-the-top"),
        pytest.param("\n".join(["Do it.", *LINES, *LINES]), "Do it.\n\n" + "\n".join(LINES), id="twice"),
        pytest.param("Do it.\n\n" + "\n".join(LINES) + "\n", "Do it.\n\n" + "\n".join(LINES), id="line-end-after"),
        pytest.param(f"Not {LINES[0]}", f"Not {LINES[0]}\n\n" + "\n".join(LINES), id="a-part-of-another-line"),
    ],
)
def test_compliance_lines_end_a_text_once(text: str, expected: str) -> None:
    assert ended_with(text, LINES) == expected


@given(st.text(alphabet="ab \n$[", max_size=30), st.lists(st.text("ab$ ", min_size=1, max_size=3), max_size=3))
def test_compliance_lines_cannot_be_left_out(text: str, entered: list[str]) -> None:
    lines = lines_of("\n".join(entered))
    ended = ended_with(text, lines)
    required = list(dict.fromkeys(" ".join(line.split()) for line in lines))
    assert ended.split("\n")[-len(required) :] == required or not required
    assert all(ended.split("\n").count(line) == 1 for line in required)
    assert ended_with(ended, lines) == ended, "the second time nothing is changed"
    assert lines or ended == text


def test_lines_are_read_one_by_one() -> None:
    assert lines_of(" a \r\n\r\nb\na\n") == ("a", "b")


@pytest.mark.parametrize("word", BUILT_IN)
def test_the_built_in_ones_can_be_used(word: str) -> None:
    BUILT_IN[word].check()


def test_what_the_built_in_ones_say() -> None:
    assert (CRITICAL.priority, CRITICAL.days, STANDARD.priority, STANDARD.days) == ("critical", 7, "", None)
    for words in ("Isolate the system", "Emergency patch", "Verify", "Document"):
        assert words in CRITICAL.details
    for words in ("Review", "Test in staging", "Schedule", "Apply and verify"):
        assert words in STANDARD.details


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"summary": "[hostnam]"}, "nearest is [hostname]"),
        ({"details": "costs 5$"}, "Write $$"),
        ({"compliance": ("[due_dat]",)}, "nearest is [due_date]"),
        ({"priority": "urgent"}, "There is no priority"),
        ({"days": -1}, "0 to 3650"),
    ],
)
def test_what_a_template_may_not_hold(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        replace(STANDARD, **change).check()
    assert said in str(refused.value)


TEAMS = {
    "7": TicketTemplate("Network", "s", "d", team="Network"),
    "8": TicketTemplate("Network, now", "s", "d", team="network", priority="critical"),
    "9": TicketTemplate("All", "s", "d"),
}


@pytest.mark.parametrize(
    ("severity", "team", "word"),
    [
        ("critical", None, "critical"),
        ("critical", "Servers", "critical"),
        ("critical", "Network", "8"),
        ("high", "Network", "7"),
        ("high", "Servers", "standard"),
        ("none", None, "standard"),
    ],
)
def test_which_template_a_ticket_has_by_itself(severity: str, team: str | None, word: str) -> None:
    assert usual(severity, team, TEAMS) == word


@pytest.mark.parametrize("vpr", ["", "0", "0.0"])
def test_a_score_that_nobody_tells_is_not_known(vpr: str) -> None:
    values = Wording(STANDARD).values({"TOP_VPR": vpr, "TOP_CVSS": "", "TOP_EPSS": "", "SEVERITY": "high"})
    text = template.fill(Wording(STANDARD).over(Settings()).child_details, values)
    assert f"VPR: {NOT_KNOWN}. CVSS: {NOT_KNOWN}. EPSS: {NOT_KNOWN}." in text


def test_a_wording_is_kept_as_json() -> None:
    made = Wording(replace(CRITICAL, compliance=LINES), {"summary": "$X", "due": "2026-12-24"}, "anna")
    again = Wording.from_table(made.to_table())
    assert again == made and again.due == date(2026, 12, 24)
    assert again.words == "by the template Critical; summary, due edited by anna"
    assert Wording.from_table({}).words == ""


def test_a_typed_estimate_is_told_where_the_text_does_not() -> None:
    typed = Wording(None, {"details": "Do it.", "estimate": "2 hours"}, "anna")
    assert typed.details("filled", {}) == "Do it.\n\nEstimate: 2 hours"
    assert replace(typed, typed={"estimate": "2 hours"}).values({})["SOL_ESTIMATE"] == "2 hours"
