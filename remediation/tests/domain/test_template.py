"""Texts out of templates: "Template variables"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import template

DESIGNED = (
    "PROJ_NAME PROJ_ID PROJ_OWNER PROJ_PRIORITY PROJ_DUE_DATE SOL_NAME SOL_ID SOL_FIX SOL_RISK_SCORE SOL_TYPE "
    "ASSET_COUNT ASSET_NAME_LIST ASSET_IP_LIST ASSET_OS_LIST VULN_COUNT TOP_CVE TOP_CVSS VULN_LIST RISK_SCORE "
    "SOL_COUNT SOL_ESTIMATE SOL_URL SOL_RISK_REDUCTION CVE_LIST TOP_VPR TOP_EPSS KEV DUE_DATE DEVICE SEVERITY "
    "SCAN_DATE LINK"
).split()


def test_the_variables_are_those_of_the_design() -> None:
    assert template.VARIABLES == set(DESIGNED)


@pytest.mark.parametrize("name", DESIGNED)
def test_each_variable_is_accepted_and_filled(name: str) -> None:
    template.check(f"${name} ${{{name}}}")
    assert template.fill(f"${name}!", {name: "x"}) == "x!"
    assert template.fill(f"${name}!", {}) == "!"


@pytest.mark.parametrize(
    "text",
    [template.PARENT_SUMMARY, template.PARENT_DETAILS, template.CHILD_SUMMARY, template.CHILD_DETAILS],
    ids=["parent-summary", "parent-details", "child-summary", "child-details"],
)
def test_the_usual_templates_are_accepted(text: str) -> None:
    template.check(text)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("$ASSETS_COUNT", "ASSET_COUNT"),
        ("$TOP_CVS", "TOP_CVSS"),
        ("$proj_name", "PROJ_NAME"),
        ("${SOLNAME}", "SOL_NAME"),
        ("$SEVERITY and $DUE", "DUE_DATE"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(text: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"^There is no variable \$\w+. The nearest is \${nearest}\.$"):
        template.check(text)


@pytest.mark.parametrize("text", ["costs 5$", "$ 5", "${SEVERITY", "$1"])
def test_a_dollar_sign_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write \$\$ for a dollar sign"):
        template.check(text)


def test_two_dollar_signs_are_one() -> None:
    template.check("costs $$5")
    assert template.fill("costs $$5", {}) == "costs $5"


def test_a_value_is_not_a_template() -> None:
    assert template.fill("$SOL_NAME", {"SOL_NAME": "$PROJ_NAME $$", "PROJ_NAME": "secret"}) == "$PROJ_NAME $$"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\n b\t c ", "a b c", id="one-line"),
        pytest.param("x" * 255, "x" * 255, id="just-fits"),
        pytest.param("x" * 256, "x" * 252 + "...", id="no-word-to-cut-at"),
        pytest.param("word " * 60, ("word " * 50).strip() + "...", id="cut-at-a-word"),
    ],
)
def test_a_summary(text: str, expected: str) -> None:
    assert template.summary(text) == expected


@given(st.text())
def test_a_summary_is_one_line_of_at_most_255_characters(text: str) -> None:
    line = template.summary(text)
    assert len(line) <= 255 and line.splitlines() in ([], [line])


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["a"], "a", id="one"),
        pytest.param([f"h{number}" for number in range(20)], ", ".join(f"h{n}" for n in range(20)), id="twenty"),
        pytest.param(
            [f"h{number}" for number in range(232)],
            ", ".join(f"h{n}" for n in range(20)) + " ... and 212 more",
            id="capped",
        ),
    ],
)
def test_a_list_is_capped(items: list[str], expected: str) -> None:
    assert template.listed(items) == expected
