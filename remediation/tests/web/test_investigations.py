"""An organisation of InsightIDR is added and changed in the pages, and its investigations are shown and decided on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.jobs.work import plan_project, run_project
from remediation.store import models
from remediation.store.secrets import seal
from stand_ins.insightidr import Idr
from tests.jobs.conftest import waiting_jobs

from .form_in_page import fields_of
from .test_connections import text_of

ADD = "/investigations/sources/new"
HOSTILE = "<script>alert(1)</script> \N{RIGHT-TO-LEFT OVERRIDE}gnp.exe"


@pytest.fixture
def idr() -> Iterator[Idr]:
    with Idr() as running:
        running.seed_demo()
        yield running


@pytest.fixture
def connection(store: str) -> Iterator[models.Connection]:
    with HaloEmulator() as halo:
        yield models.Connection.objects.create(
            name="halo",
            settings={
                "client_id": halo.client_id,
                "auth_server": halo.auth_server,
                "resource_server": halo.resource_server,
            },
            secret=seal(halo.client_secret),
        )


@pytest.fixture
def admin(as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(settings, "NETWORKS", [ip_network("127.0.0.0/8")])
    return as_role("admin")


def typed(admin: Client, idr: Idr, connection: models.Connection, **other: str | list[str]) -> dict[str, object]:
    """What the form of a new organisation holds, with what somebody types into it."""
    known = fields_of(admin.get(ADD).content.decode())
    return {**known, "name": "soc", "connection": str(connection.pk), "url": idr.url, "secret": idr.api_key, **other}


@pytest.fixture
def source(admin: Client, idr: Idr, connection: models.Connection) -> models.InvestigationSource:
    assert admin.post(ADD, {**typed(admin, idr, connection), "do": "save"}).status_code == 302
    return models.InvestigationSource.objects.select_related("project").get()


def test_an_organisation_is_tested_stored_planned_and_resumed(
    admin: Client, idr: Idr, connection: models.Connection
) -> None:
    tested = admin.post(ADD, {**typed(admin, idr, connection), "do": "test"})
    assert "answers and accepts the key" in text_of(tested) and idr.api_key not in tested.content.decode()
    assert not models.InvestigationSource.objects.exists()
    stored = admin.post(ADD, {**typed(admin, idr, connection), "do": "save"})
    source = models.InvestigationSource.objects.select_related("project").get()
    project = source.project
    assert stored.headers["Location"] == f"/projects/{project.slug}/" and project.paused
    assert waiting_jobs() == [f"plan-{project.pk}"]
    said = str(list(models.AuditEntry.objects.values()))
    assert "investigations added" in said and idr.api_key not in said
    plan_project(project)
    page = text_of(admin.get(f"/projects/{project.slug}/"))
    assert "Make a ticket" in page and "Investigations of soc" in page and "paused" in page
    assert models.Ticket.objects.count() == 0
    run_project(project)
    row = models.Investigation.objects.filter(ticket__halo_id__isnull=False).select_related("ticket").first()
    assert row and row.ticket
    assert str(row.ticket.halo_id) in text_of(admin.get("/investigations/"))
    one = text_of(admin.get(f"/investigations/{row.pk}/"))
    assert row.title in one and "Comment on the investigation" in one
    ticket = text_of(admin.get(f"/tickets/{row.ticket.pk}/"))
    assert row.rrn in ticket
    assert (
        models.InvestigationSource.objects.get().secret
        not in admin.get(f"/investigations/sources/{source.pk}/").content.decode()
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"secret": ""}, "Give the API key"),
        ({"url": "", "region": ""}, "Give the region"),
        ({"url": "https://10.1.2.3"}, "10.1.2.3"),
        ({"url": "ftp://idr.example"}, "address"),
        ({"reads": "With Supplier"}, "no sign of equality"),
        ({"reads": "With Supplier = SOON"}, "has no status 'SOON'"),
        ({"every": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_is_said(
    admin: Client, idr: Idr, connection: models.Connection, other: dict[str, str | list[str]], said: str
) -> None:
    answer = admin.post(ADD, {**typed(admin, idr, connection, **other), "do": "save"})
    assert answer.status_code == 400 and not models.InvestigationSource.objects.exists()
    assert said in text_of(answer)


def test_a_wrong_key_is_told_without_what_was_answered(admin: Client, idr: Idr, connection: models.Connection) -> None:
    answer = admin.post(ADD, {**typed(admin, idr, connection, secret="wrong"), "do": "test"})
    text = text_of(answer)
    assert "refuses the API key" in text and "It says" not in text


def test_a_stored_key_is_sent_nowhere_else(admin: Client, idr: Idr, source: models.InvestigationSource) -> None:
    address = f"/investigations/sources/{source.pk}/"
    known = fields_of(admin.get(address).content.decode())
    with Idr() as other:
        other.api_key = idr.api_key
        for do in ("test", "save"):
            answer = admin.post(address, {**known, "url": other.url, "do": do})
            assert "sent to no other address" in text_of(answer)
        assert other.requests == []


def test_two_people_change_an_organisation(admin: Client, source: models.InvestigationSource) -> None:
    address = f"/investigations/sources/{source.pk}/"
    known = fields_of(admin.get(address).content.decode())
    assert admin.post(address, {**known, "do": "save", "every": "7"}).status_code == 302
    later = admin.post(address, {**known, "do": "save", "every": "9"})
    assert later.status_code == 409 and "Somebody else changed this" in text_of(later)
    source.refresh_from_db()
    assert source.settings["every"] == 7


def test_what_is_chosen_is_kept_and_shown(admin: Client, source: models.InvestigationSource) -> None:
    plan_project(source.project)  # which reads Halo's statuses
    address = f"/investigations/sources/{source.pk}/"
    known = fields_of(admin.get(address).content.decode())
    assert known["state_WAITING"] == ["On Hold"]
    chosen = {**known, "state_WAITING": "", "reads": "Action Required = WAITING", "rule_tags": "vip, ceo"}
    assert admin.post(address, {**chosen, "do": "save"}).status_code == 302
    again = fields_of(admin.get(address).content.decode())
    assert again["state_WAITING"] == [""] and again["reads"] == ["Action Required = WAITING"]
    assert again["rule_tags"] == ["vip, ceo"]


def test_an_analyst_asks_and_decides(
    as_role: Callable[[str], Client], idr: Idr, source: models.InvestigationSource
) -> None:
    source.settings["how"]["rule"]["off"] = True
    source.save()
    rrn = idr.investigate(HOSTILE)
    models.Project.objects.update(paused=False)
    run_project(source.project)
    row = models.Investigation.objects.get(rrn=rrn)
    analyst = as_role("analyst")
    page = analyst.get(f"/investigations/{row.pk}/").content.decode()
    assert "Open Halo ticket" in page and "<script>alert" not in page
    assert "<script>alert" not in analyst.get("/investigations/").content.decode()
    assert analyst.post(f"/investigations/{row.pk}/ticket").status_code == 302
    run_project(source.project)
    row.refresh_from_db()
    assert row.ticket and row.ticket.halo_id and row.asked_by == "analyst"
    again = analyst.post(f"/investigations/{row.pk}/ticket", follow=True)
    assert "stands for this investigation already" in text_of(again)
    undecided = analyst.post(f"/investigations/{row.pk}/decide", {"side": "halo"}, follow=True)
    assert "nothing to decide" in text_of(undecided) and "HaloITSM counts" not in text_of(undecided)
    models.Investigation.objects.update(asked=True)
    assert "HaloITSM counts" in text_of(analyst.get(f"/investigations/{row.pk}/"))
    analyst.post(f"/investigations/{row.pk}/decide", {"side": "halo"})
    analyst.post(f"/investigations/{row.pk}/disposition", {"disposition": "BENIGN"})
    row.refresh_from_db()
    assert (row.decided, row.disposition_chosen) == ("halo", "BENIGN")
    assert "no side" in text_of(analyst.post(f"/investigations/{row.pk}/decide", {"side": "both"}, follow=True))
    assert as_role("viewer").post(f"/investigations/{row.pk}/decide", {"side": "halo"}).status_code == 403


def test_the_list_is_ordered_and_filtered(admin: Client, idr: Idr, source: models.InvestigationSource) -> None:
    plan_project(source.project)
    for query in (
        "order=priority",
        "order=-agreed",
        "state=OPEN",
        "priority=HIGH",
        "ticket=no",
        "words=sign",
        "tag=vip",
    ):
        assert admin.get(f"/investigations/?{query}").status_code == 200, query
    assert f"/investigations/?source={source.pk}" in admin.get(f"/projects/{source.project.slug}/").content.decode()
