"""The spec: titles that errors use, examples that fit their action and show every field, and what help.md says."""

import json
import re

import pytest
import yaml
from entry_point import ROOT
from steps import ACTIONS, TRIGGERS

from komand_haloitsm.connection import Connection
from komand_haloitsm.util.insightconnect.titles import TITLES

SPEC = yaml.safe_load((ROOT / "plugin.spec.yaml").read_text(encoding="utf-8"))
HELP = (ROOT / "help.md").read_text(encoding="utf-8")
STEPS = {**SPEC["actions"], **SPEC["triggers"]}
SCHEMAS = {name: kind() for name, kind in {**ACTIONS, **TRIGGERS}.items()}
# An open ticket has none of these.
OF_CLOSED = {"dateclosed", "closure_note"}


def shown(output):
    example = STEPS[output]["output"]
    return (example["tickets"]["example"] if "tickets" in example else [example["ticket"]["example"]])[0]


def test_titles_are_those_of_the_form():
    declared = {
        name: each["title"]
        for schema in [*(step.input.schema for step in SCHEMAS.values()), Connection().schema]
        for name, each in schema["properties"].items()
    }
    told = {name for name in declared if name in TITLES}
    assert {name: declared[name] for name in told} == {name: TITLES[name] for name in told}
    inputs = {name for step in SCHEMAS.values() for name in step.input.schema["properties"]}
    assert inputs <= set(TITLES) and set(TITLES) - set(declared) == {"fields"}


@pytest.mark.parametrize("name", STEPS)
def test_the_example_of_an_output_is_valid_and_whole(name):
    output = {field: each["example"] for field, each in STEPS[name]["output"].items()}
    SCHEMAS[name].output.validate(json.loads(json.dumps(output, default=str)))
    assert set(output) == set(SCHEMAS[name].output.schema["properties"])


@pytest.mark.parametrize("name", [name for name in STEPS if name != "add_comment"])
def test_the_ticket_of_an_example_shows_every_field(name):
    ticket = shown(name)
    assert set(ticket) | OF_CLOSED == set(SPEC["types"]["ticket"])
    assert (OF_CLOSED <= set(ticket)) is ticket["closed"]


def test_the_examples_fit_their_action():
    closed = shown("close_ticket")
    assert (closed["status_name"], closed["closed"], closed["status_id"]) == ("Closed", True, 9)
    assert closed["closure_note"] == STEPS["close_ticket"]["input"]["resolution"]["example"]
    for name in ("update_ticket", "assign_ticket", "create_ticket"):
        given = {field: each["example"] for field, each in STEPS[name]["input"].items()}
        differing = STEPS[name]["output"].get("differing_fields", {}).get("example", [])
        for field in sorted(set(given) & set(shown(name)) - {"details", "customfields"}):
            assert (shown(name)[field] == given[field]) is (field not in differing), (name, field)
    changed = STEPS["ticket_status_changed"]["output"]
    assert shown("ticket_status_changed")["status_id"] == changed["new_status_id"]["example"]
    assert STEPS["add_comment"]["output"]["attachments"]["example"][0]["filename"] == (
        STEPS["add_comment"]["input"]["attachments"]["example"][0]["filename"]
    )


def test_supported_is_said_only_of_what_was_tested():
    assert [text.startswith("None verified yet") for text in SPEC["supported_versions"]] == [True]


RIGHTS = [
    "Tickets Read and Modify",
    "Customers Read Only",
    "Users Read Only",
    "Can add new Tickets",
    "Can Re-assign",
    "Can assign to Agents in Teams the Agent is not a member of",
    "Can always update Ticket Statuses and re-assign Tickets outside of actions",
    "read:tickets",
    "edit:tickets",
    "read:customers",
]


def test_help_carries_the_disclaimer_and_all_rights():
    requirements = re.search(r"# Requirements\n(.*?)\n# ", HELP, re.DOTALL).group(1)
    assert "run against a real HaloITSM" in requirements
    assert [right for right in RIGHTS if right not in requirements] == []
