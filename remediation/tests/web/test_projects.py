"""Projects in the pages: made with a preview, planned, approved, run, paused and changed; each by who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from halo_emulator import HaloEmulator
from remediation.jobs.tasks import plan_project, run_project
from remediation.jobs.work import import_report, run_project as run_now
from remediation.sources.report_file import read_report
from remediation.store import models
from tests.jobs.conftest import connected, report, waiting_jobs

from .form_in_page import fields_of
from .test_connections import text_of


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def connection(store: str, halo: HaloEmulator) -> models.Connection:
    return connected(halo, new_projects={"owner": "by default", "most_creates": 7})


@pytest.fixture
def source(store: str, tmp_path: Path) -> models.Source:
    row = models.Source(name="weekly", kind="insightvm-report")
    import_report(row, read_report(report(tmp_path / "web.csv", "web"), taken=timezone.now()))
    return models.Source.objects.get()


def filled(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """What a browser sends of the page's form, with some of it changed."""
    page = client.get(address)
    assert page.status_code == 200
    return {**fields_of(page.content.decode(), "min_severity"), **changes}


def test_a_project_is_made_paused_and_its_first_plan_is_shown(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    lead = as_role("approver")
    given = filled(lead, "/projects/new", name="Patch <b>")
    assert given["owner"] == ["by default"]
    assert f">{source.name}</option>" in lead.get("/projects/new").content.decode()
    made = lead.post("/projects/new", given)
    assert made.status_code == 302, text_of(made)
    row = models.Project.objects.get()
    assert (row.name, row.paused, row.settings["most_creates"]) == ("Patch <b>", True, 7)
    assert waiting_jobs() == [f"plan-{row.pk}"]
    assert models.AuditEntry.objects.get(what="project made").who == "approver"
    before = len(halo.tickets)
    plan_project(row.pk)
    page = lead.get(made.headers["Location"])
    assert "Patch &lt;b&gt;" in page.content.decode() and "<b>" not in page.content.decode()
    text = text_of(page)
    assert "Make a ticket fix-web" in text and "Summary" in text and "web.corp.example" in text
    assert len(halo.tickets) == before, "a plan writes nothing"
    lead.post(f"/projects/{row.slug}/pause", {"paused": "no"})
    assert f"project-{row.pk}" in waiting_jobs()
    run_project(row.pk)
    assert len(halo.tickets) == before + 2
    assert "0 of 1 tickets are closed" in text_of(lead.get(f"/projects/{row.slug}/"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": " "}, "required"),
        ({"min_cvss": "11"}, "less than or equal to 10"),
        ({"due": "soon"}, "valid date"),
        ({"source": "999"}, "valid choice"),
        ({"granularity": "planet"}, "valid choice"),
        ({"mass_share": "130"}, "less than or equal to 100"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(
    changes: dict[str, str],
    said: str,
    connection: models.Connection,
    source: models.Source,
    as_role: Callable[[str], Client],
) -> None:
    lead = as_role("approver")
    page = lead.post("/projects/new", {**filled(lead, "/projects/new", name="x"), **changes})
    assert page.status_code == 400 and said in text_of(page)
    (field,) = changes
    assert f'id="id_{field}"' in page.content.decode() and 'aria-invalid="true"' in page.content.decode()
    assert not models.Project.objects.exists()


def test_a_name_that_there_is_already(project: models.Project, as_role: Callable[[str], Client]) -> None:
    lead = as_role("approver")
    page = lead.post("/projects/new", filled(lead, "/projects/new", name="Patch <DMZ>"))
    assert page.status_code == 400 and "There is a project named" in text_of(page)


def test_the_preview_counts_what_is_entered(
    connection: models.Connection, source: models.Source, as_role: Callable[[str], Client]
) -> None:
    lead = as_role("approver")
    given = filled(lead, "/projects/new")
    assert "1 findings 1 solutions 1 devices 1 tickets" in text_of(lead.post("/projects/preview", given))
    none = lead.post("/projects/preview", {**given, "assets": "db*"})
    assert "0 findings 0 solutions 0 devices 0 tickets" in text_of(none)
    assert "no field has an error" in text_of(lead.post("/projects/preview", {**given, "min_cvss": "x"}))


def test_of_two_who_change_a_project_the_later_one_is_told(
    project: models.Project, as_role: Callable[[str], Client]
) -> None:
    lead, other = as_role("approver"), as_role("admin")
    address = "/projects/dmz/change"
    one, two = filled(lead, address, owner="one"), filled(other, address, owner="two")
    assert lead.post(address, one).status_code == 302
    late = other.post(address, two)
    assert late.status_code == 409 and "Somebody else changed this project" in text_of(late)
    assert 'value="two"' in late.content.decode() and "Owner: one" in text_of(late)
    assert models.Project.objects.get().settings["owner"] == "one"
    again = fields_of(late.content.decode(), "min_severity")
    assert other.post(address, again).status_code == 302
    assert models.Project.objects.get().settings["owner"] == "two"
    assert models.AuditEntry.objects.filter(what="project changed").count() == 2


def test_a_version_that_is_none_is_no_version_that_anybody_has_seen(
    project: models.Project, as_role: Callable[[str], Client]
) -> None:
    lead = as_role("approver")
    for version in ("soon", "", "1" * 50):
        assert (
            lead.post("/projects/dmz/change", filled(lead, "/projects/dmz/change", version=version)).status_code == 409
        )


def test_a_project_with_tickets_keeps_its_source(project: models.Project, as_role: Callable[[str], Client]) -> None:
    lead = as_role("approver")
    other = models.Source.objects.create(name="other", kind="insightvm")
    given = filled(lead, "/projects/dmz/change") | {"source": other.pk, "granularity": "asset"}
    assert lead.post("/projects/dmz/change", given).status_code == 302
    row = models.Project.objects.get()
    assert row.source is not None and row.source.name == "console" and row.settings["granularity"] == "solution"


def test_what_cisas_catalogue_asks_for_is_kept_by_the_form(
    project: models.Project, as_role: Callable[[str], Client]
) -> None:
    project.settings = {"scope": {"kev": True}, "raise_for": ["kev"]}
    project.save()
    lead = as_role("approver")
    assert lead.post("/projects/dmz/change", filled(lead, "/projects/dmz/change", owner="Ana")).status_code == 302
    settings = models.Project.objects.get().settings
    assert (settings["owner"], settings["scope"]["kev"], settings["raise_for"]) == ("Ana", True, ["kev"])


def test_a_held_plan_is_approved_by_who_may_and_only_as_it_was_shown(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    row = models.Project.objects.create(
        name="dmz", slug="dmz", connection=connection, source=source, settings={"most_creates": 0}
    )
    before = len(halo.tickets)
    run_now(row)
    plan = models.Plan.objects.get()
    assert plan.held and len(halo.tickets) == before
    address = f"/projects/dmz/plans/{plan.pk}/approve"
    assert as_role("analyst").post(address).status_code == 403
    assert "Approve plan" not in text_of(as_role("analyst").get("/projects/dmz/"))
    lead = as_role("approver")
    assert f"Approve plan {plan.pk}" in text_of(lead.get("/projects/dmz/"))
    newer = models.Plan.objects.create(project=row, held=True)
    assert lead.post(address).status_code == 302
    assert "is not the newest" in text_of(lead.get("/projects/dmz/"))
    assert not models.Plan.objects.filter(approved_at__isnull=False).exists() and not waiting_jobs()
    newer.delete()
    lead.post(address)
    plan.refresh_from_db()
    assert plan.approved_by == "approver" and waiting_jobs() == [f"project-{row.pk}"]
    assert models.AuditEntry.objects.get(what="plan approved").detail["plan"] == plan.pk
    run_project(row.pk)
    assert len(halo.tickets) == before + 2


def test_steps_can_be_filtered(person: Client, project: models.Project) -> None:
    for query, shown in (
        ("kind=create", ["s2", "s3"]),
        ("state=done", ["s1"]),
        ("words=ANOTHER", ["s3"]),
        ("words=%00", ["s1", "s2", "s3"]),
    ):
        page = person.get(f"/projects/dmz/?{query}").content.decode()
        assert [key for key in ("s1", "s2", "s3") if f"<small>{key}</small>" in page] == shown, query


def test_a_run_that_is_at_work_is_followed_until_it_ends(person: Client, project: models.Project) -> None:
    from remediation.jobs.tasks import ask_to_run

    part = person.get("/projects/dmz/runs")
    assert "every 2s" not in part.content.decode() and part.headers["HX-Refresh"] == "true"
    ask_to_run(project)
    assert "Waits in the queue." in text_of(person.get("/projects/dmz/runs"))
    run = models.Run.objects.create(project=project, kind="project", detail={"now": "done create <s1>", "lines": 3})
    page = person.get("/projects/dmz/")
    assert 'hx-trigger="every 2s"' in page.content.decode() and "done create <s1> (3 lines so far)" in text_of(page)
    run.delete()


def test_projects_are_moved(project: models.Project, as_role: Callable[[str], Client]) -> None:
    for name in ("b", "c"):
        models.Project.objects.create(name=name, slug=name, connection=project.connection, position=5)
    lead = as_role("approver")
    lead.post("/projects/c/move", {"to": "up"})
    assert list(models.Project.objects.order_by("position").values_list("slug", flat=True)) == ["dmz", "c", "b"]
    lead.post("/projects/dmz/move", {"to": "up"})
    lead.post("/projects/dmz/move", {"to": "down"})
    assert list(models.Project.objects.order_by("position").values_list("slug", flat=True)) == ["c", "dmz", "b"]
    assert text_of(lead.get("/projects/")).index("Patch <DMZ>") > 0


def test_what_a_viewer_sees_has_no_buttons(person: Client, project: models.Project) -> None:
    for address in ("/projects/", "/projects/dmz/"):
        page = person.get(address).content.decode()
        assert page.count('method="post"') == 1, "signing out"
