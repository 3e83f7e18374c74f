"""From a description to the file that InsightConnect imports.

The shape is that of published workflows (rapid7/insightconnect-workflows, file version 2.0.0). Ids are made from names,
so that the same description makes the same file. Nothing made here has been imported into a live InsightConnect.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tools.workflows.description import Description, all_steps
from tools.workflows.expression import parse
from tools.workflows.schemas import Plugin, Schema

Json = dict[str, Any]
NAMESPACE = uuid.UUID("5b0f2f6e-52f7-4e0a-9d5f-6a9d2c1e7b30")
GOES_ON, JOB_FAILS = "goes on", "the job fails"
# What a step of a description is called by.
NAMED = ("action", "decision", "join", "loop", "artifact", "pattern")
_TAG = re.compile(r"\{\{.*?\}\}")
_FIRST_NAME = re.compile(r"(?<![.\w])\[([^\]$][^\]]*)\]")
_PATTERN_PART = re.compile(r"\{\{(\w+):/(.*?)/\}\}")


def icon(description: Description, plugins: Mapping[str, Plugin], facts: Mapping[str, Any]) -> Json:
    """The content of a .icon file; ``facts`` are those of insightconnect.json.

    Raises ValueError where a description names what there is not: a step, a plugin, a way to fail.
    """
    return _Workflow(description, plugins, facts).file()


class _Workflow:
    def __init__(self, description: Description, plugins: Mapping[str, Plugin], facts: Mapping[str, Any]) -> None:
        self._described = description
        self._plugins = plugins
        self._facts = facts
        self._nodes: dict[str, Json] = {}
        self._edges: dict[str, Json] = {}
        self._steps: dict[str, Json] = {}
        self._into: dict[str, dict[str, Mapping[str, str]]] = {}
        self._trigger: Json = {}
        self._writers: dict[str, Callable[[Description, list[Description], str], None]] = {
            "action": self._action,
            "decision": self._decision,
            "loop": self._loop,
            "artifact": self._artifact,
            "pattern": self._pattern,
        }
        names = [description["trigger"]["name"], *map(_name, all_steps(description["steps"]))]
        named = [name for name in names if name]
        if len(set(named)) < len(named):
            raise ValueError(f"two steps of {description['name']} have the same name: {sorted(named)}")
        self._ids = {name: self._id("step", name) for name in named}

    def _id(self, *parts: str) -> str:
        return str(uuid.uuid5(NAMESPACE, "\n".join((self._described["name"], *parts))))

    def file(self) -> Json:
        """The whole file."""
        described = self._described
        source = self._add_trigger(described["trigger"])
        self._line(source, "", described["steps"], "")
        version: Json = {
            "name": described["title"],
            "type": "runnable",
            "version": "",
            "description": described["description"],
            "graph": {"edges": self._edges, "nodes": self._nodes},
            "steps": self._steps,
            "tags": None,
            "humanCostSeconds": described["minutes_saved"] * 60,
            "humanCostDisplayUnit": "minutes",
        }
        if "parameters" in described:
            schema = {"type": "object", "required": [], "properties": described["parameters"], "definitions": {}}
            version["parameters"] = {"definitionSchema": schema}
        return {
            "kom": {
                "komandVersion": self._facts["komandVersion"],
                "komFileVersion": self._facts["komFileVersion"],
                "exportedAt": f"{described['released']}T00:00:00Z",
                "workflowVersions": [version],
                "triggers": [self._trigger],
            }
        }

    def _add_trigger(self, described: Description) -> str:
        name = described["name"]
        trigger_id = self._id("trigger", name)
        own: Json = {"id": trigger_id, "name": name, "description": "", "input": None, "tags": []}
        more: Json = {"triggerId": trigger_id}
        if "run" in described:
            plugin, step, identifier = self._plugin_step(described["run"], "triggers")
            takes, gives, picture = step.takes, step.gives, "default"
            reference = self._plugin_reference(plugin)
            own |= {"type": "trigger_plugin", "identifier": identifier, "input": described["input"]}
            own |= {"plugin": reference}
            more |= {"identifier": identifier, "parameters": {"input": described["input"]}, "plugin": reference}
        elif "event" in described:
            takes = gives = self._facts["events"][described["event"]]
            picture = "trigger-api-vm"
            own |= {"type": "trigger_api_vm_webhook", "identifier": described["event"]}
            more |= {"identifier": described["event"]}
        else:
            fields = {field: {"type": kind} for field, kind in described["receives"].items()}
            takes = gives = {"definitions": {}, "properties": fields, "type": "object"}
            picture = "trigger-api"
            own |= {"type": "trigger_api", "options": {"webhookEnabled": True}}
        self._trigger = {**own, "inputJsonSchema": takes, "outputJsonSchema": gives}
        more |= {"connectionType": "CONNECTION" if "run" in described else "NONE"}
        return self._add(name, "", "trigger", more, takes=takes, gives=gives, picture=picture)

    def _plugin_step(self, run: str, kind: str) -> tuple[Plugin, Any, str]:
        name, identifier = run.split(".")
        try:
            plugin = self._plugins[name]
            return plugin, plugin.steps[f"{kind}.{identifier}"], identifier
        except KeyError as unknown:
            raise ValueError(f"{run} is not known, {unknown} is missing in workflows/facts") from None

    @staticmethod
    def _plugin_reference(plugin: Plugin) -> Json:
        return {
            "name": plugin.title,
            "slugVendor": plugin.vendor,
            "slugName": plugin.name,
            "slugVersion": plugin.version,
            "imageData": plugin.icon,
        }

    def _add(
        self,
        name: str,
        parent: str,
        kind: str,
        more: Json,
        *,
        takes: Schema | None = None,
        gives: Schema | None = None,
        custom: Schema | None = None,
        picture: str = "",
    ) -> str:
        """A node and its step; returns their id."""
        node = self._ids[name]
        self._nodes[node] = {"id": node, "parentNodeId": parent}
        self._steps[node] = {
            "nodeId": node,
            "name": name,
            "type": kind,
            "continueOnFailure": False,
            "isDisabled": False,
            "defaultInputJSONSchema": takes,
            "defaultOutputJSONSchema": gives,
            "outputJSONSchema": custom,
            "defaultImageData": f"{self._facts['icons']}{picture}.svg" if picture else "",
            "connectionType": "NONE",
            **more,
        }
        return node

    def _edge(self, source: str, label: str, target: str, parent: str) -> str:
        edge = self._id("edge", source, parent, label)
        ends = {"parentNodeId": parent, "fromNodeId": source, "toNodeId": target}
        self._edges[edge] = {"id": edge, "name": label, "description": "", **ends}
        return edge

    def _line(self, source: str, label: str, steps: list[Description], parent: str) -> str:
        """Steps that follow each other, from ``source`` on; returns the edge that leads to the first one."""
        if not steps:
            return self._edge(source, label, "", parent)
        first, rest = steps[0], steps[1:]
        if "into" in first:
            edge = self._edge(source, label, self._ids[first["into"]], parent)
            values = {name: self._resolved(value) for name, value in first["values"].items()}
            self._into.setdefault(first["into"], {})[edge] = values
            return edge
        kind = next((kind for kind in self._writers if kind in first), "")
        if not kind:
            raise ValueError(f"a step is none of {', '.join(self._writers)}: {first}")
        edge = self._edge(source, label, self._ids[first[kind]], parent)
        self._writers[kind](first, rest, parent)
        return edge

    def _action(self, step: Description, rest: list[Description], parent: str) -> None:
        plugin, known, identifier = self._plugin_step(step["run"], "actions")
        if step.get("if_it_fails") not in (GOES_ON, JOB_FAILS):
            raise ValueError(f"{step['action']} does not say whether the job fails or goes on where it fails")
        more = {
            "plugin": self._plugin_reference(plugin),
            "identifier": identifier,
            "isCloud": False,
            "continueOnFailure": step["if_it_fails"] == GOES_ON,
            "parameters": {"input": {name: self._resolved(value) for name, value in step["input"].items()}},
            "connectionType": "CONNECTION",
        }
        node = self._add(step["action"], parent, "action", more, takes=known.takes, gives=known.gives)
        self._line(node, "", rest, parent)

    def _decision(self, step: Description, rest: list[Description], parent: str) -> None:
        if rest and "join" not in rest[0]:
            raise ValueError(f"after {step['decision']} only a join can follow, or what is in its branches")
        parameters: Json = {}
        more = {"parameters": parameters}
        node = self._add(step["decision"], parent, "automated_decision", more, picture="automated-decision")
        cases, default = [], ""
        for branch in step["branches"]:
            edge = self._line(node, branch["edge"], branch.get("steps", []), parent)
            text = self._resolved(branch.get("if", ""))
            default = default if text else edge
            cases.append({"edgeId": edge, "expression": parse(text) if text else {}, "expressionText": text})
        parameters |= {"defaultEdgeId": default, "stepControlParams": cases}
        if rest:
            self._join(rest[0], rest[1:], parent)

    def _join(self, step: Description, rest: list[Description], parent: str) -> None:
        sources = self._into.get(step["join"], {})
        if not all(values.keys() == step["types"].keys() for values in sources.values()):
            raise ValueError(f"not every branch brings the values of {step['join']}: {', '.join(step['types'])}")
        properties = {
            name: {"description": f'Emitted variable "{name}"', "order": place, "title": name, "type": kind}
            for place, (name, kind) in enumerate(step["types"].items(), start=1)
        }
        schema = {"properties": properties, "title": "Variables", "type": "object"}
        variables = [
            {
                "arrayType": None,
                "inputBuilderSchemas": None,
                "name": name,
                "type": kind,
                "variables": {edge: values[name] for edge, values in sources.items()},
            }
            for name, kind in step["types"].items()
        ]
        parameters = {"decisionEdgeIds": list(sources), "variableSets": variables}
        node = self._add(step["join"], parent, "join", {"parameters": parameters}, gives=schema, custom=schema)
        self._line(node, "", rest, parent)

    def _loop(self, step: Description, rest: list[Description], parent: str) -> None:
        parameters: Json = {"customOutput": []}
        variables = {"properties": {}, "title": "Variables", "type": "object"}
        node = self._add(step["loop"], parent, "loop", {"parameters": parameters}, custom=variables, picture="loop")
        parameters["innerEdgeId"] = self._line(node, "", step["steps"], node)
        parameters["nextEdgeId"] = self._line(node, "", rest, parent)
        parameters["repeatVariable"] = self._resolved(step["over"])

    def _artifact(self, step: Description, rest: list[Description], parent: str) -> None:
        more = {"parameters": {"input": {"content": self._resolved(step["content"])}, "type": "markdown"}}
        node = self._add(step["artifact"], parent, "artifact", more, picture="artifact")
        self._line(node, "", rest, parent)

    def _pattern(self, step: Description, rest: list[Description], parent: str) -> None:
        parameters = {
            "captureAll": False,
            "expressionText": step["find"],
            "expressions": _pattern_parts(step["find"]),
            "ignoreCase": False,
            "input": self._resolved(step["input"]),
        }
        more = {"parameters": parameters}
        node = self._add(step["pattern"], parent, "pattern_match", more, picture="pattern-match")
        self._line(node, "", rest, parent)

    def _resolved(self, value: Any) -> Any:
        """A value with ids in the place of the names of steps, inside of tags."""
        if not isinstance(value, str):
            return value

        def identified(match: re.Match[str]) -> str:
            if match[1] not in self._ids:
                raise ValueError(f"{self._described['name']} has no step {match[1]!r}, which {value!r} names")
            return f"[{self._ids[match[1]]}]"

        return _TAG.sub(lambda tag: _FIRST_NAME.sub(identified, tag[0]), value)


def _name(step: Description) -> str:
    """The name of a step, "" for one that is no node."""
    return str(next((step[kind] for kind in NAMED if kind in step), ""))


def _pattern_parts(find: str) -> list[Json]:
    """A pattern, ``Text {{name:/regex/}}``, as its plain and its variable parts."""
    parts: list[Json] = []
    place = 0
    for match in _PATTERN_PART.finditer(find):
        if match.start() > place:
            parts.append({"type": "text", "value": find[place : match.start()]})
        parts.append({"type": "variable", "value": {"ident": match[1], "regex": match[2]}})
        place = match.end()
    return parts
