"""Whether a workflow file holds together: what a person who imports it would find out step by step.

It reads nothing but the file, so that it judges what was built and not what was meant. Held to are: edges and their
ends, the way to the end, what templates and conditions refer to, the inputs of steps, decisions, joins and loops, and
that a step whose failure does not fail the job is followed by a decision on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.workflows.references import Reference, references_in, type_at, type_of, whole_reference

Json = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What is certain on the way to a step: the steps that ran before it, and those of them that succeeded."""

    before: frozenset[str]
    succeeded: frozenset[str]

    def __and__(self, other: Known) -> Known:
        return Known(self.before & other.before, self.succeeded & other.succeeded)


def problems(content: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the content of a .icon file, as sentences; [] for a sound one."""
    kom = content["kom"]
    if len(kom["workflowVersions"]) != 1 or len(kom["triggers"]) != 1:
        return ["the file does not hold exactly one workflow and one trigger"]
    workflow = _Workflow(kom["workflowVersions"][0], kom["triggers"][0])
    # What follows reads the graph and would stumble over a broken one.
    return list(workflow.graph_problems()) or list(workflow.way_problems()) or list(workflow.step_problems())


class _Workflow:
    def __init__(self, version: Json, trigger: Json) -> None:
        self._steps: dict[str, Json] = version["steps"]
        self._nodes: dict[str, Json] = version["graph"]["nodes"]
        self._edges: dict[str, Json] = version["graph"]["edges"]
        definition = (version.get("parameters") or {}).get("definitionSchema") or {}
        self._parameters: Json = definition.get("properties", {})
        self._trigger = trigger
        self._known: dict[str, Known] = {}
        self._on_edge: dict[str, Known] = {}

    def _called(self, node: str) -> str:
        return f"step {self._steps[node]['name']!r}" if node in self._steps else f"node {node!r}"

    def _out(self, node: str) -> list[Json]:
        return [edge for edge in self._edges.values() if edge["fromNodeId"] == node]

    def _into(self, node: str) -> list[Json]:
        return [edge for edge in self._edges.values() if edge["toNodeId"] == node]

    def _is(self, node: str, kind: str) -> bool:
        return bool(self._steps[node]["type"] == kind)

    # ------------------------------------------------------------------------------------------------- the graph

    def graph_problems(self) -> Iterator[str]:
        """Nodes without a step and the other way round, edges that lead nowhere or out of their loop."""
        for node in self._nodes.keys() ^ self._steps.keys():
            yield f"{self._called(node)} is not both a node and a step"
        for name, items in (("id", self._nodes), ("nodeId", self._steps), ("id", self._edges)):
            yield from (f"{key!r} has the {name} {item[name]!r}" for key, item in items.items() if item[name] != key)
        names = [step["name"] for step in self._steps.values()]
        yield from (f"two steps have the name {name!r}" for name in sorted(set(names)) if names.count(name) > 1)
        for edge in self._edges.values():
            yield from self._edge_problems(edge)

    def _edge_problems(self, edge: Json) -> Iterator[str]:
        source, target, parent = edge["fromNodeId"], edge["toNodeId"], edge["parentNodeId"]
        if source not in self._nodes or source not in self._steps:
            yield f"edge {edge['id']!r} begins at {source!r}, which is no step"
            return
        called = f"the edge {edge['name']!r} of {self._called(source)}"
        if target and (target not in self._nodes or target not in self._steps):
            yield f"{called} leads to {target!r}, which is no step"
        elif target and self._nodes[target]["parentNodeId"] != parent:
            yield f"{called} leads into another loop than its own"
        begins_loop = parent == source and self._is(source, "loop")
        if self._nodes[source]["parentNodeId"] != parent and not begins_loop:
            yield f"{called} begins in another loop than its own"

    # --------------------------------------------------------------------------------------- the way to the end

    def way_problems(self) -> Iterator[str]:
        """Where it begins, which ways there are, and whether each of them ends."""
        begins = [node for node in self._nodes if self._is(node, "trigger")]
        if len(begins) != 1 or self._into(begins[0]):
            yield "the workflow does not begin at exactly one trigger"
            return
        if self._steps[begins[0]].get("triggerId") != self._trigger["id"]:
            yield f"{self._called(begins[0])} does not belong to the trigger of the file"
        for node in self._nodes:
            yield from self._ways_out(node)
            yield from self._ways_in(node)
        yield from self._walk(begins[0])

    def _ways_out(self, node: str) -> Iterator[str]:
        step, out = self._steps[node], {edge["id"] for edge in self._out(node)}
        parameters = step.get("parameters") or {}
        if step["type"] == "automated_decision":
            cases = parameters["stepControlParams"]
            if sorted(case["edgeId"] for case in cases) != sorted(out):
                yield f"the cases of {self._called(node)} are not its edges"
            empty = [case["edgeId"] for case in cases if not case["expression"] or not case["expressionText"]]
            if empty != [parameters["defaultEdgeId"]]:
                yield f"{self._called(node)} does not have exactly one case without a condition, its default"
        elif step["type"] == "loop":
            if {parameters["innerEdgeId"], parameters["nextEdgeId"]} != out or len(out) != 2:
                yield f"the edges of {self._called(node)} are not one into the loop and one that follows it"
            elif self._edges[parameters["innerEdgeId"]]["parentNodeId"] != node:
                yield f"the first edge inside of {self._called(node)} is not in the loop"
            elif self._edges[parameters["nextEdgeId"]]["parentNodeId"] == node:
                yield f"the edge that follows {self._called(node)} is still in the loop"
        elif len(out) != 1:
            yield f"{self._called(node)} is followed by {len(out)} edges"

    def _ways_in(self, node: str) -> Iterator[str]:
        found = [edge["id"] for edge in self._into(node)]
        if self._is(node, "join"):
            parameters = self._steps[node]["parameters"]
            if sorted(parameters["decisionEdgeIds"]) != sorted(found):
                yield f"{self._called(node)} does not join exactly the edges that lead to it"
            for variable in parameters["variableSets"]:
                if sorted(variable["variables"]) != sorted(found):
                    yield f"the variable {variable['name']!r} of {self._called(node)} has no value for some edge"
        elif len(found) > 1:
            yield f"{len(found)} edges lead to {self._called(node)}, which is no join"

    def _walk(self, begin: str) -> Iterator[str]:
        """Goes every way, and learns what is certain before each step. A step comes after all that lead to it."""
        waiting = {begin: Known(frozenset(), frozenset())}
        while waiting:
            node, known = waiting.popitem()
            self._known[node] = known
            for edge in self._out(node):
                self._on_edge[edge["id"]] = self._after(node, edge)
                target = edge["toNodeId"]
                ways = [one["id"] for one in self._into(target)] if target else []
                if ways and all(way in self._on_edge for way in ways):
                    waiting[target] = _common([self._on_edge[way] for way in ways])
        for node in self._nodes.keys() - self._known.keys():
            yield f"no way leads from the trigger to {self._called(node)}, or it goes round in circles"

    def _after(self, node: str, edge: Json) -> Known:
        step, known = self._steps[node], self._known[node]
        succeeded = known.succeeded if step["continueOnFailure"] else known.succeeded | {node}
        if step["type"] == "automated_decision":
            case = next(case for case in step["parameters"]["stepControlParams"] if case["edgeId"] == edge["id"])
            succeeded |= set(_said_to_succeed(case["expression"]))
        return Known(known.before | {node}, succeeded)

    # ------------------------------------------------------------------------------------------------- the steps

    def step_problems(self) -> Iterator[str]:
        """What each step refers to, and what it is given."""
        for node, step in self._steps.items():
            for problem in self._problems_of(node, step):
                yield f"{self._called(node)} {problem}"

    def _problems_of(self, node: str, step: Json) -> Iterator[str]:
        parameters, known = step.get("parameters") or {}, self._known[node]
        if step["type"] in ("action", "trigger"):
            yield from self._input_problems(step, parameters.get("input") or {}, known)
        if step["type"] == "action":
            yield from self._failure_problems(node, step)
        elif step["type"] == "automated_decision":
            for case in parameters["stepControlParams"]:
                yield from self._condition_problems(case, known)
        elif step["type"] == "loop":
            yield from self._text_problems(parameters["repeatVariable"], known)
            if type_of(self._type_of_text(parameters["repeatVariable"])) != "array":
                yield "does not go over a list"
        elif step["type"] == "join":
            for variable in parameters["variableSets"]:
                for edge, value in variable["variables"].items():
                    yield from self._value_problems(variable["name"], value, variable, self._on_edge[edge])
        elif step["type"] == "artifact":
            yield from self._text_problems(parameters["input"]["content"], known)
        elif step["type"] == "pattern_match":
            yield from self._text_problems(parameters["input"], known)

    def _failure_problems(self, node: str, step: Json) -> Iterator[str]:
        inside, goes_on = bool(self._nodes[node]["parentNodeId"]), step["continueOnFailure"]
        if inside and not goes_on:
            yield "is in a loop, and its failure would end the rounds that follow"
        following = self._out(node)[0]["toNodeId"]
        cases = self._steps[following]["parameters"].get("stepControlParams", ()) if following else ()
        if goes_on and not any(node in _said_to_succeed(case["expression"]) for case in cases):
            yield "goes on after a failure, and no decision on its success follows"

    def _input_problems(self, step: Json, given: Json, known: Known) -> Iterator[str]:
        schema = step["defaultInputJSONSchema"] or {}
        if "plugin" not in step:
            return
        for name in schema.get("required", ()):
            if given.get(name) in (None, ""):
                yield f"is not given its input {name!r}"
        for name, value in given.items():
            wanted = schema.get("properties", {}).get(name)
            if wanted is None:
                yield f"is given {name!r}, which is none of its inputs"
            else:
                yield from self._value_problems(name, value, wanted, known)

    def _value_problems(self, name: str, value: Any, wanted: Json, known: Known) -> Iterator[str]:
        if isinstance(value, str):
            yield from self._text_problems(value, known)
        offered = type_of(self._type_of_text(value)) if isinstance(value, str) else _json_type(value)
        if offered and offered != type_of(wanted) and (offered, type_of(wanted)) != ("integer", "number"):
            yield f"takes {name!r} as {type_of(wanted)} and is given {offered}"
        if isinstance(value, str) and wanted.get("enum") and "{{" not in value and value not in wanted["enum"]:
            yield f"is given {value!r} as {name!r}, which is none of {', '.join(wanted['enum'])}"

    def _condition_problems(self, case: Json, known: Known) -> Iterator[str]:
        yield from self._text_problems(case["expressionText"], known)
        for left, right in _comparisons(case["expression"]):
            kinds = {self._operand_type(left), self._operand_type(right)} - {""}
            if len(kinds) > 1 and kinds != {"integer", "number"}:
                yield f"compares {' and '.join(sorted(kinds))} in {case['expressionText']!r}"
        written = sorted(reference.dotted for reference in references_in(case["expressionText"]))
        if written != sorted(_variables(case["expression"])):
            yield f"has a condition that says something else than its text {case['expressionText']!r}"

    def _operand_type(self, operand: Json) -> str:
        if operand["type"] == "literal":
            return _json_type(operand["value"])
        if operand["type"] == "function":
            return {"length": "integer", "is_defined": "boolean"}[operand["name"]]
        return type_of(self._type_at(Reference.from_dotted(operand["name"])))

    def _text_problems(self, text: str, known: Known) -> Iterator[str]:
        outside = re.sub(r"\{\{.*?\}\}", "", text)
        if "{{" in outside or "}}" in outside:
            yield f"has a tag that is not closed in {text!r}"
        for reference in references_in(text):
            problem = self._reference_problem(reference, known)
            if problem:
                yield f"refers to {reference.tag}, {problem}"

    def _reference_problem(self, reference: Reference, known: Known) -> str:
        source, last = reference.step, reference.path[-1] if reference.path else ""
        if source == "$job":
            return "" if reference.path == ("URL",) else "which no job has"
        if source == "$workflow":
            return "" if last in self._parameters else "which is no parameter of the workflow"
        if source not in self._steps:
            return "which is no step"
        if source not in known.before:
            return f"but {self._called(source)} does not come before it on every way"
        if last != "$success" and source not in known.succeeded:
            return f"but {self._called(source)} may have failed on the way"
        if self._type_at(reference) is None:
            return f"which {self._called(source)} does not give"
        return ""

    def _type_of_text(self, text: str) -> Json | None:
        """The type of what a text becomes: that of its only reference where it is one, else a string."""
        reference = whole_reference(text)
        return self._type_at(reference) if reference else {"type": "string"}

    def _type_at(self, reference: Reference) -> Json | None:
        """The type of what is referred to, None where there is no such thing."""
        path = reference.path
        if reference.step == "$workflow":
            found: Json | None = self._parameters.get(path[0]) if path else None
            return found
        if reference.step == "$job":
            return {"type": "string"}
        step = self._steps.get(reference.step)
        if step is None or not path:
            return None
        if path == ("$success",):
            return {"type": "boolean"} if step["type"] == "action" else None
        if step["type"] == "pattern_match":
            parts = step["parameters"]["expressions"]
            names = {part["value"]["ident"] for part in parts if part["type"] == "variable"}
            matched: Json = {"$matched": {"type": "boolean"}, **{name: {"type": "string"} for name in names}}
            return type_at({"properties": matched}, path)
        if step["type"] == "loop" and path[0] == "$item":
            over = whole_reference(step["parameters"]["repeatVariable"])
            listed = self._type_at(over) if over else None
            return type_at(listed, ("0", *path[1:])) if listed else None
        return type_at(step["defaultOutputJSONSchema"], path)


def _common(ways: list[Known]) -> Known:
    known = ways[0]
    for way in ways[1:]:
        known &= way
    return known


def _said_to_succeed(expression: Json) -> Iterator[str]:
    """The steps of which a condition says, whatever else it says, that they succeeded."""
    if expression.get("op") == "AND":
        yield from _said_to_succeed(expression["left"])
        yield from _said_to_succeed(expression["right"])
    elif expression.get("op") == "==" and expression["right"] == {"type": "literal", "value": True}:
        step, _, field = expression["left"].get("name", "").partition(".")
        if field == "$success":
            yield step


def _comparisons(expression: Json) -> Iterator[tuple[Json, Json]]:
    if expression.get("op") in ("AND", "OR"):
        yield from _comparisons(expression["left"])
        yield from _comparisons(expression["right"])
    elif expression.get("type") == "binary":
        yield expression["left"], expression["right"]


def _variables(expression: Json) -> Iterator[str]:
    if expression.get("type") == "variable":
        yield expression["name"]
    for part in (*expression.get("args", ()), *(expression.get(side) for side in ("left", "right"))):
        if part:
            yield from _variables(part)


def _json_type(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "")
