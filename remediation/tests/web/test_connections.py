"""The connection wizard, over an emulated HaloITSM by HTTP: from nothing to a first plan, and what may go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from halo_emulator import Fault, HaloEmulator
from remediation.domain.template import VARIABLES
from remediation.jobs.tasks import plan_project
from remediation.jobs.work import import_report
from remediation.settings import networks
from remediation.sources.report_file import read_report
from remediation.store import models
from remediation.store.secrets import open_, seal
from remediation.tickets import page_client
from remediation.web.connections.variables import MEANINGS
from tests.jobs.conftest import report, waiting_jobs

from .form_in_page import fields_of

SECRET = "a secret that is wrong"
# As an administrator would add them: id, name, whether it closes a ticket.
STATUSES = ((40, "Awaiting Verification", False), (41, "Remediated", True), (42, "Closed - Won't Fix", True))


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    running = HaloEmulator()
    for number, name, closes in STATUSES:
        running.lists.statuses.append({"id": number, "name": name, "shortname": name, "type": 0, "sequence": number})
        if closes:
            running.lists.closed_statuses.add(number)
    with running:
        yield running


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator is on this machine."""
    monkeypatch.setattr("django.conf.settings.NETWORKS", networks("127.0.0.0/8"))


@pytest.fixture
def admin(as_role: Callable[[str], Client]) -> Client:
    return as_role("admin")


@pytest.fixture
def source(store: str, tmp_path: Path) -> models.Source:
    """A source whose report has one finding on one device."""
    row = models.Source(name="weekly", kind="insightvm-report")
    import_report(row, read_report(report(tmp_path / "web.csv", "web"), taken=timezone.now()))
    models.Asset.objects.update(owner_tags=["web-team"])
    return models.Source.objects.get()


def text_of(page: Any) -> str:
    """What a page says, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


def details(halo: HaloEmulator, **other: str) -> dict[str, str]:
    return {
        "name": "halo",
        "resource_server": halo.resource_server,
        "auth_server": halo.auth_server,
        "client_id": halo.client_id,
        "secret": halo.client_secret,
        "requests": "120",
        "version": "0",
        "do": "next",
        **other,
    }


def draft() -> models.ConnectionDraft:
    return models.ConnectionDraft.objects.get()


def address(step: str) -> str:
    return f"/connections/drafts/{draft().pk}/{step}/"


def shown(page: Any, having: str = "version") -> dict[str, list[str]]:
    """What a browser would send of the form of a page."""
    return fields_of(page.content.decode(), having)


def send(admin: Client, step: str, **sent: Any) -> Any:
    """Send what the page shows with something else in it."""
    return admin.post(address(step), {**shown(admin.get(address(step))), "do": "next", **sent})


@pytest.fixture
def begun(admin: Client, halo: HaloEmulator) -> Client:
    """The browser of somebody who has entered the first step."""
    assert admin.post("/connections/new/", details(halo)).status_code == 302
    return admin


@pytest.fixture
def complete(begun: Client, source: models.Source) -> Client:
    """Who has entered all four."""
    for step in ("statuses", "template", "assignment"):
        assert send(begun, step, **({"ours5": "Closed"} if step == "statuses" else {})).status_code == 302, step
    return begun


def saved(admin: Client, **other: Any) -> Any:
    page = admin.get(address("enable"))
    has_form = b'name="based_on"' in page.content
    return admin.post(address("enable"), {**(shown(page, "based_on") if has_form else {}), "do": "save", **other})


# From nothing to a first plan


def test_from_nothing_to_a_first_plan(admin: Client, halo: HaloEmulator, source: models.Source) -> None:
    assert "No HaloITSM is connected yet" in text_of(admin.get("/connections/"))
    first = admin.post("/connections/new/", details(halo, do="test"))
    page = admin.get(first.headers["Location"])
    said = text_of(page)
    assert first.headers["Location"].endswith("/details/#test")
    for check in ("Address of HaloITSM good", "Sign-in good", "Right to read ticket types good", "Statuses good"):
        assert check in said
    assert "Found by their names: Not Started, In Progress" in said
    assert not models.Connection.objects.exists()

    statuses = admin.get(address("statuses"))
    assert "Exception is not mapped" in text_of(statuses)
    assert send(admin, "statuses", ours5="Closed").headers["Location"] == address("template")

    template = admin.get(address("template"))
    said = text_of(template)
    assert "Fix web (1 assets, high)" in said and "web.corp.example" in said and "Now: 1 open." in said
    rows = {"child_field": ["CFRiskScore", ""], "child_value": ["$RISK_SCORE", ""]}
    texts = {"child_summary": "$SOL_NAME on $DEVICE", "days_high": "14", "priority_high": "critical", **rows}
    types = {"ticket_type": "Vulnerability", "client": "Northwind Clinics", "closing_agent": "marcus okafor"}
    assert send(admin, "template", **texts, **types).headers["Location"] == address("assignment")

    rule = {
        "rule_field": "owner_tags",
        "rule_value": "web",
        "rule_share": "most",
        "rule_agent": "",
        "rule_team": "infrastructure",
    }
    done = send(admin, "assignment", **rule, default_agent="Priya Raman")
    assert done.headers["Location"] == address("enable")
    page = admin.get(address("enable"))
    wanted = {"project": "Patch web", "source": source.pk, "do": "enable"}
    done = admin.post(address("enable"), {**shown(page, "project"), **wanted})
    assert (done.status_code, done.headers["Location"]) == (302, "/projects/patch-web/")

    connection = models.Connection.objects.get()
    assert open_(connection.secret) == halo.client_secret
    assert (
        connection.settings["closing_agent"] == "Marcus Okafor"
        and connection.settings["parent_type"] == "Vulnerability"
    )
    project = models.Project.objects.get()
    assert project.paused and project.settings["due_days"]["high"] == 14
    assert not models.ConnectionDraft.objects.exists()
    assert [entry.what for entry in models.AuditEntry.objects.order_by("pk")] == ["connection made", "project made"]
    assert halo.client_secret not in str(list(models.AuditEntry.objects.values()))

    before = len(halo.tickets)
    plan_project(project.pk)
    plan = project.plans.get()
    child = plan.steps.get(kind="create")
    assert child.body["summary"] == "Fix web on web.corp.example" and child.body["team"] == "Infrastructure"
    assert child.body["priority"] == "Critical" and child.body["customfields"] == {"CFRiskScore": "0"}
    assert len(halo.tickets) == before
    assert "2" in text_of(admin.get("/projects/patch-web/"))


def test_a_plan_waits_in_the_queue(complete: Client, source: models.Source) -> None:
    saved(complete, do="enable", project="Patch", source=source.pk)
    assert waiting_jobs() == [f"plan-{models.Project.objects.get().pk}"]


def test_an_unfinished_draft_changes_nothing_and_is_kept(begun: Client) -> None:
    left = send(begun, "assignment", do="leave", default_agent="Priya")
    assert left.headers["Location"] == "/connections/"
    said = text_of(begun.get(address("enable")))
    assert "Status mapping : not entered yet" in said and "Assignment : to be corrected" in said
    assert "The nearest is 'Priya Raman'" in text_of(begun.get(address("assignment")))
    refused = begun.post(address("enable"), {"version": draft().version, "based_on": 0, "do": "save"})
    assert refused.status_code == 200 and not models.Connection.objects.exists()


def test_requests_of_the_wizard_count(begun: Client, halo: HaloEmulator) -> None:
    begun.get(address("template"))
    counted = sum(count for row in models.RequestBudget.objects.all() for _, count in row.spent)
    assert counted == len(halo.requests) > 0


def test_where_the_budget_is_used_up_nothing_is_sent(begun: Client, halo: HaloEmulator) -> None:
    models.ConnectionDraft.objects.update(
        entered={"details": {**draft().entered["details"], "requests": ["2"]}},
    )
    begun.get(address("template"))
    sent = len(halo.requests)
    said = text_of(begun.get(address("statuses")))
    assert "and 2 are allowed. Try again in" in said and len(halo.requests) == sent


def test_lists_are_not_read_again_for_each_page(begun: Client, halo: HaloEmulator) -> None:
    begun.get(address("template"))
    sent = len(halo.requests)
    begun.get(address("template"))
    send(begun, "template")
    assert len(halo.requests) == sent
    begun.get(address("template") + "?anew=1")
    assert len(halo.requests) > sent


# The first step


@pytest.mark.parametrize("page", ["details", "statuses", "template", "assignment", "enable"])
def test_the_secret_is_never_shown(page: str, begun: Client, halo: HaloEmulator) -> None:
    answer = begun.get(address(page))
    assert halo.client_secret not in unescape(answer.content.decode())
    assert halo.client_secret not in str(draft().entered) + str(draft().seen)


def test_an_empty_secret_keeps_the_stored_one(begun: Client, halo: HaloEmulator) -> None:
    before = draft().secret
    assert send(begun, "details", secret="", do="test").status_code == 302
    assert draft().secret == before and "Sign-in good" in text_of(begun.get(address("details")))


def test_a_stored_secret_is_not_sent_to_another_address(begun: Client, halo: HaloEmulator) -> None:
    with HaloEmulator(client_id=halo.client_id, client_secret=halo.client_secret) as other:
        page = send(begun, "details", secret="", auth_server=other.auth_server, do="test")
        assert "Enter the secret again" in text_of(page) and not draft().secret
        again = send(begun, "details", secret="", auth_server=other.auth_server, do="test")
        assert "Enter the client secret" in text_of(again) and not other.requests


def test_a_wrong_secret(admin: Client, halo: HaloEmulator) -> None:
    admin.post("/connections/new/", details(halo, secret=SECRET, do="test"))
    said = text_of(admin.get(address("details")))
    assert "Address of HaloITSM good" in said and "Sign-in failed" in said
    assert "Right to read" not in said and SECRET not in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://169.254.169.254/api", "a metadata service, which is never asked"),
        ("https://[fd00:ec2::254]/api", "a metadata service, which is never asked"),
        ("https://10.1.2.3/api", "not public"),
        ("https://no-such-host.invalid/api", "cannot be resolved"),
    ],
)
def test_an_address_that_is_not_asked(url: str, said: str, admin: Client, halo: HaloEmulator) -> None:
    for name in ("resource_server", "auth_server"):
        models.ConnectionDraft.objects.all().delete()
        admin.post("/connections/new/", details(halo, **{name: url, "do": "test"}))
        page = text_of(admin.get(address("details")))
        assert said in page and "failed" in page and "Sign-in" not in page
        assert said in text_of(admin.get(address("statuses")))
        assert not halo.requests


@pytest.mark.parametrize("url", ["http://halo.example/api", "https://a:b@halo.example/api", "file:///etc/passwd", "x"])
def test_an_address_that_is_none(url: str, admin: Client, halo: HaloEmulator) -> None:
    page = admin.post("/connections/new/", details(halo, resource_server=url))
    assert "The Resource Server of the connection" in text_of(page) and not halo.requests
    assert draft().entered["details"]["resource_server"] == [url]


def test_another_server_than_halo(admin: Client, halo: HaloEmulator) -> None:
    halo.inject(Fault("status", path="auth/token", status=418, body="INTERNAL WORDS of another server", times=None))
    halo.inject(Fault("status", path="token", status=418, body="INTERNAL WORDS of another server", times=None))
    admin.post("/connections/new/", details(halo, do="test"))
    said = text_of(admin.get(address("details")))
    assert "Sign-in failed" in said and "INTERNAL WORDS" not in said
    assert "INTERNAL WORDS" not in text_of(admin.get(address("statuses")))


def test_a_right_that_is_missing(admin: Client, halo: HaloEmulator) -> None:
    halo.denied = {("GET", "team")}
    admin.post("/connections/new/", details(halo, do="test"))
    said = text_of(admin.get(address("details")))
    assert "Right to read teams failed" in said and "Right to read users good" in said
    assert "The teams could not be read" in text_of(admin.get(address("assignment")))
    assert send(admin, "assignment", default_team="Whatever they call it").status_code == 302


@pytest.mark.long
def test_halo_is_away(begun: Client, halo: HaloEmulator) -> None:
    halo.stop()
    for step in ("statuses", "template", "assignment"):
        page = begun.get(address(step))
        assert page.status_code == 200 and "lists could not be read" in text_of(page)
    assert "nothing to choose from" in text_of(begun.get(address("statuses")))


def test_halo_is_slow(begun: Client, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_client, "LIMITS", {"connect_timeout": 1.0, "read_timeout": 0.3, "max_wait": 0.3})
    halo.inject(Fault("hang", path="status", seconds=30, times=None))
    said = text_of(begun.get(address("statuses")))
    assert "lists could not be read" in said
    halo.clear_faults()


def test_after_its_time_a_page_asks_no_more(begun: Client, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_client, "LONGEST", -1.0)
    assert "the page gave up" in text_of(begun.get(address("statuses"))) and not halo.requests


# Statuses


def test_doubled_statuses_are_told(begun: Client) -> None:
    send(begun, "statuses", ours3="Closed", ours4="Closed", ours5="Closed", do="stay")
    page = begun.get(address("statuses"))
    assert "Closed stands for Remediated and Will Not Fix and Exception" in text_of(page)
    assert "Awaiting Verification" in text_of(page)
    send(begun, "statuses", ours3="Closed", ours4="Closed", theirs=["Closed"], means=["Remediated"], do="stay")
    assert "Closed stands for" not in text_of(begun.get(address("statuses")))


def test_warnings_follow_what_is_chosen(begun: Client) -> None:
    begun.get(address("statuses"))
    sent = {"ours0": "New", "ours1": "New", "ours5": "Closed", "version": draft().version}
    part = begun.post(address("statuses"), sent, headers={"hx-request": "true"})
    assert "New stands for Not Started and In Progress" in text_of(part)
    assert "statuses" not in draft().entered


def test_further_statuses_are_kept(complete: Client) -> None:
    send(complete, "statuses", ours5="Closed", theirs=["On Hold", "Approved"], means=["In Progress", ""])
    saved(complete)
    settings = models.Connection.objects.get().settings
    assert settings["reads"] == {"On Hold": "In Progress"} and settings["statuses"]["Exception"] == "Closed"


def test_a_status_that_halo_does_not_have(begun: Client) -> None:
    begun.get(address("statuses"))
    page = begun.post(address("statuses"), {"ours3": "Cloesd", "version": draft().version, "do": "next"})
    assert "HaloITSM has no status named 'Cloesd'. The nearest is 'Closed'." in text_of(page)


# The template


@pytest.mark.parametrize("field", ["child_summary", "child_details", "parent_summary", "parent_details", "comment"])
def test_an_unknown_variable(field: str, begun: Client) -> None:
    text = "$NEWS $SOL_NAM" if field == "comment" else "$SOL_NAM"
    html = send(begun, "template", **{field: text}).content.decode()
    told = "There is no variable $SOL_NAM. The nearest is $SOL_NAME."
    assert f'id="trouble-{field}" aria-live="polite">{told}</p>' in html
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', html)
    assert draft().entered["template"][field] == [text]
    begun.get("/connections/")
    assert told in text_of(begun.get(address("template")))


def test_a_comment_without_its_news(begun: Client) -> None:
    assert "The template has no $NEWS." in text_of(send(begun, "template", comment="Hello"))


def test_an_unknown_variable_of_a_custom_field(begun: Client) -> None:
    page = send(begun, "template", child_field=["CFRiskScore"], child_value=["$RISK"])
    assert "There is no variable $RISK. The nearest is $RISK_SCORE." in text_of(page)


def test_the_preview_is_of_what_is_typed(begun: Client, source: models.Source) -> None:
    sent = {
        **shown(begun.get(address("template"))),
        "child_summary": "<b>Now</b> $SOL_NAME",
        "parent_summary": "$NOTHING",
        "priority_high": "Low",
    }
    part = begun.post(address("template"), sent, headers={"hx-request": "true"})
    html = part.content.decode()
    assert "&lt;b&gt;Now&lt;/b&gt; Fix web" in html and "<dd>Low</dd>" in html
    assert re.search(r'id="trouble-parent_summary"[^>]*hx-swap-oob="true">There is no variable \$NOTHING', html)
    assert re.search(r'id="trouble-child_summary"[^>]*hx-swap-oob="true"></p>', html)
    assert "template" not in draft().entered


def test_the_preview_follows_the_rules(begun: Client, source: models.Source) -> None:
    begun.get(address("assignment"))
    rule = {
        "rule_field": "owner_tags",
        "rule_value": "web",
        "rule_share": "any",
        "rule_agent": "Tomas Weber",
        "rule_team": "",
    }
    send(begun, "assignment", **rule)
    said = text_of(begun.get(address("template")))
    assert "Agent Tomas Weber" in said and "assignment rule 1" in said


def test_without_findings_there_is_no_preview(begun: Client) -> None:
    assert "There is no open finding yet" in text_of(begun.get(address("template")))


def test_mandatory_fields_are_told(begun: Client, halo: HaloEmulator) -> None:
    halo.mandatory_fields[21] = {"CFRiskScore", "category_1", "details"}
    send(begun, "template", ticket_type="Vulnerability", do="stay")
    page = begun.get(address("template"))
    said = text_of(page)
    assert "A solution's ticket has no Risk score (CFRiskScore)" in said and "has no Category" in said
    assert "no Details" not in said and 'value="CFRiskScore"' in page.content.decode()
    row = {"child_field": ["CFRiskScore"], "child_value": ["$RISK_SCORE"]}
    send(begun, "template", ticket_type="Vulnerability", **row, do="stay")
    assert "A solution's ticket has no Risk score" not in text_of(begun.get(address("template")))


def test_a_place_that_halo_does_not_have(complete: Client) -> None:
    send(complete, "template", client="Nowhere")
    said = text_of(saved(complete))
    assert "HaloITSM has no client named 'Nowhere'" in said and not models.Connection.objects.exists()


def test_the_list_of_variables_is_whole() -> None:
    assert {name for names in MEANINGS.values() for name in names} == VARIABLES | {"NEWS"}


# Assignment


def rules(*values: str) -> dict[str, list[str]]:
    count = len(values)
    return {
        "rule_field": ["host_name"] * count,
        "rule_value": list(values),
        "rule_share": ["most"] * count,
        "rule_agent": ["Priya Raman"] * count,
        "rule_team": [""] * count,
    }


@pytest.mark.parametrize(
    ("act", "left"),
    [
        ("up-2", ["b", "a", "c"]),
        ("down-2", ["a", "c", "b"]),
        ("up-1", ["a", "b", "c"]),
        ("down-3", ["a", "b", "c"]),
        ("remove-1", ["b", "c"]),
        ("add", ["a", "b", "c", ""]),
        ("remove-9", ["a", "b", "c"]),
    ],
)
def test_rules_are_moved_by_buttons(act: str, left: list[str], begun: Client) -> None:
    done = send(begun, "assignment", **rules("a", "b", "c"), do=act)
    assert done.headers["Location"] == address("assignment")
    assert shown(begun.get(address("assignment"))).get("rule_value", []) == left


def test_a_rule_that_is_not_whole(begun: Client) -> None:
    page = send(begun, "assignment", **{**rules(""), "rule_agent": ["Prya Raman"]})
    said = text_of(page)
    assert "Enter what it has to contain." in said and "The nearest is 'Priya Raman'" in said


def test_rules_are_tried_on_a_device(begun: Client, source: models.Source) -> None:
    sent = {**rules("db", "web", "corp"), "device": "WEB.corp.example", "do": "try"}
    said = text_of(send(begun, "assignment", **sent))
    assert "goes to Priya Raman, no team: assignment rule 2: host_name contains 'web'" in said
    assert "Does not match. Host name has to contain “db”; the asset has web.corp.example" in said
    assert "Matches, and decides. Host name has to contain “web”" in said
    assert "Matches, after the one that decides." in said
    assert "assignment" not in draft().entered
    assert "There is no device" in text_of(send(begun, "assignment", **{**sent, "device": "nobody"}))


# Two people


def test_of_two_who_edit_the_later_is_told(begun: Client, as_role: Callable[[str], Client]) -> None:
    seen = draft().version
    assert send(begun, "assignment", default_agent="Priya Raman").status_code == 302
    page = begun.post(address("assignment"), {"version": seen, "default_agent": "Tomas Weber", "do": "next"})
    said = text_of(page)
    assert page.status_code == 409 and "admin stored this after it was shown to you" in said
    assert "Agent where no rule matches Priya Raman" in said and 'value="Tomas Weber"' in page.content.decode()
    assert draft().entered["assignment"]["default_agent"] == ["Priya Raman"]
    again = begun.post(address("assignment"), {**shown(page), "do": "next"})
    assert again.status_code == 302 and draft().entered["assignment"]["default_agent"] == ["Tomas Weber"]


def test_who_sends_to_a_draft_that_is_gone_loses_nothing(complete: Client) -> None:
    where, version = address("template"), draft().version
    saved(complete)
    page = complete.post(where, {"version": version, "comment": "my long text $NEWS"})
    assert page.status_code == 409 and "my long text $NEWS" in text_of(page)


def test_a_connection_that_somebody_else_changed(complete: Client, halo: HaloEmulator) -> None:
    saved(complete)
    connection = models.Connection.objects.get()
    assert complete.post(f"/connections/{connection.pk}/change/").headers["Location"] == address("details")
    send(complete, "template", client="Northwind Clinics")
    page = complete.get(address("enable"))
    assert "client not set Northwind Clinics" in text_of(page)
    other = {**connection.settings, "requester": "Alice Brandt", "skew": 7}
    models.Connection.objects.update(settings=other, version=connection.version + 1)
    late = complete.post(address("enable"), {**shown(page, "based_on"), "do": "save"})
    assert late.status_code == 409 and "stored this after it was shown to you" in text_of(late)
    assert models.Connection.objects.get().settings == other
    done = saved(complete)
    assert done.headers["Location"] == f"/connections/{connection.pk}/"
    now = models.Connection.objects.get()
    assert now.settings == {**other, "client": "Northwind Clinics"} and now.version == connection.version + 2
    assert models.AuditEntry.objects.order_by("-pk")[0].detail["changes"] == {"client": ["", "Northwind Clinics"]}


def test_a_draft_changes_no_running_project(complete: Client) -> None:
    saved(complete)
    before = models.Connection.objects.get()
    complete.post(f"/connections/{before.pk}/change/")
    send(complete, "statuses", ours0="On Hold")
    send(complete, "details", name="renamed", secret="another one", requests="5")
    assert (draft().name, draft().entered["statuses"]["ours0"]) == ("renamed", ["On Hold"])
    now = models.Connection.objects.get()
    assert (now.name, now.settings, now.secret, now.version) == (before.name, before.settings, before.secret, 1)
    complete.post(address("discard"), {"version": draft().version})
    assert not models.ConnectionDraft.objects.exists() and models.Connection.objects.get().version == 1


def test_a_connection_of_the_command_line_is_changed_by_the_same_steps(admin: Client, halo: HaloEmulator) -> None:
    names = ("resource_server", "auth_server", "client_id")
    settings = {**{name: getattr(halo, name) for name in names}, "ticket_type": "Vulnerability", "requests": 100}
    more = {"statuses": {"remediated": "Closed"}, "reads": {"On Hold": "In Progress"}, "moment": "kept"}
    row = models.Connection.objects.create(name="cli", settings={**settings, **more}, secret=seal(halo.client_secret))
    admin.post(f"/connections/{row.pk}/change/")
    said = text_of(admin.get(address("enable")))
    assert "Some steps are missing" not in said
    assert saved(admin).status_code == 302
    now = models.Connection.objects.get().settings
    assert now["moment"] == "kept" and now["statuses"] == {"Remediated": "Closed"} and now["reads"] == more["reads"]
    assert now["ticket_type"] == now["parent_type"] == "Vulnerability" and now["requests"] == 100


def test_tickets_do_not_move_to_another_halo(admin: Client, halo: HaloEmulator, project: models.Project) -> None:
    admin.post(f"/connections/{project.connection_id}/change/")
    page = send(admin, "details", resource_server="https://other.example/api", secret="x")
    assert "1 tickets are in the HaloITSM at https://halo.example/api" in text_of(page)


# Who may


def test_a_viewer_reads_what_is_connected(
    complete: Client, as_role: Callable[[str], Client], halo: HaloEmulator
) -> None:
    where = address("details")
    saved(complete)
    connection = models.Connection.objects.get()
    viewer = as_role("viewer")
    page = viewer.get(f"/connections/{connection.pk}/")
    said = text_of(page)
    assert page.status_code == 200 and halo.resource_server in said and "Exception Closed" in said
    assert halo.client_id not in said and "Change the connection" not in said
    assert "halo" in text_of(viewer.get("/connections/"))
    for role in ("viewer", "analyst", "approver"):
        browser = as_role(role)
        for path in ("/connections/new/", where, f"/connections/{connection.pk}/change/"):
            assert browser.post(path).status_code == 403


def test_hostile_names_are_text(complete: Client, halo: HaloEmulator) -> None:
    halo.lists.agents.append({"id": 77, "name": '"><script>x</script>'})
    halo.lists.statuses.append({"id": 78, "name": "<img src=x>", "type": 0})
    models.Vulnerability.objects.update(title="<script>alert(1)</script> \u202etxt")
    for step in ("statuses", "template?anew=1", "assignment?anew=1"):
        path, _, query = step.partition("?")
        html = complete.get(address(path) + (f"?{query}" if query else "")).content.decode()
        assert "<script>x" not in html and "<img src=x" not in html and "<script>alert" not in html


def test_what_the_mandatory_type_wants_is_told_before_one_goes_on(begun: Client, halo: HaloEmulator) -> None:
    halo.mandatory_fields[21] = {"CFRiskScore"}
    page = send(begun, "template", ticket_type="Vulnerability")
    assert page.status_code == 200 and "This is stored. The ticket type wants more: A solution's ticket" in text_of(
        page
    )
    assert send(begun, "template").status_code == 302


def test_a_list_that_is_too_long_is_none(begun: Client, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediation.tickets.lists.MOST", 3)
    begun.get(address("assignment"))
    assert list(draft().seen["lists"]) == ["team"]
    assert send(begun, "assignment", default_agent="Somebody").status_code == 302


# What projects begin with


def test_new_projects_begin_with_what_the_connection_has(store: str) -> None:
    from remediation.store.projects import create_project

    defaults = {"comment": "Hello $NEWS", "due_days": {"high": 5, "low": 6}, "default_team": "A"}
    connection = models.Connection.objects.create(name="halo", settings={"new_projects": defaults})
    made = create_project("p", connection, None, {"default_team": "B", "due_days": {"low": 7}}).settings
    assert (made["comment"], made["default_team"]) == ("Hello $NEWS", "B")
    assert (made["due_days"]["high"], made["due_days"]["low"], made["due_days"]["critical"]) == (5, 7, 7)
    with pytest.raises(ValueError):
        create_project("q", connection, None, {"nothing": 1})
