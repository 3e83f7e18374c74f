"""What steps of plugins take and give: of this plugin from its own files, of others from workflows/facts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.tree import ROOT, read_spec

Schema = dict[str, Any]
FACTS = ROOT / "workflows" / "facts"
KINDS = ("actions", "triggers")
_SCHEMA = re.compile(r'class \w+(Input|Output)\(.*?schema = json\.loads\(\s*r"""(.*?)"""', re.DOTALL)


@dataclass(frozen=True)
class Step:
    """An action or a trigger of a plugin, with the JSON schemas of its input and output."""

    takes: Schema
    gives: Schema


@dataclass(frozen=True)
class Plugin:
    """A plugin as a workflow refers to it; ``steps`` by ``actions.NAME`` and ``triggers.NAME``.

    ``icon`` is the address of its picture, "" for a plugin that Rapid7 does not publish.
    """

    title: str
    vendor: str
    name: str
    version: str
    icon: str
    steps: Mapping[str, Step]


def read_schemas(text: str) -> Step:
    """The two schemas of a schema.py that insight-plugin has generated. Raises ValueError where one is missing."""
    found = {kind: json.loads(schema) for kind, schema in _SCHEMA.findall(text)}
    if set(found) != {"Input", "Output"}:
        raise ValueError("this schema.py does not have an input and an output")
    return Step(found["Input"], found["Output"])


def own_plugin(root: Path = ROOT) -> Plugin:
    """This plugin, as it is in the working tree."""
    spec = read_spec(root)
    package = root / "komand_haloitsm"
    steps = {
        f"{kind}.{path.parent.name}": read_schemas(path.read_text(encoding="utf-8"))
        for kind in KINDS
        for path in sorted((package / kind).glob("*/schema.py"))
    }
    title, vendor, name, version = (str(spec[key]) for key in ("title", "vendor", "name", "version"))
    return Plugin(title, vendor, name, version, "", steps)


def other_plugin(facts: Mapping[str, Any]) -> Plugin:
    """Another plugin, from a file of facts."""
    steps = {name: Step(step["input"], step["output"]) for name, step in facts["steps"].items()}
    return Plugin(facts["title"], facts["vendor"], facts["name"], facts["version"], facts["icon"], steps)


def read_facts(name: str) -> dict[str, Any]:
    """A file of workflows/facts."""
    facts: dict[str, Any] = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    return facts


def all_plugins() -> dict[str, Plugin]:
    """Every plugin that descriptions may name, by its name."""
    others = (other_plugin(read_facts(path.stem)) for path in sorted(FACTS.glob("rapid7_*.json")))
    return {plugin.name: plugin for plugin in (own_plugin(), *others)}
