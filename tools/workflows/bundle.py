"""A workflow's folder, as Rapid7's repository of workflows has them: the workflow, its help and what lists it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.tree import ROOT
from tools.workflows.description import Description
from tools.workflows.icon import Json
from tools.workflows.picture import draw

PICTURE = "screenshots/workflow.png"
_REPOSITORY = "https://github.com/rapid7/insightconnect-workflows"
_IMPORT = (
    "Import the HaloITSM plugin in the version below, since Rapid7's library does not have it.",
    "Import the `.icon` file with the Import Workflow wizard of InsightConnect, and choose the connections there.",
)
# No product of Rapid7 was at hand, so this belongs into every help.
_NOT_IMPORTED = (
    "Nobody has imported this workflow into a live InsightConnect yet. Its file has the shape of those that Rapid7 "
    "published until 2021. Test it before you activate it"
)


def bundle(description: Description, content: Json, plugin: Mapping[str, object]) -> dict[str, bytes]:
    """The files of a workflow's folder by name, as bytes; ``plugin`` is this plugin's specification."""
    name = description["name"]
    texts = {
        f"{name}.icon": json.dumps(content, indent=1, ensure_ascii=False) + "\n",
        "workflow.spec.yaml": _spec(description, plugin),
        "help.md": _help(description, content),
    }
    return {
        **{file: text.encode() for file, text in texts.items()},
        PICTURE: draw(content),
        # The plugin's, since Rapid7's own is not ours to hand out. One of Rapid7's rules asks for that.
        "extension.png": (ROOT / "extension.png").read_bytes(),
    }


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes the files of a bundle."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _spec(described: Description, plugin: Mapping[str, object]) -> str:
    name = described["name"]
    keywords = [*described["keywords"], *(["parameters"] if "parameters" in described else [])]
    spec: dict[str, Any] = {
        "extension": "workflow",
        "products": described["products"],
        "name": name,
        "title": described["title"],
        "description": described["description"],
        "version": described["version"],
        "vendor": plugin["vendor"],
        "support": plugin["support"],
        "status": [],
        "hub_tags": {"use_cases": described["use_cases"], "keywords": keywords, "features": []},
        "resources": {
            "source_url": f"{_REPOSITORY}/tree/master/workflows/{name}",
            "license_url": f"{_REPOSITORY}/blob/master/LICENSE",
            "screenshots": [{"name": Path(PICTURE).name, "title": "Steps of the Workflow"}],
        },
    }
    return yaml.safe_dump(spec, sort_keys=False, width=1000)


def _help(described: Description, content: Json) -> str:
    setup = [*_IMPORT, *(f"{line}." for line in described.get("setup", ()))]
    if "parameters" in described:
        setup.append("Set the parameters of the workflow:")
    steps = [f"{number}. {line}" for number, line in enumerate(setup, start=1)]
    parameters = [
        f"   * `{name}` ({parameter['type']}): {parameter['description']}"
        for name, parameter in described.get("parameters", {}).items()
    ]
    links = [f"* [{title}]({address})" for title, address in described["references"].items()]
    sections = {
        "# Description": [described["description"]],
        "# Key Features": _listed(described["key_features"]),
        "# Requirements": _listed(described["requirements"]),
        "# Documentation": [],
        "## Setup": [*steps, *parameters],
        "## Technical Details": ["Plugins utilized by workflow:", "", *_plugin_table(content), "", *_failures(content)],
        "## Troubleshooting": _listed([*described["troubleshooting"], _NOT_IMPORTED]),
        "# Version History": [f"* {described['version']} - Initial workflow"],
        "# Links": [],
        "## References": links,
    }
    texts = ["\n".join([header, "", *lines]) if lines else header for header, lines in sections.items()]
    return "\n\n".join(texts) + "\n"


def _listed(lines: list[str]) -> list[str]:
    return [f"* {line}" for line in lines]


def _steps(content: Json) -> list[Json]:
    return list(content["kom"]["workflowVersions"][0]["steps"].values())


def _plugin_table(content: Json) -> list[str]:
    used = Counter(
        (step["plugin"]["name"], step["plugin"]["slugVersion"]) for step in _steps(content) if "plugin" in step
    )
    rows = [f"|{name}|{version}|{count}|" for (name, version), count in sorted(used.items())]
    return ["|Plugin|Version|Count|", "|----|----|--------|", *rows]


def _failures(content: Json) -> list[str]:
    """What becomes of the job where a step fails, by the two ways there are."""
    actions = [step for step in _steps(content) if step["type"] == "action"]
    ways = {
        "fails the job": [step["name"] for step in actions if not step["continueOnFailure"]],
        "is followed by a decision": [step["name"] for step in actions if step["continueOnFailure"]],
    }
    return [f"* The failure of any of these steps {way}: {', '.join(names)}" for way, names in ways.items() if names]
