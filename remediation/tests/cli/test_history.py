"""The commands ``history`` and ``undo``."""

from __future__ import annotations

from typing import Any

from halo_emulator import HaloEmulator
from remediation.store import models

STATUSES = ("--status", "Remediated=Resolved", "--closing-agent", "Marcus Okafor")


def test_what_was_done_is_listed_and_taken_back(line: Any, halo: HaloEmulator) -> None:
    line.project("1 v1 s1", "2 v2 s2")
    line("connect", "halo", "--ticket-type", "Vulnerability", *STATUSES)
    assert line("apply", "p").code == 0
    models.Finding.objects.filter(vulnerability="v1").update(state="remediated")
    assert line("apply", "p").code == 0
    plans = line("history", "p", "--json").json["plans"]
    assert [plan["steps"] for plan in plans] == [{"done": 2}, {"done": 3}]
    assert f"{plans[0]['id']}: " in line("history", "p").out
    number = str(plans[0]["id"])
    steps = line("history", "p", number, "--json").json["steps"]
    assert [(step["kind"], step["state"]) for step in steps] == [("comment", "done"), ("set-status", "done")]
    assert "done     s1/1/comment" in line("history", "p", number).out

    shown = line("undo", "p", number)
    assert shown.code == 0 and "Nothing was written yet: add --apply." in shown.out
    ticket = models.Ticket.objects.get(key="s1")
    assert ticket.status == "Remediated"
    ended = line("undo", "p", number, "--apply", "--json")
    assert ended.code == 0 and [step["kind"] for step in ended.json["steps"]] == ["comment", "set-status"]
    assert len(ended.json["done"]) == 2
    ticket.refresh_from_db()
    assert ticket.status == "Not Started" and halo.tickets[ticket.halo_id or 0]["status_id"] == 1
    assert "nothing to do" in line("undo", "p", number, "--apply").out


def test_a_plan_that_there_is_none_of(line: Any, halo: HaloEmulator) -> None:
    line.project("1 v1 s1")
    for command in ("history", "undo"):
        ended = line(command, "p", "77")
        assert ended.code == 4 and "has no plan 77" in ended.err
    assert line("history", "p").out == "No plan was made.\n"
