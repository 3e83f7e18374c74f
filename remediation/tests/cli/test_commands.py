"""Each command: its exit code, its JSON, and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from halo_emulator import Fault, HaloEmulator
from remediation.cli import demo
from remediation.domain.status import Status
from remediation.sources.errors import Unreachable
from remediation.sources.insightvm_console import InsightVmConsole
from remediation.store import models
from stand_ins.cve_feeds import CveFeeds
from remediation.tickets.instance import Instance, Options
from remediation.tickets.run import client_of

TWO = ("1 v1 s1", "2 v1 s1", "1 v2 s2")


def test_import_plan_apply_status(line: Any, halo: HaloEmulator) -> None:
    assert line("connect", "halo", "--ticket-type", "Vulnerability").code == 0
    read = line("import", line.report("second.csv", *TWO), "--source", "weekly", "--json")
    assert read.code == 0 and not read.err
    assert set(read.json) == {
        *("snapshot", "rows", "findings", "instances", "assets", "vulnerabilities", "cves"),
        *("severities", "errors", "unchanged", "kind", "rows_dropped", "bytes_not_utf8"),
    }
    assert [read.json[name] for name in ("rows", "findings", "instances", "assets", "vulnerabilities", "cves")] == [
        *(3, 3, 6, 2, 2, 2)
    ]
    assert read.json["severities"] == {"critical": 0, "high": 3, "medium": 0, "low": 0, "none": 0}
    assert (read.json["errors"], read.json["unchanged"]) == ([], False)
    again = line("import", line.report("second.csv", *TWO), "--source", "weekly", "--json")
    assert again.json == {**read.json, "unchanged": True}

    made = line("project", "create", "p", "--connection", "halo", "--json")
    assert made.json == {"name": "p", "id": models.Project.objects.get().pk}
    planned = line("plan", "p", "--json")
    assert planned.code == 0
    assert set(planned.json) == {"id", "steps", "held", "not_done"}
    assert [(step["kind"], step["ticket"]) for step in planned.json["steps"]] == [
        ("create-parent", "project"),
        ("create", "s1"),
        ("create", "s2"),
    ]
    assert all(set(step) == {"key", "kind", "reason", "ticket"} for step in planned.json["steps"])
    assert (planned.json["held"], planned.json["not_done"]) == (False, [])
    assert line("status").code == 3

    applied = line("apply", "p", "--json")
    assert applied.code == 0
    assert applied.json["done"] == [step["key"] for step in planned.json["steps"]]
    assert (applied.json["failed"], applied.json["waiting"]) == ([], [])
    assert applied.json["tickets"] == sorted(number for number in halo.tickets if number > 2106)
    assert line("plan", "p").out.endswith("nothing to do\n")
    value = line("status", "--json").json
    assert value["ok"] and value["projects"] == [
        {
            "project": "p",
            "tickets": 3,
            "held": False,
            "waiting": [],
            "waits": 0,
            "not_done": [],
            "warnings": [],
            "wrong": "",
        }
    ]
    assert [(source["source"], source["wrong"]) for source in value["sources"]] == [("weekly", "")]
    assert line("status").code == 0


def test_a_failed_step_is_1_and_said_by_status(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO)
    halo.mandatory_fields[21] = {"CFRiskScore"}
    ended = line("apply", "p")
    assert ended.code == 1 and "was required" in ended.out
    value = line("apply", "p", "--json").json
    assert len(value["failed"]) == 1 and len(value["waiting"]) == 2
    assert [set(item) for item in value["not_done"]] == [{"key", "reason", "needs_person"}] * 3
    status = line("status")
    assert status.code == 3 and "was required" in status.out and "does not exist yet" in status.out


def test_a_name_that_halo_does_not_have_is_3(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO, default_agent="Nobody Nowhere")
    ended = line("apply", "p")
    assert ended.code == 3 and "Nobody Nowhere" in ended.out
    assert line("status").code == 3


def test_a_held_plan_is_3_until_it_is_approved(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO, most_creates=1)
    planned = line("plan", "p", "--json")
    assert (planned.code, planned.json["held"]) == (3, True)
    assert "HELD" in line("plan", "p").out
    applied = line("apply", "p", "--json")
    assert applied.code == 3 and len(applied.json["waiting"]) == 3 and not applied.json["done"]
    status = line("status")
    assert status.code == 3 and "HELD" in status.out and "it would create 2 tickets" in status.out
    assert line("apply", "p", "--approve", "99999").code == 4
    # Without a number the newest is meant, wherever the option stands.
    assert line("apply", "--approve", "p").code == 0
    # The plan that was approved is the one that was carried out, under the number that was shown first.
    assert models.Plan.objects.get(approved_at__isnull=False).pk == planned.json["id"]
    assert line("status").code == 0
    assert line("apply", "p", "--approve", "--json").json["done"] == []


def test_an_approval_by_number(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO, most_creates=1)
    number = line("plan", "p", "--json").json["id"]
    line("plan", "p")
    assert line("apply", "p", "--approve", str(number), "--json").code == 0


def test_halo_away_is_3_and_says_why(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO)
    line("plan", "p")
    halo.stop()
    ended = line("apply", "p")
    assert ended.code == 3 and "cannot be reached" in ended.err
    assert line("status").code == 3
    status = line("status")
    assert "newest run held: " in status.out and "cannot be reached" in status.out
    halo.start()
    assert line("apply", "p").code == 0
    assert line("status").code == 0


def test_another_process_at_work_is_3(line: Any, halo: HaloEmulator, held: Any) -> None:
    line.project(*TWO)
    with held(models.Connection.objects.get().pk):
        ended = line("apply", "p")
    assert ended.code == 3 and "Another process" in ended.err
    assert max(halo.tickets) == 2106


def test_run_does_all_projects_and_one_that_fails_stops_no_other(
    line: Any, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.project(*TWO, default_agent="Nobody Nowhere")
    line("import", line.report("other.csv", "7 v7 s7"), "--source", "other")
    line("project", "create", "q", "--connection", "halo", "--source", "other")
    password = line.file("password", "secret")
    words = ("--kind", "insightvm", "--url", "http://127.0.0.1:9", "--user", "u", "--password-file", password)
    assert line("source", "add", "console", *words).code == 0

    def unreachable(_: InsightVmConsole) -> None:
        raise Unreachable("The console gives no answer.", "Check the address.")

    monkeypatch.setattr(InsightVmConsole, "snapshot", unreachable)
    ended = line("run", "--json")
    assert ended.code == 1
    assert ended.json["sources"] == {"console": {"error": "The console gives no answer. Check the address."}}
    assert len(ended.json["projects"]["p"]["waiting"]) == 3
    assert len(ended.json["projects"]["q"]["done"]) == 2
    status = line("status", "--json").json
    (console,) = [source for source in status["sources"] if source["source"] == "console"]
    assert console == {
        "source": "console",
        "read": None,
        "wrong": "failed: The console gives no answer. Check the address.",
    }
    out = line("run").out
    assert "console: The console gives no answer" in out and "q: 0 done, 0 failed, 0 waiting" in out


def test_settings_are_changed_and_the_others_stay(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO, owner="the team", due="2099-01-31")
    file = line.file("more.toml", 'default_team = "Infrastructure"\ndue = 2098-01-31\n')
    assert line("project", "set", "p", "--settings", file).code == 0
    settings = models.Project.objects.get().settings
    assert (settings["owner"], settings["default_team"], settings["due"]) == (
        "the team",
        "Infrastructure",
        "2098-01-31",
    )
    assert line("apply", "p").code == 0
    assert {halo.tickets[number]["team"] for number in halo.tickets if number > 2106} == {"Infrastructure"}


def test_options_change_a_project_until_it_has_tickets(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO, owner="the team", min_severity="low")
    line("import", line.report("other.csv", "7 v7 s7"), "--source", "other")
    line("connect", "second")
    file = line.file("more.toml", 'min_severity = "low"\ndefault_team = "Infrastructure"\n')
    words = ("--source", "other", "--connection", "second", "--min-severity", "high", "--granularity", "asset")
    assert line("project", "set", "p", *words, "--settings", file).code == 0
    project = models.Project.objects.get()
    assert (project.connection.name, project.source and project.source.name) == ("second", "other")
    settings = project.settings
    assert (settings["min_severity"], settings["granularity"], settings["owner"], settings["default_team"]) == (
        *("high", "asset", "the team", "Infrastructure"),
    )
    assert line("project", "set", "p", "--source", "weekly", "--connection", "halo").code == 0
    assert line("apply", "p").code == 0
    for option, name in (("--source", "other"), ("--connection", "second")):
        ended = line("project", "set", "p", option, name, "--min-severity", "critical")
        assert ended.code == 4 and "has tickets" in ended.err
    assert models.Project.objects.get().settings["min_severity"] == "high"
    # What it has may be named again.
    assert line("project", "set", "p", "--source", "weekly", "--connection", "halo", "--granularity", "asset").code == 0


def test_a_connection_says_how_statuses_are_mapped(line: Any, halo: HaloEmulator) -> None:
    ended = line("connect", "halo", "--status", "remediated=Closed", "--json")
    assert ended.code == 0
    assert ended.json["statuses"] == {"Not Started": "New", "In Progress": "In Progress", "Remediated": "Closed"}
    assert halo.client_secret not in models.Connection.objects.get().secret


def test_a_connection_that_is_entered_again_keeps_what_its_new_projects_begin_with(
    line: Any, halo: HaloEmulator
) -> None:
    assert line("connect", "halo", "--status", "remediated=Closed").code == 0
    row = models.Connection.objects.get()
    models.Connection.objects.update(settings={**row.settings, "new_projects": {"comment": "Hello $NEWS"}})
    assert line("connect", "halo", "--closing-agent", "Marcus Okafor").code == 0
    now = models.Connection.objects.get()
    assert (now.settings["closing_agent"], now.settings["statuses"], now.version) == ("Marcus Okafor", {}, 2)
    line.project(*TWO)
    assert models.Project.objects.get().settings["comment"] == "Hello $NEWS"


def test_a_connection_knows_whose_its_tickets_are(line: Any, halo: HaloEmulator) -> None:
    words = ("connect", "halo", "--ticket-type", "Vulnerability")
    refused = line(*words, "--client", "Northwind")
    assert refused.code == 4 and "Northwind Clinics" in refused.err and not models.Connection.objects.exists()
    refused = line(*words, "--client", "Harbour Logistics", "--requester", "Alice Brandt")
    assert refused.code == 4 and "Jo Lindqvist" in refused.err and "Samir" not in refused.err
    place = (
        "--client",
        "Northwind Clinics",
        "--site",
        "Northwind Lab",
        "--requester",
        "samir.haddad@northwind.example",
    )
    line.project(*TWO)
    assert line(*words, *place).code == 0
    assert line("apply", "p").code == 0
    made = [ticket for number, ticket in halo.tickets.items() if number > 2106]
    assert {(ticket["client_id"], ticket["site_id"], ticket["user_id"]) for ticket in made} == {(12, 19, 53)}


def test_status_says_what_waits_and_why_when_halo_is_lost_in_the_middle(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO)
    halo.inject(Fault("status", "POST", "tickets", status=503, skip=2, times=None))
    halo.inject(Fault("status", "GET", "tickets", status=503, skip=20, times=None))
    first = line("apply", "p", "--json")
    assert first.code == 3 and len(first.json["done"]) == 2 and len(first.json["waiting"]) == 1
    status = line("status")
    assert status.code == 3 and "waits: create s2/" in status.out and "may exist" in status.out
    halo.stop()
    for _ in range(2):
        assert line("run").code == 3
    status = line("status")
    assert status.code == 3 and "waits: create s2/" in status.out
    halo.start()
    halo.clear_faults()
    models.Journal.objects.update(at=timezone.now() - timedelta(hours=1))
    assert line("apply", "p").code == 0
    assert line("status").code == 0
    made = [ticket["summary"] for number, ticket in halo.tickets.items() if number > 2106]
    assert len(made) == len(set(made)) == 3


def test_usage_is_2(line: Any) -> None:
    for words in (("plan",), ("apply", "p", "--approve=x"), ("nothing",), ("import", "x.csv"), ()):
        ended = line(*words)
        assert ended.code == 2, words
    assert line("--help").code == 0


def test_ctrl_c_says_that_nothing_is_lost(line: Any, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    line.project(*TWO)

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("remediation.tickets.run.read_back", stopped)
    ended = line("apply", "p")
    assert ended.code == 130 and "journal" in ended.err


def test_as_a_process_of_its_own(store: str, tmp_path: Any) -> None:
    own = {"DATABASE_URL": store, "REMEDIATION_DATA": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    environment = {**os.environ, **own}
    command = [sys.executable, "-m", "remediation.cli", "plan", "nowhere"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 4
    assert ended.stderr == "There is no project named 'nowhere'. There are: none.\n"


def test_further_statuses_of_halo_are_understood_and_the_first_is_set(line: Any, halo: HaloEmulator) -> None:
    mapping = (
        "--status",
        "In Progress=In Progress",
        "--status",
        "in progress=On Hold",
        "--status",
        "Remediated=Closed",
    )
    assert line("connect", "halo", *mapping, "--json").json["statuses"]["In Progress"] == "In Progress"
    connection = models.Connection.objects.get()
    statuses = Instance(client_of(connection), Options.from_table(connection.settings)).status_map()
    on_hold = next(int(row["id"]) for row in halo.lists.statuses if row["name"] == "On Hold")
    assert statuses.read(on_hold) is Status.IN_PROGRESS
    assert statuses.names[statuses.write[Status.IN_PROGRESS]] == "In Progress"
    twice = ("--status", "Remediated=Closed", "--status", "Remediated=On Hold")
    refused = line("connect", "halo", *mapping, *twice)
    assert refused.code == 4 and "'On Hold' cannot mean both 'In Progress' and 'Remediated'" in refused.err


def test_the_demo_needs_a_checkout_and_says_so(line: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "FOLDER", tmp_path / "site-packages" / "x")
    refused = line("demo")
    assert refused.code == 4 and "needs a checkout" in refused.err


def test_what_waits_for_a_person_is_3(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO)
    assert (line("apply", "p").code, line("status").code) == (0, 0)
    models.Finding.objects.filter(vulnerability="v2").update(state="left")
    applied = line("apply", "p", "--json")
    assert [(item["key"], item["needs_person"]) for item in applied.json["not_done"]] == [("s2/1", True)]
    status = line("status")
    assert status.code == 3 and "needs you: s2/1: withdrawn: 1 out of coverage; an approver decides" in status.out
    words = ("--status", "Exception=Closed", "--closing-agent", "Marcus Okafor")
    assert line("connect", "halo", "--ticket-type", "Vulnerability", *words).code == 0
    line("release", "p", "s2/1")
    assert (line("apply", "p").code, line("status").code) == (0, 0)


def test_a_custom_field_that_halo_dropped_is_in_the_json(line: Any, halo: HaloEmulator) -> None:
    line.project(*TWO)
    line("project", "set", "p", "--settings", line.file("fields.toml", 'fields = { CFNowhere = "$TOP_CVE" }'))
    value = line("apply", "p", "--json").json
    assert not value["failed"] and len(value["warnings"]) == 2
    assert all(key in value["done"] and "CFNowhere" in text for key, text in value["warnings"].items())


def test_a_source_that_was_never_read_is_a_reason(line: Any, halo: HaloEmulator) -> None:
    assert line("connect", "halo", "--ticket-type", "Vulnerability").code == 0
    password = line.file("password", "x")
    words = ("--kind", "insightvm", "--url", "http://127.0.0.1:9", "--user", "u", "--password-file", password)
    assert line("source", "add", "c", *words).code == 0
    assert line("project", "create", "p", "--connection", "halo").code == 0
    (item,) = line("plan", "p", "--json").json["not_done"]
    assert (item["key"], item["reason"]) == ("project", "its source has not been read yet")
    assert line("status").code == 3


def test_enrich_reads_both_feeds_and_says_what_of(line: Any, halo: HaloEmulator, feeds: CveFeeds) -> None:
    ended = line("enrich")
    assert ended.code == 0
    assert "CISA's catalogue (KEV) of 2026-11-20: 2 CVEs, 2 changed." in ended.out
    whole = {"of": "2026-11-20", "cves": 2, "changed": 0}
    assert line("enrich", "--json").json == {"kev": whole, "epss": whole}
    assert "CISA's catalogue (KEV): of 2026-11-20, last read" in line("status").out
    feeds.exploited.clear()
    refused = line("enrich")
    assert refused.code == 4 and "lists no vulnerability" in refused.out and "not changed" in refused.out
    status = line("status")
    assert status.code == 3 and "lists no vulnerability" in status.out


def test_enrich_says_where_both_are_off(line: Any, halo: HaloEmulator) -> None:
    ended = line("enrich")
    assert ended.code == 4 and "REMEDIATION_KEV_URL" in ended.err
    assert line("status", "--json").json["feeds"] == []


def test_reconcile_lists_first_and_then_puts_right(line: Any, halo: HaloEmulator) -> None:
    line.project("1 v1 s1")
    assert line("apply", "p").code == 0
    assert line("reconcile").code == 0
    models.Journal.objects.all().delete()
    models.Ticket.objects.exclude(key="project").delete()
    listed = line("reconcile", "--connection", "halo")
    assert listed.code == 3 and "is adopted by the project 'p'" in listed.out and "reconcile --apply" in listed.out
    assert models.Ticket.objects.count() == 1
    assert line("reconcile", "--apply").code == 0 and models.Ticket.objects.count() == 2
    again = line("reconcile", "--json")
    assert again.code == 0 and again.json["connections"]["halo"]["found"] == []
    assert line("reconcile", "--connection", "none").code == 4
