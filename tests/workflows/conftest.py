"""The workflows as they are built, and what does their steps: the real plugin, and answers as Rapid7's plugins give."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from entry_point import PluginServer

from tools.tree import ROOT

from .interpreter import Job, Json, play

RRN = "rrn:investigation:us:0f1e2d3c-0000-4000-8000-000000000001:investigation:ABCDEF543210"


def built(name: str) -> Json:
    """The file of a workflow, as it lies in the tree."""
    content: Json = json.loads((ROOT / "workflows" / name / f"{name}.icon").read_text(encoding="utf-8"))
    return content


@dataclass
class Rapid7:
    """InsightIDR and InsightVM, as far as the workflows ask them. ``refused`` are identifiers of steps that fail."""

    status: str = "OPEN"
    comments: list[Json] = field(default_factory=list)
    vulnerabilities: dict[str, Json] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    @property
    def investigation(self) -> Json:
        """One investigation, in the shape of the unit tests of rapid7_insightidr."""
        return {
            "assignee": {"email": "user@example.com", "name": "Ellen Example"},
            "created_time": "2026-11-06T16:56:42Z",
            "disposition": "UNDECIDED",
            "priority": "HIGH",
            "rrn": RRN,
            "source": "ALERT",
            "status": self.status,
            "title": "Beaconing from nwc-app-02",
        }

    def do(self, identifier: str, given: Json) -> Json | None:
        """The output of a step, None where it fails."""
        if identifier in self.refused:
            return None
        return {
            "get_investigation": self._get,
            "set_status_of_investigation_action": self._set_status,
            "list_comments": self._list,
            "create_comment": self._comment,
            "get_vulnerability": self._vulnerability,
        }[identifier](given)

    def _get(self, given: Json) -> Json | None:
        return {"investigation": self.investigation} if given["id"] == RRN else None

    def _set_status(self, given: Json) -> Json | None:
        assert given["id"] == RRN
        self.status = given["status"]
        return {"investigation": self.investigation}

    def _list(self, given: Json) -> Json | None:
        assert given["target"] == RRN
        return {"comments": self.comments[: given["size"]], "success": True}

    def _comment(self, given: Json) -> Json | None:
        comment = {"rrn": f"rrn:collaboration:{len(self.comments)}", "visibility": "PUBLIC", **given}
        self.comments.append(comment)
        return {"comment": comment, "success": True}

    def _vulnerability(self, given: Json) -> Json | None:
        found = self.vulnerabilities.get(given["id"])
        return {"vulnerability": {"id": given["id"], **found}} if found else None


@pytest.fixture
def rapid7() -> Rapid7:
    return Rapid7()


@pytest.fixture
def run(plugin_server: PluginServer, connection_params: Json, rapid7: Rapid7) -> Callable[..., Job]:
    """Plays a workflow for an event, its HaloITSM steps through the plugin's real entry point."""

    def do(plugin: str, identifier: str, given: Json) -> Json | None:
        if plugin != "haloitsm":
            return rapid7.do(identifier, given)
        done = plugin_server.run(identifier, given, connection_params)
        return dict(done.output) if done.succeeded else None

    def run_one(name: str, event: Json, **parameters: Any) -> Job:
        return play(built(name), event, {key.replace("_", " "): value for key, value in parameters.items()}, do)

    return run_one
