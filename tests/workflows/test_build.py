"""The bundles: the same each time, of the plugin's own schemas, and free of what nobody may know."""

import json
import re

import pytest
import yaml

from komand_haloitsm import actions, triggers
from tools.tree import ROOT, is_plugin_file, read_spec, tree_files
from tools.workflows import __main__ as command
from tools.workflows import bundle, facts
from tools.workflows.description import every_description
from tools.workflows.expression import parse
from tools.workflows.icon import icon
from tools.workflows.schemas import all_plugins, read_facts, read_schemas

NAMES = [description["name"] for description in every_description()]


@pytest.fixture(scope="module")
def bundles():
    return {name: (content, files) for name, content, files in command.build()}


def test_there_are_five_and_each_is_as_it_would_be_built(bundles):
    assert len(bundles) == 5
    assert {name: command.differences(command.FOLDER / name, files) for name, (_, files) in bundles.items()} == {
        name: [] for name in bundles
    }


def test_building_again_makes_the_same_bytes(bundles):
    again = {name: files for name, _, files in command.build()}
    assert again == {name: files for name, (_, files) in bundles.items()}


def test_a_changed_missing_or_additional_file_is_a_difference(bundles, tmp_path):
    _, files = bundles[NAMES[0]]
    bundle.write(tmp_path, files)
    assert command.differences(tmp_path, files) == []
    (tmp_path / "help.md").write_text("changed")
    (tmp_path / "workflow.spec.yaml").unlink()
    (tmp_path / "notes.txt").write_text("additional")
    (tmp_path / bundle.PICTURE).write_bytes(bundles[NAMES[1]][1][bundle.PICTURE])
    assert command.differences(tmp_path, files) == ["help.md", "notes.txt", bundle.PICTURE, "workflow.spec.yaml"]


def test_the_command_says_what_is_wrong(bundles, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "build", lambda: iter([(NAMES[0], *bundles[NAMES[0]])]))
    assert command.main(["--check"]) == 1
    assert f"FAILED: {NAMES[0]}: help.md is not what make workflows writes" in capsys.readouterr().out
    assert command.main([]) == 0 and command.main(["--check"]) == 0


def test_every_step_has_the_plugins_name_version_and_schemas(bundles):
    spec = read_spec()
    kinds = {kind().name: kind() for kind in (*_classes(actions), *_classes(triggers))}
    seen = set()
    for content, _ in bundles.values():
        for step in content["kom"]["workflowVersions"][0]["steps"].values():
            plugin = step.get("plugin", {})
            if plugin.get("slugName") == spec["name"]:
                known = kinds[step["identifier"]]
                schemas = (step["defaultInputJSONSchema"], step["defaultOutputJSONSchema"])
                assert schemas == (known.input.schema, known.output.schema)
                assert (plugin["name"], plugin["slugVersion"]) == (spec["title"], spec["version"])
                seen.add(step["identifier"])
    used = {"create_ticket", "get_ticket", "search_tickets", "update_ticket", "close_ticket", "add_comment"}
    assert seen == used | {"ticket_status_changed"}


def _classes(module):
    return [kind for name, kind in vars(module).items() if isinstance(kind, type) and name[0].isupper()]


def test_schemas_of_other_plugins_say_where_they_come_from():
    for name in ("rapid7_insightidr", "rapid7_insightvm", "insightconnect"):
        origin = read_facts(name)["origin"]
        assert re.fullmatch(r"rapid7/insightconnect-(plugins|workflows)", origin["repository"])
        assert re.fullmatch(r"[0-9a-f]{40}", origin["commit"])


def test_facts_are_read_from_a_clone(tmp_path):
    class Clone:
        commit = "0" * 40

        def read(self, path):
            if path.endswith("plugin.spec.yaml"):
                return "title: Other\nvendor: rapid7\nname: other\nversion: 1.2.3\n"
            assert path == "plugins/other/komand_other/actions/look/schema.py"
            return (ROOT / "komand_haloitsm/actions/get_ticket/schema.py").read_text()

    read = facts.facts_of(Clone(), "other", ["actions.look"])
    assert read["version"] == "1.2.3" and read["icon"].endswith("/rapid7/other/1.2.3/icon.png")
    assert read["steps"]["actions.look"]["input"]["required"] == ["ticket_id"]
    with pytest.raises(ValueError, match="does not have an input and an output"):
        read_schemas("nothing")


@pytest.mark.parametrize(
    "change, told",
    [
        (
            {
                "steps": [
                    {"decision": "A", "branches": [{"edge": "x", "steps": [{"into": "J", "values": {}}]}]},
                    {"join": "J", "types": {"Priority": "integer"}},
                ]
            },
            "not every branch brings the values of J: Priority",
        ),
        ({"steps": [{"action": "A", "run": "haloitsm.get_ticket", "input": {}}]}, "whether the job fails or goes on"),
        ({"steps": [{"artifact": "A", "content": "{{[Nobody].[x]}}"}]}, "has no step 'Nobody'"),
        ({"steps": [{"action": "A", "run": "haloitsm.fly", "input": {}}]}, "haloitsm.fly is not known"),
        ({"steps": [{"dance": "A"}]}, "a step is none of"),
        ({"steps": [{"artifact": "A", "content": ""}, {"artifact": "A", "content": ""}]}, "the same name"),
        (
            {"steps": [{"decision": "A", "branches": [{"edge": "x"}]}, {"artifact": "B", "content": ""}]},
            "only a join can follow",
        ),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        icon({**every_description()[0], **change}, all_plugins(), read_facts("insightconnect"))


@pytest.mark.parametrize(
    "text", ["", "{{[a].[b]}} ==", "{{[a].[b]}} true", "{{[a].[b]}} == maybe", "length({{[a].[b]}}", "a'b"]
)
def test_a_condition_that_is_not_understood_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)


def test_a_condition_becomes_the_tree_that_published_workflows_have():
    tree = parse("length({{[a].[b]}}) > 0 AND {{$workflow.[Max Hosts]}} == 3 OR {{[c].[$success]}} != true")
    left = {"args": [{"name": "a.b", "type": "variable"}], "name": "length", "type": "function"}
    more = {"left": left, "op": ">", "right": {"type": "literal", "value": 0}, "type": "binary"}
    three = {"type": "literal", "value": 3}
    name = {"name": "$workflow.Max Hosts", "type": "variable"}
    hosts = {"left": name, "op": "==", "right": three, "type": "binary"}
    success = {"name": "c.$success", "type": "variable"}
    failed = {"left": success, "op": "!=", "right": {"type": "literal", "value": True}, "type": "binary"}
    both = {"left": more, "op": "AND", "right": hosts, "type": "binary"}
    assert tree == {"left": both, "op": "OR", "right": failed, "type": "binary"}


@pytest.mark.parametrize("name", NAMES)
def test_help_and_listing_tell_what_the_file_holds(bundles, name):
    content, files = bundles[name]
    version = content["kom"]["workflowVersions"][0]
    spec, text = yaml.safe_load(files["workflow.spec.yaml"]), files["help.md"].decode()
    assert ("parameters" in spec["hub_tags"]["keywords"]) == ("parameters" in version)
    for parameter in version.get("parameters", {}).get("definitionSchema", {}).get("properties", {}):
        assert f"`{parameter}`" in text
    assert "Nobody has imported this workflow into a live InsightConnect yet" in text
    for step in version["steps"].values():
        if step["type"] == "action":
            assert step["name"] in text


def test_the_plugin_holds_nothing_of_it():
    assert not [name for name in tree_files() if "workflow" in name.casefold() and is_plugin_file(name)]
    allowed = (ROOT / ".dockerignore").read_text()
    assert "*\n!bin\n" in allowed and "workflow" not in allowed


def test_no_workflow_holds_a_connection_or_an_address_of_anybody(bundles):
    for content, _ in bundles.values():
        text = json.dumps(content["kom"]["workflowVersions"][0]["steps"])
        values = json.dumps(
            [step.get("parameters") for step in content["kom"]["workflowVersions"][0]["steps"].values()]
        )
        assert "secret" not in text.casefold() and "://" not in values and "@" not in values
