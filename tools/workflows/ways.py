"""The graph of a workflow file: whether every way leads from the trigger to an end, and what is certain on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What is certain on the way to a step.

    The steps that ran before it, those of them that succeeded, and the loops that it is in.
    """

    before: frozenset[str] = frozenset()
    succeeded: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()

    def __and__(self, other: Known) -> Known:
        return Known(self.before & other.before, self.succeeded & other.succeeded, self.inside & other.inside)


class Ways:
    """The steps of a workflow and how they follow each other.

    ``known`` says what is certain before a step, ``on_edge`` what is on an edge, once ``walk_problems`` has gone all
    ways. Each of the three methods that look for problems relies on there being none of those before it.
    """

    def __init__(self, version: Json, trigger: Json) -> None:
        self.steps: dict[str, Json] = version["steps"]
        self.nodes: dict[str, Json] = version["graph"]["nodes"]
        self.edges: dict[str, Json] = version["graph"]["edges"]
        self._trigger = trigger
        self.known: dict[str, Known] = {}
        self.on_edge: dict[str, Known] = {}

    def called(self, node: str) -> str:
        """A step as problems name it."""
        return f"step {self.steps[node]['name']!r}" if node in self.steps else f"node {node!r}"

    def out(self, node: str) -> list[Json]:
        """The edges that lead out of a step."""
        return [edge for edge in self.edges.values() if edge["fromNodeId"] == node]

    def _into(self, node: str) -> list[Json]:
        return [edge for edge in self.edges.values() if edge["toNodeId"] == node]

    def _is(self, node: str, kind: str) -> bool:
        return bool(self.steps[node]["type"] == kind)

    def graph_problems(self) -> Iterator[str]:
        """Nodes without a step and the other way round, edges that lead nowhere or out of their loop."""
        for node in sorted(self.nodes.keys() ^ self.steps.keys()):
            yield f"{self.called(node)} is not both a node and a step"
        for name, items in (("id", self.nodes), ("nodeId", self.steps), ("id", self.edges)):
            yield from (f"{key!r} has the {name} {item[name]!r}" for key, item in items.items() if item[name] != key)
        names = [step["name"] for step in self.steps.values()]
        yield from (f"two steps have the name {name!r}" for name in sorted(set(names)) if names.count(name) > 1)
        for edge in self.edges.values():
            yield from self._edge_problems(edge)

    def _edge_problems(self, edge: Json) -> Iterator[str]:
        source, target, parent = edge["fromNodeId"], edge["toNodeId"], edge["parentNodeId"]
        if source not in self.nodes or source not in self.steps:
            yield f"edge {edge['id']!r} begins at {source!r}, which is no step"
            return
        called = f"the edge {edge['name']!r} of {self.called(source)}"
        if target and (target not in self.nodes or target not in self.steps):
            yield f"{called} leads to {target!r}, which is no step"
        elif target and self.nodes[target]["parentNodeId"] != parent:
            yield f"{called} leads into another loop than its own"
        begins_loop = parent == source and self._is(source, "loop")
        if self.nodes[source]["parentNodeId"] != parent and not begins_loop:
            yield f"{called} begins in another loop than its own"

    def way_problems(self) -> Iterator[str]:
        """Where it begins, and which ways lead on from each step."""
        begins = [node for node in self.nodes if self._is(node, "trigger")]
        if len(begins) != 1 or self._into(begins[0]):
            yield "the workflow does not begin at exactly one trigger"
            return
        if self.steps[begins[0]].get("triggerId") != self._trigger["id"]:
            yield f"{self.called(begins[0])} does not belong to the trigger of the file"
        for node in self.nodes:
            yield from self._ways_out(node)
            yield from self._ways_in(node)

    def _ways_out(self, node: str) -> Iterator[str]:
        step, out = self.steps[node], {edge["id"] for edge in self.out(node)}
        parameters = step.get("parameters") or {}
        if step["type"] == "automated_decision":
            cases = parameters["stepControlParams"]
            if sorted(case["edgeId"] for case in cases) != sorted(out):
                yield f"the cases of {self.called(node)} are not its edges"
            empty = [case["edgeId"] for case in cases if not case["expression"] or not case["expressionText"]]
            if empty != [parameters["defaultEdgeId"]]:
                yield f"{self.called(node)} does not have exactly one case without a condition, its default"
        elif step["type"] == "loop":
            if {parameters["innerEdgeId"], parameters["nextEdgeId"]} != out or len(out) != 2:
                yield f"the edges of {self.called(node)} are not one into the loop and one that follows it"
            elif self.edges[parameters["innerEdgeId"]]["parentNodeId"] != node:
                yield f"the first edge inside of {self.called(node)} is not in the loop"
            elif self.edges[parameters["nextEdgeId"]]["parentNodeId"] == node:
                yield f"the edge that follows {self.called(node)} is still in the loop"
        elif len(out) != 1:
            yield f"{self.called(node)} is followed by {len(out)} edges"

    def _ways_in(self, node: str) -> Iterator[str]:
        found = [edge["id"] for edge in self._into(node)]
        if self._is(node, "join"):
            parameters = self.steps[node]["parameters"]
            if sorted(parameters["decisionEdgeIds"]) != sorted(found):
                yield f"{self.called(node)} does not join exactly the edges that lead to it"
            for variable in parameters["variableSets"]:
                if sorted(variable["variables"]) != sorted(found):
                    yield f"the variable {variable['name']!r} of {self.called(node)} has no value for some edge"
        elif len(found) > 1:
            yield f"{len(found)} edges lead to {self.called(node)}, which is no join"

    def walk_problems(self) -> Iterator[str]:
        """Goes every way, and learns what is certain before each step. A step comes after all that lead to it."""
        waiting = {node: Known() for node in self.nodes if self._is(node, "trigger")}
        while waiting:
            node, known = waiting.popitem()
            self.known[node] = known
            for edge in self.out(node):
                self.on_edge[edge["id"]] = self._after(node, edge)
                target = edge["toNodeId"]
                ways = [one["id"] for one in self._into(target)] if target else []
                if ways and all(way in self.on_edge for way in ways):
                    waiting[target] = _common([self.on_edge[way] for way in ways])
        for node in sorted(self.nodes.keys() - self.known.keys()):
            yield f"no way leads from the trigger to {self.called(node)}, or it goes round in circles"

    def _after(self, node: str, edge: Json) -> Known:
        step, known = self.steps[node], self.known[node]
        succeeded = known.succeeded if step["continueOnFailure"] else known.succeeded | {node}
        if step["type"] == "automated_decision":
            case = next(case for case in step["parameters"]["stepControlParams"] if case["edgeId"] == edge["id"])
            succeeded |= set(said_to_succeed(case["expression"]))
        inside = known.inside | {node} if edge["parentNodeId"] == node else known.inside
        return Known(known.before | {node}, succeeded, inside)


def _common(ways: list[Known]) -> Known:
    known = ways[0]
    for way in ways[1:]:
        known &= way
    return known


def said_to_succeed(expression: Json) -> Iterator[str]:
    """The steps of which a condition says, whatever else it says, that they succeeded."""
    if expression.get("op") == "AND":
        yield from said_to_succeed(expression["left"])
        yield from said_to_succeed(expression["right"])
    elif expression.get("op") == "==" and expression["right"] == {"type": "literal", "value": True}:
        step, _, field = expression["left"].get("name", "").partition(".")
        if field == "$success":
            yield step
