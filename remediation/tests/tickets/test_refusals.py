"""What Halo refuses is a step that failed, with Halo's words and the way out, and holds nothing else up."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from haloitsm_client import Forbidden
from remediation.store import models


def failed(outcome: Any) -> dict[str, str]:
    """The reasons of what failed, by the ticket's key and the step's kind."""
    return {"/".join(key.split("/")[:3:2]): reason for key, reason in outcome.failed.items()}


def test_an_unassigned_ticket_that_halo_does_not_close(scene: Any) -> None:
    scene.options(closing_agent="")
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.halo.change_ticket(scene.ticket("s2")["id"], agent_id=4)
    scene.later(days=1)
    scene.scan()
    for _ in range(2):
        _, outcome = scene.run().apply()
        reason = failed(outcome)["s1/set-status"]
        assert "assign" in reason and "--closing-agent" in reason
        assert (scene.status("s1"), scene.status("s2")) == ("New", "Remediated")
        # The comment before it is not said again.
        assert len(scene.comments("s1")) == 1
        scene.later(hours=1)
    step = models.Step.objects.filter(state="failed", key__startswith="s1/").order_by("-pk")[0]
    assert step.result["said"] == reason
    scene.options(closing_agent="Marcus Okafor")
    _, outcome = scene.run().apply()
    assert not outcome.failed
    assert scene.status("s1") == "Remediated" and scene.ticket("s1")["agent_id"] == 3
    assert scene.ticket("s2")["agent_id"] == 4
    assert len(scene.comments("s1")) == 1


def test_a_mandatory_field(scene: Any) -> None:
    scene.options(parent_type="Incident")
    scene.halo.mandatory_fields[21] = {"CFRiskScore"}
    scene.scan("a1 v1 s1")
    _, outcome = scene.run().apply()
    assert "Cfriskscore was required" in failed(outcome)["s1/create"]
    assert len(outcome.done) == 1 and not scene.tickets().get("s1")
    scene.halo.mandatory_fields.clear()
    _, outcome = scene.run().apply()
    assert not outcome.failed and len(scene.tickets()["s1"]) == 1


def test_an_unknown_agent_is_named_with_those_there_are(scene: Any) -> None:
    scene.settings(rules=[{"field": "host_name", "value": "a1", "agent": "Nobody Nowhere"}])
    scene.scan("a1 v1 s1", "a2 v2 s2")
    _, outcome = scene.run().apply()
    (reason,) = outcome.waiting.values()
    assert "Nobody Nowhere" in reason and "Priya Raman" in reason
    assert len(scene.tickets()["s2"]) == 1 and not scene.tickets().get("s1")


def test_children_wait_for_a_parent_that_was_not_made(scene: Any) -> None:
    scene.settings(default_team="No Such Team")
    scene.scan("a1 v1 s1")
    _, outcome = scene.run().apply()
    assert not outcome.failed
    refused, waiting = outcome.waiting.values()
    assert "No Such Team" in refused and waiting == "the project's own ticket does not exist yet"
    assert not scene.writes()


def test_a_status_that_is_not_mapped_for_writing(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    rows = scene.halo.lists.statuses
    rows[:] = [row for row in rows if row["name"] not in ("Remediated", "Resolved")]
    scene.later(days=1)
    scene.scan()
    _, outcome = scene.run().apply()
    reason = next(text for key, text in outcome.waiting.items() if key.startswith("s1/1/set-status"))
    assert "mapped to Remediated" in reason and not outcome.failed
    assert len(scene.comments("s1")) == 1


def test_nothing_is_created_that_could_not_be_looked_for(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a2 v2 s2", "a3 v3 s3")
    run = scene.run()

    def references(*_: Any) -> Any:
        raise Forbidden(kind="forbidden", cause="The agent may not read tickets.", assistance="Give it the right.")

    monkeypatch.setattr(run._instance, "references", references)
    _, outcome = run.apply()
    assert not scene.tickets().get("s3") and scene.status("s1") == "Remediated"
    (reason,) = outcome.waiting.values()
    assert "may not read tickets" in reason


def test_no_secret_and_no_finding_in_logs_and_reasons(scene: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scene.options(closing_agent="")
    scene.halo.mandatory_fields[21] = {"CFRiskScore"}
    scene.scan("a1 v1 s1", "a2 v2 s2")
    _, outcome = scene.run().apply()
    scene.halo.mandatory_fields.clear()
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    _, more = scene.run().apply()
    assert outcome.failed and more.failed
    texts = [*outcome.failed.values(), *more.failed.values(), caplog.text]
    for secret in (scene.halo.client_secret, "corp.example", "Title of", "Run the update"):
        assert not [text for text in texts if secret in text]
