"""A lead changes what a project is about, and what has nothing to do with it."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.store import models
from remediation.tickets.editing import change_settings


def change(scene: Any, **settings: Any) -> int:
    return change_settings(models.Project.objects.get(pk=scene.project.pk), settings)


def drift(severity: str) -> None:
    models.Vulnerability.objects.update(severity=severity)


def test_what_a_narrower_filter_leaves_out_leaves_its_ticket_once(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s1")
    scene.run().apply()
    scene.later(days=1)
    assert change(scene, scope={"assets": ["a1.*"]}) == 1
    scene.run().apply()
    (comment,) = scene.comments("s1")
    assert "No longer in the project: a2.corp.example" in comment
    plan, _ = scene.run().apply()
    assert plan.steps == () and scene.comments("s1") == [comment]


def test_a_wider_filter_brings_it_back(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s1")
    scene.run().apply()
    change(scene, scope={"assets": ["a1.*"]})
    scene.run().apply()
    assert change(scene, scope={}) == 0
    scene.run().apply()
    assert "Open: a2.corp.example" in scene.comments("s1")[-1]


def test_another_setting_takes_nothing_out_though_scores_have_drifted(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    change(scene, min_severity="high", summary_days=0)
    scene.run().apply()
    drift("low")
    assert change(scene, owner="somebody else") == 0
    plan, _ = scene.run().apply()
    assert plan.steps == () and plan.not_done == ()
    assert change(scene, min_severity="medium") == 1


def test_a_setting_that_cannot_be_used_changes_nothing(scene: Any) -> None:
    with pytest.raises(ValueError, match="no setting 'ovner'"):
        change(scene, min_severity="high", ovner="x")
    assert models.Project.objects.get(pk=scene.project.pk).settings == {}


def test_tickets_keep_what_they_stand_for(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    change(scene, granularity="asset")
    scene.run().apply()
    change(scene, granularity="asset", owner="x")
    with pytest.raises(ValueError, match="its tickets stand for assets"):
        change(scene, granularity="solution")
