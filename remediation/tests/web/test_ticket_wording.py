"""What a ticket says that somebody opens: by a template, with what was typed over it, or an existing ticket's."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from ipaddress import ip_network

import pytest
from django.test import Client
from django.utils import timezone as clock

from halo_emulator import HaloEmulator
from remediation.domain.planning import World
from remediation.jobs.tasks import run_project, tie_ticket
from remediation.store import models
from remediation.store.intake import take_in
from remediation.tickets import run
from tests.jobs.conftest import connected, waiting_jobs

from ..store.scans import scan
from .form_in_page import fields_of
from .test_connections import text_of
from .test_tickets import children, number_of, run_all

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {"web": ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}
LINES = ["PCI DSS 6.3.3 applies.", "Change record of [hostname], due [due_date]."]


@pytest.fixture
def halo(monkeypatch: pytest.MonkeyPatch) -> Iterator[HaloEmulator]:
    monkeypatch.setattr("django.conf.settings.NETWORKS", [ip_network("127.0.0.0/8")])
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def connection(store: str, halo: HaloEmulator) -> models.Connection:
    return connected(halo)


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan(FOUND, DAY))
    return row


@pytest.fixture
def analyst(as_role: Callable[[str], Client], connection: models.Connection, source: models.Source) -> Client:
    return as_role("analyst")


@pytest.fixture
def strict(store: str) -> models.TicketTemplate:
    return models.TicketTemplate.objects.create(
        name="Strict", summary="[cve_id] on [hostname]", details="VPR [vpr_score].", compliance=LINES, priority="medium"
    )


def form_of(client: Client, vulnerability: str, **more: str) -> dict[str, str]:
    """What a browser would send of the page as it is."""
    page = client.get("/tickets/new", {"vulnerability": number_of(vulnerability), **more})
    assert page.status_code == 200
    return {name: values[0] for name, values in fields_of(page.content.decode(), "summary").items()}


def ticket_of(halo: HaloEmulator) -> dict[str, object]:
    run_all()
    (made,) = children(halo)
    return made


def details_of(ticket: dict[str, object]) -> str:
    """Without the last line, by which the client finds the ticket again."""
    text, _, reference = str(ticket["details"]).rpartition("\n\nReference: ")
    assert reference == ticket["third_party_id_string"]
    return text


# It is another day in one of the last two at any time: the day that is shown is the one that the ticket gets.
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_what_is_filled_in_is_what_the_template_says_and_becomes_the_ticket(
    zone: str, analyst: Client, halo: HaloEmulator
) -> None:
    analyst.cookies["zone"] = zone
    given = form_of(analyst, "critical-1")
    today = clock.localdate()
    assert given["template"] == "critical" and given["priority"] == "Critical"
    assert given["due"] == (today + timedelta(days=7)).isoformat()
    assert given["summary"] == "Critical: critical-1 on db.example, web.example"
    assert "VPR: not known." in given["details"] and "VPR: 0" not in given["details"]
    for words in ("1. Isolate", "2. Emergency patch", "3. Verify", "4. Document"):
        assert words in given["details"]
    asked = analyst.post("/tickets/new", given)
    assert asked.status_code == 302
    made = ticket_of(halo)
    assert details_of(made) == given["details"] and made["summary"] == given["summary"]
    assert str(made["deadlinedate"]).startswith(given["due"])
    entry = models.AuditEntry.objects.get(what="ticket asked for")
    assert entry.detail["template"] == "Critical" and "edited" not in entry.detail
    plain = form_of(analyst, "high-2")
    assert plain["template"] == "standard" and plain["priority"] == "High"
    assert plain["due"] == (today + timedelta(days=30)).isoformat() and "2. Test in staging" in plain["details"]


HOSTILE = "<script>alert(1)</script> $SEVERITY [hostname] ${X} $$ =cmd() & 'x' \"y\"\n\n  indented, Zoë 🛡\n"


def test_what_is_typed_reaches_the_ticket_byte_for_byte(analyst: Client, halo: HaloEmulator) -> None:
    given = form_of(analyst, "critical-1")
    due = (clock.localdate() + timedelta(days=3)).isoformat()
    typed = {
        "summary": "$X <b>[cve_id]</b> & now",
        "details": HOSTILE + "x" * 10_000,
        "priority": "Low",
        "due": due,
        "estimate": "2 hours",
    }
    sent = {**given, **typed, "details": typed["details"].replace("\n", "\r\n")}
    assert analyst.post("/tickets/new", sent).status_code == 302
    # It survives until the run; another one who clicks meanwhile changes nothing.
    kept = models.TicketWording.objects.get()
    assert kept.key == "critical-1" and kept.wording["typed"]["details"] == typed["details"]
    again = analyst.post("/tickets/new", sent, follow=True)
    assert "Somebody has asked" not in text_of(again)
    late = analyst.post("/tickets/new", {**sent, "summary": "mine"}, follow=True)
    assert "Somebody has asked for it before you" in text_of(late)
    made = ticket_of(halo)
    assert made["summary"] == typed["summary"]
    assert details_of(made) == typed["details"] + "\n\nEstimate: 2 hours"
    assert str(made["deadlinedate"]).startswith(due) and made["priority_id"] == 4
    step = models.Step.objects.get(kind="create")
    assert "edited by analyst" in step.reason and step.body["priority"] == "Low"
    entry = models.AuditEntry.objects.get(what="ticket asked for")
    assert entry.detail["edited"] == ["details", "due", "estimate", "priority", "summary"]
    assert "script" not in str(entry.detail)
    # It is that ticket's, once.
    assert not models.TicketWording.objects.exists()
    page = analyst.get(f"/projects/{models.Project.objects.get().slug}/").content.decode()
    assert "<script>alert" not in page


def test_a_date_or_an_estimate_that_is_typed_goes_into_the_text_that_is_not(
    analyst: Client, halo: HaloEmulator
) -> None:
    given = form_of(analyst, "high-2")
    due = (clock.localdate() + timedelta(days=3)).isoformat()
    analyst.post("/tickets/new", {**given, "due": due, "estimate": "2 hours"})
    assert sorted(models.TicketWording.objects.get().wording["typed"]) == ["due", "estimate"]
    text = details_of(ticket_of(halo))
    assert f"Due: {due}. Estimate: 2 hours." in text


def test_lines_of_compliance_are_put_back(analyst: Client, strict: models.TicketTemplate, halo: HaloEmulator) -> None:
    given = form_of(analyst, "high-2", template=str(strict.pk))
    due = given["due"]
    lines = f"{LINES[0]}\nChange record of db.example, due {due}."
    assert given["details"] == f"VPR not known.\n\n{lines}"
    # The subject has no CVE, and the template no days.
    assert (given["summary"], given["priority"]) == ("not known on db.example", "Medium")
    typed = {**given, "details": f"Mine only.\n{LINES[0]}"}
    # The template goes meanwhile: what was chosen counts.
    assert analyst.post("/tickets/new", typed).status_code == 302
    strict.delete()
    assert details_of(ticket_of(halo)) == f"Mine only.\n\n{lines}"


def test_a_ticket_that_follows_another_has_the_lines_of_its_template(
    analyst: Client, strict: models.TicketTemplate, source: models.Source, halo: HaloEmulator
) -> None:
    given = form_of(analyst, "high-2", template=str(strict.pk))
    analyst.post("/tickets/new", {**given, "summary": "Mine", "details": "Mine only."})
    first = ticket_of(halo)
    for day, found in enumerate(({name: [] for name in FOUND}, FOUND), 1):
        take_in(source, scan(found, DAY + timedelta(days=day)))
        run_all()
    (follows,) = (one for one in children(halo) if one["id"] != first["id"])
    due = str(follows["deadlinedate"])[:10]
    lines = f"{LINES[0]}\nChange record of db.example, due {due}."
    assert details_of(follows) == f"VPR not known.\n\nFollows ticket {first['id']}, which was Remediated.\n\n{lines}"
    assert follows["summary"] == "not known on db.example"


def test_a_template_that_was_removed_is_not_taken_for_another(
    analyst: Client, strict: models.TicketTemplate, halo: HaloEmulator
) -> None:
    given = form_of(analyst, "high-2", template=str(strict.pk))
    strict.delete()
    page = analyst.post("/tickets/new", given)
    assert page.status_code == 200 and "The template was removed meanwhile" in text_of(page)
    assert not models.Project.objects.exists() and not waiting_jobs()


WRONG = (
    ({"summary": "x" * 256}, "at most 255 characters"),
    ({"summary": " "}, "This field is required"),
    ({"details": ""}, "This field is required"),
    ({"due": "2020-01-01"}, "This day is over."),
    ({"due": "tomorrow"}, "Enter a valid date"),
    ({"priority": "Urgent"}, "not one of the available choices"),
    ({"existing": "no. 7"}, "Give the number of a ticket"),
    ({"existing": "0"}, "Give the number of a ticket"),
    ({"existing": "99999999999999"}, "Give the number of a ticket"),
)


def test_what_may_not_be_typed(analyst: Client) -> None:
    given = form_of(analyst, "high-2")
    for change, said in WRONG:
        page = analyst.post("/tickets/new", {**given, **change})
        assert page.status_code == 400 and said in text_of(page), change
        kept = fields_of(page.content.decode(), "summary")
        assert all(kept[name] == [value] for name, value in change.items() if name != "priority"), change
    assert analyst.post("/tickets/new", {**given, "details": "a\0b"}).status_code == 400
    assert not models.Project.objects.exists()


def test_several_get_one_template_and_no_form(analyst: Client, halo: HaloEmulator) -> None:
    chosen = [number_of("critical-1"), number_of("low-9")]
    page = analyst.get("/tickets/new", {"chosen": chosen, "template": "critical"})
    fields = fields_of(page.content.decode(), "csrfmiddlewaretoken")
    page_fields = fields_of(page.content.decode(), "connection")
    assert "summary" not in page_fields and fields
    analyst.post("/tickets/new", {"chosen": chosen, "template": "critical"})
    run_all()
    assert sorted(str(one["summary"]) for one in children(halo)) == [
        "Critical: critical-1 on db.example, web.example",
        "Critical: low-9 on web.example",
    ]
    usual = analyst.get("/tickets/new", {"chosen": [number_of("high-2"), number_of("low-9")]})
    assert fields_of(usual.content.decode(), "chosen")["template"] == ["standard"]


def test_the_text_can_be_copied_also_when_there_is_a_ticket(analyst: Client, halo: HaloEmulator) -> None:
    number = number_of("critical-1")
    device = models.Device.objects.get(name="web.example")
    assert f"/tickets/new?vulnerability={number}#copy" in analyst.get(f"/vulnerabilities/{number}/").content.decode()
    assert f"/tickets/new?device={device.pk}#copy" in analyst.get(f"/devices/{device.pk}/").content.decode()
    analyst.post("/tickets/new", form_of(analyst, "critical-1"))
    made = ticket_of(halo)
    page = analyst.get("/tickets/new", {"vulnerability": number}).content.decode()
    text = page.split('<textarea id="text-1"', 1)[1].split(">", 1)[1].split("</textarea>", 1)[0]
    assert html.unescape(text) == f"\n{made['summary']}\n\n{details_of(made)}"
    assert 'data-copies="text-1"' in page and 'aria-live="polite"' in page and "readonly" in page
    assert "Open the ticket" not in page


def theirs(halo: HaloEmulator) -> int:
    """A ticket of HaloITSM's that is nobody's of ours."""
    return min(number for number, one in halo.tickets.items() if not one.get("third_party_id_string"))


def test_an_existing_ticket_is_told_by_a_comment_and_no_other_one_is_made(
    analyst: Client, connection: models.Connection, halo: HaloEmulator
) -> None:
    number, before = theirs(halo), len(halo.tickets)
    given = {**form_of(analyst, "critical-1"), "existing": f"#{number}"}
    asked = analyst.post("/tickets/new", given)
    assert asked.status_code == 302
    row = models.Ticket.objects.get()
    assert waiting_jobs() == [f"tie-{row.pk}"]
    assert f"ticket {number} is looked up in HaloITSM" in text_of(analyst.get(asked.headers["Location"]))
    # A second click, and a run before the ticket is tied, make nothing.
    assert "before you" not in text_of(analyst.post("/tickets/new", given, follow=True))
    assert "before you" in text_of(analyst.post("/tickets/new", {**given, "existing": "1"}, follow=True))
    run_all()
    assert len(halo.tickets) == before and not models.TicketWording.objects.exists()
    plan = models.Plan.objects.latest("pk")
    assert [one["reason"] for one in plan.not_done] == [
        f"ticket {number} of HaloITSM is to stand for it, as analyst wants it"
    ]
    tie_ticket(row.pk)
    run_all()
    row.refresh_from_db()
    assert row.halo_id == number and row.assets == ["db", "web"] and row.vulnerabilities == ["critical-1"]
    said = [str(one["note"]) for one in halo.actions[number] if "analyst chose this ticket" in str(one.get("note"))]
    assert len(said) == 1 and "db.example" in said[0] and "web.example" in said[0] and "critical-1" in said[0]
    assert "CVEs:" in said[0]
    run_all()
    assert len(halo.tickets) == before and len(models.Ticket.objects.all()) == 1
    assert f"there is a ticket. {number}:" in text_of(analyst.get(asked.headers["Location"]))
    assert f"analyst chose ticket {number} for it" in text_of(analyst.get(f"/tickets/{row.pk}/"))
    entry = models.AuditEntry.objects.get(what="ticket asked for")
    assert entry.detail["to"] == number
    assert f"covered by ticket {number}" in text_of(
        analyst.get("/tickets/new", {"vulnerability": number_of("critical-1")})
    )


def test_an_existing_ticket_that_cannot_be_taken_is_refused_with_the_reason(
    analyst: Client, halo: HaloEmulator
) -> None:
    analyst.post("/tickets/new", form_of(analyst, "critical-1"))
    ours = ticket_of(halo)["id"]
    given = form_of(analyst, "high-2")
    for number, why in ((987654, "HaloITSM has no ticket 987654"), (ours, "was made by this service for something")):
        page = analyst.post("/tickets/new", {**given, "existing": str(number), "summary": "typed"})
        assert page.status_code == 400 and why in text_of(page)
        assert fields_of(page.content.decode(), "summary")["summary"] == ["typed"]
    # One that another mapping was tied to carries no reference of ours.
    number = theirs(halo)
    analyst.post("/tickets/new", {**form_of(analyst, "low-9"), "existing": str(number)})
    tie_ticket(models.Ticket.objects.get(key="low-9").pk)
    page = analyst.post("/tickets/new", {**given, "existing": str(number)})
    assert page.status_code == 400 and f"Ticket {number} stands for something else of this project" in text_of(page)
    assert not models.Ticket.objects.filter(key="high-2").exists()
    assert "Open the ticket" in text_of(analyst.get("/tickets/new", {"vulnerability": number_of("high-2")}))


def test_a_ticket_that_goes_before_it_is_tied_leaves_the_findings_to_be_asked_for_again(
    analyst: Client, halo: HaloEmulator
) -> None:
    number = theirs(halo)
    asked = analyst.post("/tickets/new", {**form_of(analyst, "high-2"), "existing": str(number)})
    halo.delete_ticket(number)
    row = models.Ticket.objects.get()
    tie_ticket(row.pk)
    run_all()
    assert not children(halo) and not models.ListedFinding.objects.exists()
    page = text_of(analyst.get(asked.headers["Location"]))
    assert "no ticket is made" in page and f"HaloITSM has no ticket {number}" in page
    analyst.post("/tickets/new", form_of(analyst, "high-2"))
    assert ticket_of(halo)["summary"] == "high-2 on db.example (high)"
    assert "there is a ticket." in text_of(analyst.get(asked.headers["Location"]))


def test_a_ticket_that_is_chosen_in_the_middle_of_a_run_is_not_made_as_well(
    analyst: Client, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, before = theirs(halo), len(halo.tickets)
    given = {**form_of(analyst, "high-2"), "existing": str(number)}
    real = run.world_of

    def just_before(project: models.Project, today: date) -> World:
        # As if the rows of tickets had been read before the click, and the findings after it.
        return replace(real(project, today), tickets=[])

    analyst.post("/tickets/new", given)
    with monkeypatch.context() as patched:
        patched.setattr(run, "world_of", just_before)
        patched.setattr("remediation.tickets.world.generations_of", lambda rows: {})
        run_all()
    assert len(halo.tickets) == before
    waits = models.Step.objects.get(kind="create")
    assert waits.state == "waiting" and f"ticket {number} of HaloITSM is to stand for it" in waits.result["said"]


def test_halo_that_is_away_takes_no_choice(analyst: Client, halo: HaloEmulator) -> None:
    given = form_of(analyst, "high-2")
    halo.stop()
    page = analyst.post("/tickets/new", {**given, "existing": "7"})
    assert page.status_code == 502 and "could not be read, so nothing was asked for" in text_of(page)
    assert not models.Project.objects.exists()


def test_what_nobody_needs_any_more_is_not_used_later(
    analyst: Client, source: models.Source, halo: HaloEmulator
) -> None:
    analyst.post("/tickets/new", {**form_of(analyst, "high-2"), "summary": "the first"})
    take_in(source, scan({**FOUND, "db": ["critical-1"]}, DAY + timedelta(days=1)))
    run_all()
    assert not children(halo)
    take_in(source, scan({**FOUND, "db": ["critical-1"], "app": ["high-2"]}, DAY + timedelta(days=2)))
    analyst.post("/tickets/new", {**form_of(analyst, "high-2"), "summary": "the second"})
    assert ticket_of(halo)["summary"] == "the second"


def test_what_was_typed_is_not_lost_where_a_run_ends_in_the_middle(
    analyst: Client, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst.post("/tickets/new", {**form_of(analyst, "high-2"), "summary": "typed"})
    from remediation.tickets.instance import Instance

    def dies(*_: object) -> object:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Instance, "create", dies)
        run_project(models.Project.objects.get().pk)
    assert not children(halo) and models.TicketWording.objects.count() == 1
    models.Journal.objects.update(at=clock.now() - timedelta(hours=1))
    assert ticket_of(halo)["summary"] == "typed"


def test_what_is_typed_for_a_new_ticket_goes_nowhere_else(
    analyst: Client, source: models.Source, halo: HaloEmulator
) -> None:
    late = {**form_of(analyst, "high-2"), "summary": "typed", "existing": str(theirs(halo))}
    analyst.post("/tickets/new", form_of(analyst, "high-2"))
    made = ticket_of(halo)
    take_in(source, scan({**FOUND, "app": ["high-2"]}, DAY + timedelta(days=1)))
    page = analyst.post("/tickets/new", late)
    assert "A ticket of it has come up since this was shown" in text_of(page)
    run_all()
    assert models.Ticket.objects.get().assets == ["db"] and made["id"] == models.Ticket.objects.get().halo_id
    # Shown as it is now, what is left joins that ticket.
    assert f"Ticket {made['id']} stands for it already." in text_of(page)


def test_a_viewer_may_not(as_role: Callable[[str], Client], analyst: Client) -> None:
    given = form_of(analyst, "high-2")
    viewer = as_role("viewer")
    assert viewer.post("/tickets/new", given).status_code == 403
    assert "Copy template" not in text_of(viewer.get(f"/vulnerabilities/{number_of('high-2')}/"))
    assert not models.Project.objects.exists()
