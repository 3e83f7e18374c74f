"""What the pages show, and that a scanner's text is text in them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from remediation.jobs.status import status
from remediation.store import models
from remediation.web.projects.steps import shown, words

from .conftest import DAY


def text_of(client: Client, address: str) -> str:
    """A page as a person reads it."""
    page = client.get(address)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.content.decode())))


def test_the_overview_of_nothing_says_how_to_begin(person: Client) -> None:
    text = text_of(person, "/")
    for words in (
        "No worker is running.",
        "There is no project yet.",
        "There is no source yet.",
        "There is no connection yet.",
        "Nothing was run yet.",
        "Nothing is wrong, and nothing waits.",
    ):
        assert words in text


def test_the_overview_shows_what_waits_and_why(person: Client, project: models.Project) -> None:
    text = text_of(person, "/")
    assert "Something is wrong, held or waiting." in text
    assert "Tickets: 1. Waiting: 2. Not done: 1. Held until somebody approves it: look at the plan ." in text
    assert (
        "create s2/1/create/0123456789: held until <somebody> approves" in text
        and "create s3/1/create/0123456789: another one" in text
    )
    assert "s9: below the <filter>" in text
    assert (
        "console InsightVM, a console 4 findings on 3 assets, taken 2026-11-20 01:00 done 4 findings on 3 assets."
        in text
    )
    assert "2026-11-20 01:00 project Patch <DMZ> held 0 done, 0 failed, 2 waiting." in text
    assert "halo https://halo.example/api 1 0 of 120" in text
    assert "sealed" not in text and "an id" not in text


def test_the_overview_shows_all_lines_of_how_a_run_ended(person: Client, project: models.Project) -> None:
    models.Run.objects.update(detail={"text": "It is held.\nThe <first> reason.\nThe second reason."})
    page = person.get("/").content.decode()
    assert "2 more lines" in page and "The &lt;first&gt; reason.</span>" in page and "The second reason." in page
    assert "{{" not in page


def test_texts_of_others_are_no_markup(person: Client, project: models.Project) -> None:
    for address in ("/", "/projects/dmz/"):
        page = person.get(address).content
        assert b"<DMZ>" not in page and b"<b>s1</b>" not in page and b"<filter>" not in page
        assert b"Patch &lt;DMZ&gt;" in page


def test_the_overview_says_when_nothing_waits(person: Client, project: models.Project) -> None:
    models.Step.objects.update(state="done")
    models.Plan.objects.update(approved_at=DAY, approved_by="lead")
    assert "Newest run held: 0 done, 0 failed, 2 waiting." in text_of(person, "/")
    models.Run.objects.update(outcome="done")
    assert "Nothing is wrong, and nothing waits." in text_of(person, "/")


def test_the_overview_shows_the_first_of_what_waits(person: Client, project: models.Project) -> None:
    plan = models.Plan.objects.get()
    models.Step.objects.bulk_create(
        models.Step(plan=plan, position=number, key=f"k{number}", kind="create", reason="r") for number in range(3, 13)
    )
    text = text_of(person, "/")
    assert "create k5: r" in text and "create k6: r" not in text and "... and 7 more" in text


def test_the_overview_tells_of_workers(person: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()), (now() - interval '1 min')")
    assert "Workers: 1." in text_of(person, "/")


def test_a_run_that_has_no_end(person: Client) -> None:
    models.Run.objects.create(kind="round")
    assert "round not finished" in text_of(person, "/")


def test_a_project_shows_each_step_with_its_reason_and_result(person: Client, project: models.Project) -> None:
    text = text_of(person, "/projects/dmz/")
    plan = models.Plan.objects.get()
    assert f"Plan {plan.pk}, made 2026-11-20 01:00 . Held until somebody approves it" in text
    assert "Comment ticket 2107, s1 New assets. Done : comment 5" in text
    assert "Make a ticket s2 A new solution. Waiting : held until <somebody> approves" in text
    assert "Make a ticket s3 Another one. Planned" in text
    assert "s9: below the <filter>" in text
    assert "2107 Apply <b>s1</b> In Progress s1" in text
    assert "about to be made Apply s2 not mapped s2" in text


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, ""),
        ({"said": "HaloITSM refused"}, "HaloITSM refused"),
        ({"ticket": 2107, "status": 1}, "ticket 2107"),
        ({"ticket": 2107, "adopted": True}, "ticket 2107 was made before"),
        ({"comment": 5}, "comment 5"),
        ({"found": "[0123456789]"}, "it was so already"),
        ({"key": "s2"}, "the ticket stands for s2 now"),
        ({"status": 9}, "HaloITSM's status 9"),
    ],
)
def test_results_in_words(result: dict[str, Any], said: str) -> None:
    assert words(result) == said


def test_a_step_finds_its_ticket_by_what_it_stands_for_and_its_generation(project: models.Project) -> None:
    models.Ticket.objects.create(project=project, key="a/b", generation=2, reference="r3", halo_id=2200)
    keys = ("a/b/2/status/0123456789", "a/b/1/status/0123456789", "odd")
    found = shown([models.Step(key=key, kind="status") for key in keys], project)
    assert [(step.about, step.ticket) for step in found] == [("a/b", 2200), ("a/b", None), ("odd", None)]


def test_a_project_shows_its_newest_plan(person: Client, project: models.Project) -> None:
    newest = models.Plan.objects.create(project=project, made=timezone.now())
    text = text_of(person, "/projects/dmz/")
    assert f"Plan {newest.pk}" in text and "It has no steps" in text and "Nothing is left out." in text
    models.Plan.objects.update(approved_at=DAY, approved_by="lead", held=True)
    assert "Approved by lead, 2026-11-20 01:00 ." in text_of(person, "/projects/dmz/")


def test_a_project_without_a_plan(person: Client, project: models.Project) -> None:
    models.Step.objects.all().delete()
    models.Plan.objects.all().delete()
    assert "There is none yet. A worker makes one" in text_of(person, "/projects/dmz/")
    assert person.get("/projects/none/").status_code == 404


def test_long_lists_have_pages(person: Client, project: models.Project) -> None:
    plan = models.Plan.objects.get()
    models.Step.objects.bulk_create(
        models.Step(plan=plan, position=number, key=f"k{number}", kind="create", reason="r") for number in range(3, 250)
    )
    plan.not_done = [{"key": f"n{number}", "reason": "r"} for number in range(150)]
    plan.save()
    page = person.get("/projects/dmz/").content.decode()
    assert "1 to 100 of 250" in page and "1 to 100 of 150" in page and "k99" in page and "k100" not in page
    second = person.get("/projects/dmz/", {"steps": "2", "rest": "2"}).content.decode()
    assert "101 to 200 of 250" in second and "k100" in second and "n149" in second
    # The pages of one list leave the other where it is.
    assert 'href="?steps=3&amp;rest=2#steps"' in second and 'href="?steps=2&amp;rest=1#rest"' in second
    # What is no number, or too high, is the first or the last page.
    assert "k99" in person.get("/projects/dmz/", {"steps": "x"}).content.decode()
    assert "k249" in person.get("/projects/dmz/", {"steps": "99"}).content.decode()


@pytest.mark.parametrize("address", ["/", "/projects/dmz/"])
def test_more_rows_are_not_more_questions(address: str, person: Client, project: models.Project) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            person.get(address)
        return len(asked)

    few, plan = questions(), models.Plan.objects.get()
    for number in range(10, 60):
        models.Step.objects.create(plan=plan, position=number, key=f"s1/{number}/create/0", kind="create", reason="r")
        models.Run.objects.create(project=project, source=project.source, kind="x", outcome="done", finished=DAY)
    assert questions() == few


def test_the_state_as_json_is_what_the_command_prints(person: Client, project: models.Project) -> None:
    said = person.get("/api/status")
    assert said.headers["Content-Type"] == "application/json"
    assert said.json() == status()
    assert [one["held"] for one in said.json()["projects"]] == [True] and said.json()["ok"] is False


def test_pages_are_for_reading(person: Client, project: models.Project) -> None:
    for address in ("/", "/projects/dmz/", "/api/status", "/healthz"):
        assert person.post(address).status_code == 405


def test_an_error_shows_nothing_of_itself(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ValueError("hunter2")

    monkeypatch.setattr("remediation.web.overview.overview.status", fails)
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    client.force_login(user)
    page = client.get("/")
    assert page.status_code == 500 and b"Something went wrong here" in page.content and b"hunter2" not in page.content


@pytest.mark.parametrize(
    ("address", "given"),
    [
        ("/views/devices/", {"name": "a\0b"}),
        ("/imports/begin", {"name": "a\0b", "size": "10"}),
        ("/projects/preview", {"of": "a\0b"}),
        ("/users/1/sign-in/change", {"untie": "a\0b"}),
    ],
)
def test_a_form_with_a_nul_is_refused(address: str, given: dict[str, str], as_role: Callable[[str], Client]) -> None:
    assert as_role("admin").post(address, given).status_code == 400


def test_a_ticket_that_was_asked_for_is_found_without_a_nul(person: Client, project: models.Project) -> None:
    assert "there is a ticket" in person.get("/tickets/asked", {"of": f"{project.pk}:s\x001"}).content.decode()


def test_the_style_is_served_from_here(store: str) -> None:
    page = Client(headers={"host": "localhost"}).get("/static/style.css")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/css")
    style = b"".join(page.streaming_content)  # type: ignore[arg-type]
    assert b"prefers-color-scheme: dark" in style and b"http" not in style


# On a narrow screen


@pytest.mark.parametrize("address", ["/", "/projects/dmz/"])
def test_each_table_scrolls_in_a_box_of_its_own_that_keys_reach(
    address: str, person: Client, project: models.Project
) -> None:
    text = person.get(address).content.decode()
    boxes = re.findall(r'<div class="wide" tabindex="0" role="region" aria-label="[\w ]+"><table>', text)
    assert len(boxes) == text.count("<table") > 0


def test_no_word_makes_a_page_wide_and_a_box_shows_that_there_is_more() -> None:
    css = (Path(settings.STATICFILES_DIRS[0]) / "style.css").read_text(encoding="utf-8")
    rules = {name.strip(): rule for name, rule in re.findall(r"^([^{}@/\n]+){([^}]*)}", css, re.MULTILINE)}
    assert "overflow-wrap: anywhere" in rules["body"]
    assert all(part in rules["th, td"] for part in ("overflow-wrap: break-word", "min-width", "max-width"))
    assert "overflow-x: auto" in rules[".wide"] and rules[".wide"].count("no-repeat local") == 2
    assert rules[".wide"].count("var(--shade), transparent") == 2
