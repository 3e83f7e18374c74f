"""The descriptions that people write, workflows/descriptions/NAME.yaml, with their parts put in.

``workflows/README.md`` says what may stand in one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from tools.tree import ROOT

Description = dict[str, Any]
FOLDER = ROOT / "workflows" / "descriptions"


def read_description(name: str) -> Description:
    """The description of one workflow, by the name of its file. ``name`` is added to what stands there."""
    description: Description = _read(f"{name}.yaml")
    return {"name": name, **description, "steps": _with_parts(description["steps"])}


def every_description() -> list[Description]:
    """All of them, by name."""
    return [read_description(path.stem) for path in sorted(FOLDER.glob("*.yaml"))]


def all_steps(steps: list[Description]) -> Iterator[Description]:
    """Every step, those of branches and loops included, in the order in which they are written."""
    for step in steps:
        yield step
        yield from all_steps(step.get("steps", []))
        for branch in step.get("branches", []):
            yield from all_steps(branch.get("steps", []))


def plugin_steps(description: Description) -> list[tuple[str, str]]:
    """The plugin and the step, ``actions.NAME`` or ``triggers.NAME``, of each step that a plugin does."""
    found = []
    if "run" in description["trigger"]:
        plugin, identifier = description["trigger"]["run"].split(".")
        found.append((plugin, f"triggers.{identifier}"))
    for step in all_steps(description["steps"]):
        if "action" in step:
            plugin, identifier = step["run"].split(".")
            found.append((plugin, f"actions.{identifier}"))
    return found


def _read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def _with_parts(steps: list[Description]) -> list[Description]:
    """The steps, with the steps of a file in the place of each ``include``."""
    found: list[Description] = []
    for step in steps:
        if "include" in step:
            found += _with_parts(_read(step["include"]))
            continue
        step = dict(step)
        if "steps" in step:
            step["steps"] = _with_parts(step["steps"])
        if "branches" in step:
            step["branches"] = [
                {**branch, "steps": _with_parts(branch.get("steps", []))} for branch in step["branches"]
            ]
        found.append(step)
    return found
