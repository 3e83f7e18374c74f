"""From a ticket that a person calls done, by a scan that the service asks for, to what the next snapshot says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from halo_emulator import HaloEmulator
from remediation.jobs import tasks
from remediation.store import models
from stand_ins.insightvm_console import Console
from tests.jobs.conftest import waiting_jobs

HOSTS, KEY = ("db02.corp.example", "app01.corp.example"), "ubuntu-upgrade-openssl"


def test_a_scan_is_asked_for_and_the_next_snapshot_decides(line: Any, halo: HaloEmulator, database: str) -> None:
    with Console(database) as console:
        console.seed_demo()
        console.polls_until_ready = 0
        account = ("--user", console.user, "--password-file", line.file("right", console.password))
        line("source", "add", "c", "--kind", "insightvm", "--url", console.url, *account)
        line("source", "read", "c")
        assert line("connect", "halo", "--ticket-type", "Vulnerability").code == 0
        settings = line.file("settings.toml", "rescan = true\n")
        assert line("project", "create", "p", "--connection", "halo", "--source", "c", "--settings", settings).code == 0
        line("apply", "p")
        ticket = models.Ticket.objects.get(key=KEY)
        closed = next(row["id"] for row in halo.lists.statuses if row["name"] == "Resolved")
        console.now += timedelta(hours=2)
        halo.change_ticket(ticket.halo_id, status_id=closed, agent_id=3)
        tasks.run_project(ticket.project_id)
        assert f"rescan-{ticket.project_id}" in waiting_jobs()
        ran = line("run", "--json")
        assert ran.json["scans"] == {"p": {"news": True}} and ran.json["exceptions"] == {}
        scan = models.Rescan.objects.get()
        told = (
            f"a scan of 2 of its hosts in the site HQ was asked for at {scan.at:%Y-%m-%d %H:%M} UTC: scan {scan.number}"
        )
        reasons = {one["key"]: one["reason"] for one in line("plan", "p", "--json").json["not_done"]}
        assert reasons[f"{KEY}/1"].endswith(f"proves that it is gone; {told}")
        for host in HOSTS:
            for number in (1, 3, 4):
                console.patch(host, f"ubuntu-cve-2026-2000{number}")
        assert line("run").code == 0 and not models.Finding.objects.filter(state="remediated").exists()
        console.end_scan(scan.number or 0)
        assert models.Ticket.objects.get(key=KEY).agreed_status == "Not Started", "a scan's own state ends nothing"
        assert line("run").code == 0
        assert models.Finding.objects.filter(state="remediated").count() == 6
        assert models.Ticket.objects.get(key=KEY).agreed_status == "Remediated"
        assert models.Rescan.objects.count() == 1
