"""What an approver does on the command line: accept risks, and let withdrawn tickets end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation.store import models
from remediation.tickets.world import findings_of

UNTIL = (date.today() + timedelta(days=90)).isoformat()
STATUSES = ("--status", "Remediated=Resolved", "--status", "Exception=Closed", "--closing-agent", "Marcus Okafor")


def status_of(halo: HaloEmulator, summary: str) -> str:
    (ticket,) = [ticket for ticket in halo.tickets.values() if ticket["summary"].startswith(summary)]
    return next(str(row["name"]) for row in halo.lists.statuses if row["id"] == ticket["status_id"])


def project(line: Any, *found: str) -> None:
    line.project(*found)
    assert line("connect", "halo", "--ticket-type", "Vulnerability", *STATUSES).code == 0
    assert line("apply", "p").code == 0


def add(line: Any, *of: str, until: str = UNTIL) -> Any:
    return line(
        "acceptance", "add", "--source", "weekly", "--reason", "behind a gateway", "--until", until, *of, "--json"
    )


def test_an_accepted_risk_ends_its_ticket_and_its_end_opens_it_again(line: Any, halo: HaloEmulator) -> None:
    project(line, "1 v1 s1", "2 v2 s2")
    number = add(line, "--asset", "HOST1.corp.example").json["id"]
    assert line("apply", "p").code == 0
    assert status_of(halo, "Apply s1") == "Closed" and status_of(halo, "Apply s2") == "New"
    assert line("plan", "p").out.endswith("nothing to do\n") or "summary" in line("plan", "p").out
    listed = line("acceptance", "list")
    assert "asset 1 of weekly" in listed.out and "behind a gateway" in listed.out
    assert line("acceptance", "withdraw", str(number)).code == 0
    assert "No risk is accepted" in line("acceptance", "list").out
    assert line("apply", "p").code == 0
    assert status_of(halo, "Apply s1") == "In Progress"


def test_an_acceptance_ends_by_itself_unless_it_is_renewed(line: Any, halo: HaloEmulator) -> None:
    project(line, "1 v1 s1")
    number = add(line, "--vulnerability", "v1", "--solution", "s1").json["id"]
    source = models.Source.objects.get()
    last = date.fromisoformat(UNTIL)

    def state(day: date) -> str:
        return str(findings_of(source.pk, day)["state"].item())

    assert (state(last), state(last + timedelta(days=1))) == ("excepted", "open")
    later = last + timedelta(days=9)
    assert line("acceptance", "renew", str(number), "--until", later.isoformat()).code == 0
    assert (state(later), state(later + timedelta(days=1))) == ("excepted", "open")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--asset", "nowhere"), "knows no asset 'nowhere'"),
        (("--vulnerability", "v9"), "has never reported a vulnerability 'v9'"),
        (("--solution", "s9"), "has never reported a solution 's9'"),
        ((), "Name what is accepted"),
        (("--asset", "1", "--reason", " "), "needs a reason"),
        (("--asset", "1", "--until", "2020-01-01"), "2020-01-01 is over"),
        (("--asset", "1", "--until", "soon"), "'soon' is no day"),
        (("--asset", "1", "--source", "other"), "There are: weekly."),
    ],
)
def test_acceptances_that_are_refused(line: Any, halo: HaloEmulator, words: tuple[str, ...], says: str) -> None:
    line("import", line.report("a.csv", "1 v1 s1"), "--source", "weekly")
    ended = add(line, *words)
    assert ended.code == 4 and says in ended.err
    assert not models.RiskAcceptance.objects.exists()
    assert line("acceptance", "renew", "7", "--until", UNTIL).code == 4


def test_an_approver_lets_a_withdrawn_ticket_end(line: Any, halo: HaloEmulator) -> None:
    project(line, "1 v1 s1", "2 v1 s1", "3 v2 s2")
    models.Finding.objects.filter(vulnerability="v2").update(state="left")
    applied = line("apply", "p", "--json")
    assert [item["key"] for item in applied.json["not_done"]][:1] == ["s2/1"]
    assert "an approver decides" in applied.json["not_done"][0]["reason"]
    refused = line("release", "p", "s9/1")
    assert refused.code == 4 and "It has: project/1, s1/1, s2/1." in refused.err
    assert line("release", "p", "s2/1").code == 0
    assert line("apply", "p").code == 0
    assert status_of(halo, "Apply s2") == "Closed" and status_of(halo, "Apply s1") == "New"
