"""Take over what the workflows need of other plugins from a clone of Rapid7's repository of plugins.

    python -m tools.workflows.facts CLONE

Written are the schemas of those steps that the descriptions use, at the clone's current commit, with where they come
from. What is not in that repository, InsightConnect's own triggers and step types, is in insightconnect.json: it was
read from published workflows, and is changed by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tools.workflows.description import every_description, plugin_steps
from tools.workflows.schemas import FACTS, own_plugin, read_schemas

REPOSITORY = "rapid7/insightconnect-plugins"
ICON = "https://us.cdn-assets.connect.insight.rapid7.com/icons/{vendor}/{name}/{version}/icon.png"


class Clone:
    """A clone of the repository, with or without a work tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.commit = self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self._folder), *arguments], check=True, capture_output=True, text=True, encoding="utf-8"
        )
        return done.stdout

    def read(self, path: str) -> str:
        """A file of the commit."""
        return self._git("show", f"{self.commit}:{path}")


def facts_of(clone: Clone, name: str, steps: list[str]) -> dict[str, Any]:
    """What is known of a plugin, and where from."""
    folder = f"plugins/{name}"
    spec = yaml.safe_load(clone.read(f"{folder}/plugin.spec.yaml"))
    known = {key: str(spec[key]) for key in ("title", "vendor", "name", "version")}
    found = {}
    for step in steps:
        kind, identifier = step.split(".")
        # The package of a plugin is called komand_ or icon_; those used here are all of the older kind.
        read = read_schemas(clone.read(f"{folder}/komand_{name}/{kind}/{identifier}/schema.py"))
        found[step] = {"input": read.takes, "output": read.gives}
    origin = {"repository": REPOSITORY, "commit": clone.commit, "folder": folder, "license": "MIT"}
    return {"origin": origin, **known, "icon": ICON.format(**known), "steps": found}


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit code."""
    clone = Clone(Path(arguments[0]))
    wanted: dict[str, set[str]] = {}
    for description in every_description():
        for plugin, step in plugin_steps(description):
            wanted.setdefault(plugin, set()).add(step)
    for name in sorted(wanted.keys() - {own_plugin().name}):
        path = FACTS / f"{name}.json"
        facts = facts_of(clone, name, sorted(wanted[name]))
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        print(f"{path.name}: {facts['title']} {facts['version']}, {len(facts['steps'])} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
