"""What an approver does on the command line: accept risks, and let withdrawn tickets end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation.cli import approvals
from remediation.cli.ending import Refused
from remediation.store import models
from remediation.tickets.lease import Busy
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
    last = date.fromisoformat(UNTIL)

    def state(day: date) -> str:
        return str(findings_of(models.Project.objects.get(), day)["state"].item())

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
    refused = line("release", "p", "s1/1")
    assert refused.code == 4 and "'s1/1' that waits for an approver. It has: s2/1." in refused.err
    assert not models.Ticket.objects.filter(note__has_key="released")
    assert line("release", "p", "s2/1").code == 0
    assert line("apply", "p").code == 0
    assert status_of(halo, "Apply s2") == "Closed" and status_of(halo, "Apply s1") == "New"
    # It counts for one ending.
    assert not models.Ticket.objects.filter(note__has_key="released")
    assert line("release", "p", "s2/1").code == 4


def lose(halo: HaloEmulator, key: str) -> int:
    """Somebody deletes a ticket in Halo, and a run notices."""
    row = models.Ticket.objects.get(key=key)
    assert row.halo_id is not None
    halo.delete_ticket(row.halo_id)
    return row.halo_id


@pytest.mark.parametrize("key", ["s1", "project"])
def test_an_approver_has_a_lost_ticket_made_anew(line: Any, halo: HaloEmulator, key: str) -> None:
    project(line, "1 v1 s1", "2 v2 s2")
    with pytest.raises(Refused, match="is not missing"):
        approvals.remake("p", [f"{key}/1"])
    lost = lose(halo, key)
    connection = models.Connection.objects.get()
    connection.settings = {**connection.settings, "cursor": ""}
    connection.save()
    assert line("apply", "p").code == 0
    with pytest.raises(Refused, match="has no ticket 's9/1'"):
        approvals.remake("p", ["s9/1"])
    for number in (2, 3):
        approvals.remake("p", [f"{key}/1"])
        with pytest.raises(Refused, match="is not missing"):
            approvals.remake("p", [f"{key}/1"])
        row = models.Ticket.objects.get(key=key)
        assert (row.halo_id, row.note, row.reference) == (None, {}, f"remediation:p:{key}:{number}")
        assert f"ticket {lost} does not exist" in row.journal.order_by("-pk")[0].detail["said"]
        assert row.journal.filter(event="done").count() == number - 1
        assert line("apply", "p").code == 0
        row.refresh_from_db()
        assert row.halo_id not in (None, lost) and row.status == "Not Started"
        assert halo.tickets[row.halo_id]["third_party_id_string"] == row.reference
        assert line("plan", "p", "--json").json["steps"] == []
        lost = lose(halo, key)
        models.Ticket.objects.filter(pk=row.pk).update(note={**row.note, "missing": "2026-11-20T01:00:00+00:00"})


def test_no_ticket_is_made_anew_beside_a_run(line: Any, halo: HaloEmulator, held: Any) -> None:
    project(line, "1 v1 s1")
    models.Ticket.objects.filter(key="s1").update(note={"missing": "2026-11-20T01:00:00+00:00"})
    with held(models.Connection.objects.get().pk), pytest.raises(Busy):
        approvals.remake("p", ["s1/1"])
    assert models.Ticket.objects.get(key="s1").halo_id


def test_a_status_of_its_own_for_what_was_withdrawn(line: Any, halo: HaloEmulator) -> None:
    project(line, "1 v1 s1", "2 v2 s2")
    connected = line("connect", "halo", "--ticket-type", "Vulnerability", *STATUSES, "--status", "withdrawn=Cancelled")
    assert connected.code == 4 and "no status named 'Cancelled'" in connected.err
    halo.lists.statuses.append({"id": 50, "name": "Cancelled", "shortname": "Cancelled", "type": 0, "sequence": 50})
    halo.lists.closed_statuses.add(50)
    connected = line("connect", "halo", "--ticket-type", "Vulnerability", *STATUSES, "--status", "withdrawn=Cancelled")
    assert connected.code == 0 and "Withdrawn = Cancelled" in connected.out
    models.Finding.objects.filter(vulnerability="v2").update(state="left")
    line("apply", "p")
    assert line("release", "p", "s2/1").code == 0
    assert line("apply", "p").code == 0
    assert (status_of(halo, "Apply s1"), status_of(halo, "Apply s2")) == ("New", "Cancelled")
    assert models.Ticket.objects.get(key="s2").status == "Exception"
    assert line("plan", "p", "--json").json["steps"] == [] and line("status").code == 0
