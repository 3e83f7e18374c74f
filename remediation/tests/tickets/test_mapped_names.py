"""What a connection and its projects name in HaloITSM: looked up, said when it is gone, and waited for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from halo_emulator import Fault
from remediation.jobs.status import status
from remediation.store import models
from remediation.tickets.asking import HaloAway
from remediation.tickets.mapped_names import LOOKED_UP, gone_names, is_due, look_up


def looked_up(scene: Any) -> list[str]:
    """What is gone, by a new process."""
    row = models.Connection.objects.get(pk=scene.connection.pk)
    look_up(row, scene.client(row, lambda: None), scene.now)
    return gone_names(models.Connection.objects.get(pk=row.pk))


def rename(rows: list[dict[str, Any]], name: str, to: str) -> None:
    next(row for row in rows if row["name"] == name)["name"] = to


def test_all_kinds_are_there_and_then_one_by_one_gone(scene: Any) -> None:
    lists = scene.halo.lists
    scene.options(statuses={"Exception": "Closed - Exception"}, ticket_type="Vulnerability")
    custom = lists.custom_fields[0]["name"]
    scene.settings(default_agent="Priya Raman", default_team=lists.teams[0]["name"], fields={custom: "x"})
    assert looked_up(scene) == []
    rename(lists.statuses, "Closed - Exception", "Waived")
    rename(lists.ticket_types, "Vulnerability", "Weakness")
    rename(lists.agents, "Priya Raman", "Priya R.")
    lists.teams.pop(0)
    found = looked_up(scene)
    assert len(found) == 4
    for words in (
        "no status named 'Closed - Exception', but one that is named 'Waived' now. Used by the status Exception.",
        "no ticket type named 'Vulnerability', but one that is named 'Weakness' now. Used by new tickets",
        "no agent named 'Priya Raman', but one that is named 'Priya R.' now. Used by the project 'dmz'.",
        "no team named",
    ):
        assert any(words in text for text in found), words
    known = status()
    (one,) = known["connections"]
    assert one["vanished"] == found and one["looked_up"] == scene.now.isoformat() and not known["ok"]
    # Known again for as long as it is gone, and no longer said of what nobody uses.
    assert len(looked_up(scene)) == 4
    scene.settings()
    assert len(gone_names(models.Connection.objects.get())) == 2


def test_a_status_that_vanished_keeps_only_its_own_steps_waiting(scene: Any) -> None:
    scene.options(statuses={"Remediated": "Remediated"})
    scene.scan("a1 v1 s1")
    scene.run().apply()
    rename(scene.halo.lists.statuses, "Remediated", "Fixed")
    scene.later(days=1)
    scene.scan("a2 v2 s2")
    for _ in range(2):
        _, outcome = scene.run().apply()
        (reason,) = outcome.waiting.values()
        assert "no status named 'Remediated', which is chosen for Remediated" in reason and not outcome.failed
        scene.later(hours=1)
    assert len(scene.tickets()["s2"]) == 1 and scene.status("s1") == "New" and len(scene.comments("s1")) == 1
    rename(scene.halo.lists.statuses, "Fixed", "Remediated")
    scene.run().apply()
    assert scene.status("s1") == "Remediated" and len(scene.comments("s1")) == 1


def test_what_cannot_be_read_is_not_said_to_be_gone(scene: Any) -> None:
    scene.settings(default_agent="Nobody Nowhere")
    scene.halo.inject(Fault("status", "GET", "agent", status=403, times=None))
    assert looked_up(scene) == []
    kept = models.Connection.objects.get().settings[LOOKED_UP]
    assert list(kept["unread"]) == ["agent"]
    scene.halo.clear_faults()
    assert len(looked_up(scene)) == 1


def test_halo_away_is_no_look(scene: Any) -> None:
    scene.halo.inject(Fault("status", "GET", "tickettype", status=503, times=None))
    with pytest.raises(HaloAway):
        looked_up(scene)
    row = models.Connection.objects.get()
    assert LOOKED_UP not in row.settings and is_due(row, scene.now)
    scene.halo.clear_faults()
    looked_up(scene)
    row.refresh_from_db()
    assert not is_due(row, scene.now) and is_due(row, scene.now + timedelta(days=1))
    assert is_due(row, scene.now - timedelta(days=1)), "by a clock that was wrong"
