"""Whether a workflow file holds together: what a person who imports it would find out step by step.

It reads nothing but the file, so that it judges what was built and not what was meant. Held to are: edges and their
ends, the way to the end, what templates and conditions refer to, the inputs of steps, decisions, joins and loops, and
that a step whose failure does not fail the job is followed by a decision on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tools.workflows.references import Reference, references_in, type_at, type_of, whole_reference
from tools.workflows.ways import Known, Ways, said_to_succeed

Json = dict[str, Any]


def problems(content: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the content of a .icon file, as sentences; [] for a sound one."""
    kom = content["kom"]
    if len(kom["workflowVersions"]) != 1 or len(kom["triggers"]) != 1:
        return ["the file does not hold exactly one workflow and one trigger"]
    version = kom["workflowVersions"][0]
    ways = Ways(version, kom["triggers"][0])
    # Each of them would stumble over what the one before it finds.
    for look in (ways.graph_problems, ways.way_problems, ways.walk_problems, _Steps(version, ways).problems):
        found = list(look())
        if found:
            return found
    return []


class _Steps:
    def __init__(self, version: Json, ways: Ways) -> None:
        self._ways = ways
        self._steps = ways.steps
        definition = (version.get("parameters") or {}).get("definitionSchema") or {}
        self._parameters: Json = definition.get("properties", {})

    def problems(self) -> Iterator[str]:
        """What each step refers to, and what it is given."""
        for node, step in self._steps.items():
            for problem in self._problems_of(node, step):
                yield f"{self._ways.called(node)} {problem}"

    def _problems_of(self, node: str, step: Json) -> Iterator[str]:
        looks: dict[str, Callable[[str, Json], Iterator[str]]] = {
            "trigger": self._trigger,
            "action": self._action,
            "automated_decision": self._decision,
            "loop": self._loop,
            "join": self._join,
            "artifact": self._artifact,
            "pattern_match": self._pattern,
        }
        if step["type"] not in looks:
            yield f"is of the type {step['type']!r}, which is not known here"
            return
        yield from looks[step["type"]](node, step)

    def _trigger(self, node: str, step: Json) -> Iterator[str]:
        yield from self._input_problems(step, self._ways.known[node])

    def _action(self, node: str, step: Json) -> Iterator[str]:
        yield from self._input_problems(step, self._ways.known[node])
        yield from self._failure_problems(node, step)

    def _decision(self, node: str, step: Json) -> Iterator[str]:
        for case in step["parameters"]["stepControlParams"]:
            yield from self._condition_problems(case, self._ways.known[node])

    def _loop(self, node: str, step: Json) -> Iterator[str]:
        over = step["parameters"]["repeatVariable"]
        yield from self._text_problems(over, self._ways.known[node])
        if type_of(self._type_of_text(over)) != "array":
            yield "does not go over a list"

    def _join(self, _: str, step: Json) -> Iterator[str]:
        for variable in step["parameters"]["variableSets"]:
            for edge, value in variable["variables"].items():
                yield from self._value_problems(variable["name"], value, variable, self._ways.on_edge[edge])

    def _artifact(self, node: str, step: Json) -> Iterator[str]:
        yield from self._text_problems(step["parameters"]["input"]["content"], self._ways.known[node])

    def _pattern(self, node: str, step: Json) -> Iterator[str]:
        yield from self._text_problems(step["parameters"]["input"], self._ways.known[node])

    def _failure_problems(self, node: str, step: Json) -> Iterator[str]:
        inside, goes_on = bool(self._ways.nodes[node]["parentNodeId"]), step["continueOnFailure"]
        if inside and not goes_on:
            yield "is in a loop, and its failure would end the rounds that follow"
        following = self._ways.out(node)[0]["toNodeId"]
        cases = self._steps[following]["parameters"].get("stepControlParams", ()) if following else ()
        if goes_on and not any(node in said_to_succeed(case["expression"]) for case in cases):
            yield "goes on after a failure, and no decision on its success follows"

    def _input_problems(self, step: Json, known: Known) -> Iterator[str]:
        if "plugin" not in step:
            return
        schema, given = step["defaultInputJSONSchema"] or {}, step["parameters"]["input"]
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
            return f"but {self._ways.called(source)} does not come before it on every way"
        if reference.path[:1] == ("$item",) and source not in known.inside:
            return f"but is not in {self._ways.called(source)}"
        if last != "$success" and source not in known.succeeded:
            return f"but {self._ways.called(source)} may have failed on the way"
        if self._type_at(reference) is None:
            return f"which {self._ways.called(source)} does not give"
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
