"""A picture of a workflow's steps, drawn from its file, which it says itself: it is no screenshot of InsightConnect."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from tools.workflows.icon import Json

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 184, 62, 212, 112, 28
_COLOURS = {
    "trigger": "#1b6d4f",
    "action": "#24507f",
    "automated_decision": "#8a5a00",
    "loop": "#6a3d8f",
    "join": "#5b6670",
    "artifact": "#8b2f3c",
    "pattern_match": "#3c6670",
}
_WORDS = {"automated_decision": "decision", "pattern_match": "pattern", "artifact": "artifact", "join": "join"}
_SAYS = "Drawn from the workflow's file by tools/workflows. No screenshot of InsightConnect."
_INK, _PAPER, _LINE, _LABEL = "#1d2430", "#ffffff", "#7a8594", "#3a4350"

Point = tuple[float, float]


@dataclass
class _Layout:
    """Where each step stands, in columns and rows: below what leads to it, beside what another edge leads to."""

    version: Json
    places: dict[str, Point] = field(default_factory=dict)
    columns: int = 0

    def edges(self, node: str) -> list[Json]:
        """The edges that lead out of a step, that into a loop first."""
        found = [edge for edge in self.version["graph"]["edges"].values() if edge["fromNodeId"] == node]
        return sorted(found, key=lambda edge: edge["parentNodeId"] != node)

    def place(self, node: str, row: int) -> float:
        """Places a step and all that follow it; returns its column."""
        columns = []
        for edge in self.edges(node):
            target = edge["toNodeId"]
            if target and target not in self.places:
                columns.append(self.place(target, row + 1))
        if not columns:
            columns = [self.columns]
            self.columns += 1
        self.places[node] = (sum(columns) / len(columns), row)
        return self.places[node][0]

    def settle(self) -> None:
        """Moves steps down until each one is below all that lead to it."""
        moved = True
        while moved:
            moved = False
            for edge in self.version["graph"]["edges"].values():
                source, target = edge["fromNodeId"], edge["toNodeId"]
                if target and self.places[target][1] <= self.places[source][1]:
                    self.places[target] = (self.places[target][0], self.places[source][1] + 1)
                    moved = True


def draw(content: Json) -> bytes:
    """The picture as PNG."""
    version = content["kom"]["workflowVersions"][0]
    layout = _Layout(version)
    layout.place(next(node for node, step in version["steps"].items() if step["type"] == "trigger"), 0)
    layout.settle()
    rows = int(max(row for _, row in layout.places.values())) + 1
    size = (MARGIN * 2 + layout.columns * ACROSS, MARGIN * 2 + rows * DOWN + 56)
    image = Image.new("RGB", (max(size[0], 720), size[1]), _PAPER)
    canvas = ImageDraw.Draw(image)
    canvas.text((MARGIN, 16), version["name"], _INK, ImageFont.load_default(20))
    canvas.text((MARGIN, 42), _SAYS, _LABEL, ImageFont.load_default(13))
    for (source, target), label in _labels(version).items():
        if target:
            _draw_edge(canvas, layout.places[source], layout.places[target], label)
        elif label:
            _draw_end(canvas, layout.places[source], label)
    for node, place in layout.places.items():
        _draw_step(canvas, version["steps"][node], _corner(place))
    written = io.BytesIO()
    image.quantize(64).save(written, "PNG", optimize=True)
    return written.getvalue()


def _corner(place: Point) -> Point:
    return MARGIN + place[0] * ACROSS, MARGIN + 56 + place[1] * DOWN


def _draw_step(canvas: ImageDraw.ImageDraw, step: Json, corner: Point) -> None:
    left, top = corner
    canvas.rounded_rectangle((left, top, left + WIDTH, top + HEIGHT), 8, _PAPER, _COLOURS[step["type"]], 2)
    kind = step["plugin"]["name"] if "plugin" in step else _WORDS.get(step["type"], step["type"])
    canvas.text((left + 10, top + 6), kind, _COLOURS[step["type"]], ImageFont.load_default(11))
    lines = textwrap.wrap(step["name"], 24)
    canvas.multiline_text((left + 10, top + 22), "\n".join(lines), _INK, ImageFont.load_default(14), spacing=2)


def _draw_edge(canvas: ImageDraw.ImageDraw, source: Point, target: Point, label: str) -> None:
    """From one step to the next, or beside the steps that are between the two."""
    left, top = _corner(source)
    begin = (left + WIDTH / 2, top + HEIGHT)
    left, top = _corner(target)
    if target[0] == source[0] and target[1] > source[1] + 1:
        side, end = left + WIDTH + 16, (left + WIDTH, top + HEIGHT / 2)
        begin = (left + WIDTH, begin[1] - HEIGHT / 2)
        canvas.line([begin, (side, begin[1]), (side, end[1]), end], _LINE, 2)
        canvas.polygon([(end[0] + 8, end[1] - 5), (end[0] + 8, end[1] + 5), end], _LINE)
        canvas.text((side + 6, begin[1] - 7), label, _LABEL, ImageFont.load_default(12))
        return
    end = (left + WIDTH / 2, top)
    bend = end[1] - 30
    canvas.line([begin, (begin[0], bend), (end[0], bend), end], _LINE, 2)
    canvas.polygon([(end[0] - 5, end[1] - 8), (end[0] + 5, end[1] - 8), end], _LINE)
    canvas.text((end[0] + 6, end[1] - 26), label, _LABEL, ImageFont.load_default(12))


def _draw_end(canvas: ImageDraw.ImageDraw, source: Point, label: str) -> None:
    """Where a branch or a loop has nothing after it."""
    left, top = _corner(source)
    place = (left + WIDTH - 4, top + HEIGHT + 3)
    canvas.text(place, f"{label}: ends", _LABEL, ImageFont.load_default(11), anchor="ra")


def _labels(version: Json) -> dict[tuple[str, str], str]:
    """What is written at the way from one step to another, all edges that go it together."""
    found: dict[tuple[str, str], list[str]] = {}
    for edge in version["graph"]["edges"].values():
        source, label = edge["fromNodeId"], edge["name"]
        if version["steps"][source]["type"] == "loop":
            label = "each" if edge["parentNodeId"] == source else "then"
        found.setdefault((source, edge["toNodeId"]), []).append(label)
    return {way: ", ".join(filter(None, labels)) for way, labels in found.items()}
