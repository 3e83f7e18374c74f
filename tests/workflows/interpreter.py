"""Plays the file of a workflow, so that its steps meet the plugin before anybody imports it.

It does what published workflows show that InsightConnect does, and is strict where that is not known: a value that is
not there is an error in a condition, in a list and in an input that consists of it, and empty within a text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonschema

Json = dict[str, Any]
# Takes plugin, identifier and input; returns the output, None where the step failed.
Doer = Callable[[str, str, Json], Json | None]

_TAG = re.compile(r"(\{\{.*?\}\})")
_OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
    "AND": lambda left, right: bool(left and right),
}


class JobFailed(Exception):
    """A step failed and nothing in the workflow was to follow that."""


@dataclass
class Job:
    """One run: what was given, and what became of it."""

    version: Json
    do: Doer
    values: Json
    done: list[str] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)

    # -------------------------------------------------------------------------------------------------- the way

    def go(self, edge: Json) -> None:
        """Does what an edge leads to, up to the end."""
        while edge["toNodeId"]:
            node = edge["toNodeId"]
            step = self.version["steps"][node]
            self.done.append(step["name"])
            edge = self.edges[getattr(self, f"_{step['type']}")(node, step, edge["id"])]

    @property
    def edges(self) -> Json:
        edges: Json = self.version["graph"]["edges"]
        return edges

    def after(self, node: str) -> str:
        """The only edge that leads out of a step."""
        (edge,) = [edge["id"] for edge in self.edges.values() if edge["fromNodeId"] == node]
        return str(edge)

    def _action(self, node: str, step: Json, _: str) -> str:
        given = {name: self.value(text) for name, text in step["parameters"]["input"].items()}
        jsonschema.validate(given, step["defaultInputJSONSchema"])
        output = self.do(step["plugin"]["slugName"], step["identifier"], given)
        self.values[node] = {"$success": output is not None, **(output or {})}
        if output is not None:
            jsonschema.validate(output, step["defaultOutputJSONSchema"])
        elif not step["continueOnFailure"]:
            raise JobFailed(step["name"])
        return self.after(node)

    def _automated_decision(self, _: str, step: Json, __: str) -> str:
        default = step["parameters"]["defaultEdgeId"]
        for case in step["parameters"]["stepControlParams"]:
            if case["edgeId"] != default and self.holds(case["expression"]):
                return str(case["edgeId"])
        return str(default)

    def _join(self, node: str, step: Json, edge: str) -> str:
        variables = step["parameters"]["variableSets"]
        self.values[node] = {variable["name"]: self.value(variable["variables"][edge]) for variable in variables}
        jsonschema.validate(self.values[node], step["outputJSONSchema"])
        return self.after(node)

    def _loop(self, node: str, step: Json, _: str) -> str:
        for item in self.value(step["parameters"]["repeatVariable"]):
            self.values[node] = {"$item": item}
            self.go(self.edges[step["parameters"]["innerEdgeId"]])
        return str(step["parameters"]["nextEdgeId"])

    def _artifact(self, node: str, step: Json, _: str) -> str:
        self.artifacts.append(self.text(step["parameters"]["input"]["content"]))
        return self.after(node)

    def _pattern_match(self, node: str, step: Json, _: str) -> str:
        regex = "".join(
            (
                re.escape(part["value"])
                if part["type"] == "text"
                else f"(?P<{part['value']['ident']}>{part['value']['regex']})"
            )
            for part in step["parameters"]["expressions"]
        )
        match = re.search(regex, self.text(step["parameters"]["input"]))
        self.values[node] = {"$matched": bool(match), **(match.groupdict() if match else {})}
        return self.after(node)

    # ---------------------------------------------------------------------------------------------- the values

    def value(self, text: Any) -> Any:
        """What an input becomes: the value that it names, with its type, or a text."""
        if not isinstance(text, str):
            return text
        whole = re.fullmatch(r"\{\{([^{}#/]+)\}\}", text)
        return self.looked_up(whole[1]) if whole else self.text(text)

    def looked_up(self, path: str) -> Any:
        """What a path leads to. Raises KeyError or IndexError where it leads nowhere."""
        here: Any = self.values
        for bracketed, plain in re.findall(r"\[([^\]]*)\]|([^.\[\]\s]+)", path):
            name = bracketed or plain
            here = here[int(name)] if isinstance(here, list) else here[name]
        return here

    def text(self, text: str) -> str:
        """A text with values in the place of its tags."""
        tokens = _TAG.split(text)
        return self._rendered(tokens, {}, True)

    def _rendered(self, tokens: list[str], item: Json, wanted: bool) -> str:
        written = ""
        while tokens:
            token = tokens.pop(0)
            inside = token.strip("{} ") if token.startswith("{{") else ""
            if inside in ("/each", "/if", "else"):
                tokens.insert(0, token)
                return written
            if inside.startswith("#each "):
                written += self._each(tokens, inside.partition(" ")[2]) if wanted else self._each(tokens, "")
            elif inside.startswith("#if "):
                yes = bool(self._found(inside.partition(" ")[2], item))
                written += self._rendered(tokens, item, wanted and yes)
                if tokens.pop(0) == "{{else}}":
                    written += self._rendered(tokens, item, wanted and not yes)
                    tokens.pop(0)
            elif wanted:
                written += str(self._found(inside, item)) if inside else token
        return written

    def _each(self, tokens: list[str], path: str) -> str:
        end = tokens.index("{{/each}}")
        body = tokens[:end]
        del tokens[: end + 1]
        return "".join(self._rendered(list(body), item, True) for item in (self._found(path, {}) or [] if path else []))

    def _found(self, path: str, item: Json) -> Any:
        try:
            return item[path] if path in item else self.looked_up(path)
        except (KeyError, IndexError):
            return ""

    def holds(self, expression: Json) -> Any:
        """What a condition, or a part of one, is."""
        if expression["type"] == "literal":
            return expression["value"]
        if expression["type"] == "variable":
            here: Any = self.values
            step, _, rest = expression["name"].partition(".")
            for name in (step, rest) if step == "$workflow" else (step, *rest.split(".")):
                here = here[int(name)] if isinstance(here, list) else here[name]
            return here
        return _OPERATIONS[expression["op"]](self.holds(expression["left"]), self.holds(expression["right"]))


def play(content: Json, event: Json, parameters: Json, do: Doer) -> Job:
    """Runs a workflow for an event of its trigger. Raises JobFailed where InsightConnect would show the job as failed."""
    version = content["kom"]["workflowVersions"][0]
    jsonschema.validate(event, content["kom"]["triggers"][0]["outputJsonSchema"])
    declared = version.get("parameters", {}).get("definitionSchema", {}).get("properties", {})
    assert set(parameters) == set(declared), "the workflow declares other parameters"
    (trigger,) = [node for node, step in version["steps"].items() if step["type"] == "trigger"]
    values = {trigger: event, "$workflow": parameters, "$job": {"URL": "https://example.com/jobs/1"}}
    job = Job(version, do, values)
    job.go(job.edges[job.after(trigger)])
    return job
