"""Projects, and the newest plan of one: its steps, what is not done and why, and its approval."""

# pylint: disable=unused-argument  # django-ninja gives each operation its request

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Path, Router, Schema
from pydantic import Field

from ...domain.status import ENDED
from ...jobs.tasks import ask_to_run
from ...store import models
from ...store.listing import Column, Filter, Listing
from ...tickets.approving import NotHeld, approve
from ..listing.choices import YES_NO, named
from ..projects.steps import ticket_of, words
from ..roles import APPROVER, VIEWER
from .lists import JsonColumn, Number, Page, by_number, listed, one_of, parameters_of
from .operations import key_of, operation
from .problems import Refused, not_there

router = Router(tags=["projects"])
_MADE = """(SELECT count(*) FROM store_ticket AS made
    WHERE made.project_id = project.id AND made.halo_id IS NOT NULL AND made.kind = 'child'{more})"""
_ENDED = ", ".join(f"'{status.value}'" for status in ENDED)
_PROJECTS = by_number(
    Listing(
        name="projects",
        rows="store_project AS project JOIN store_connection AS connection ON connection.id = project.connection_id "
        "LEFT JOIN store_source AS source ON source.id = project.source_id",
        key="project.id",
        columns=(
            Column("slug", "Short name", "project.slug"),
            Column("name", "Name", "project.name"),
            Column("position", "Place", "project.position", order="project.position", order_type="int"),
            Column("source", "Source", "source.name"),
            Column("connection", "Connection", "connection.name"),
            Column("paused", "Paused", "project.paused"),
            Column("tickets", "Tickets", _MADE.format(more="")),
            Column("closed", "Closed", _MADE.format(more=f" AND made.status IN ({_ENDED})")),
        ),
        filters=(
            Filter("paused", "Paused", "project.paused = (%(paused)s = 'yes')", "choice", YES_NO),
            Filter(
                "source", "Number of a source", "project.source_id = %(source)s::bigint", "choice", named(models.Source)
            ),
        ),
    )
)
_STEPS = by_number(
    Listing(
        name="steps",
        rows="store_step AS step WHERE step.plan_id = %(plan)s",
        key="step.id",
        columns=(
            Column("key", "Key", "step.key"),
            Column("kind", "Kind", "step.kind"),
            Column("reason", "Reason", "step.reason"),
            Column("state", "State", "step.state"),
            Column("result", "Result", "step.result"),
            Column("body", "What is written", "step.body - 'attachment'"),
            Column("at", "At", "step.at"),
        ),
        filters=(
            Filter("kind", "Kind", "step.kind = %(kind)s"),
            Filter("state", "State", "step.state = %(state)s", "choice", models.Step.State.choices),
        ),
    )
)
_NOT_DONE = Listing(
    name="not done",
    rows="store_plan AS plan, jsonb_array_elements(plan.not_done) WITH ORDINALITY AS item (told, place) "
    "WHERE plan.id = %(plan)s",
    key="item.place",
    columns=(
        Column("position", "Position", "item.place", order="item.place", order_type="bigint"),
        Column("about", "About", "item.told->>'key'"),
        Column("reason", "Reason", "item.told->>'reason'"),
        Column("needs_person", "Needs a person", "coalesce((item.told->>'needs_person')::boolean, false)"),
    ),
    order="position",
)


class Project(Schema):
    """A remediation project. The first in order of ``position`` has a finding that several would have."""

    id: int
    slug: str = Field(description="Its short name, which never changes")
    name: str
    position: int
    source: str | None
    connection: str
    paused: bool
    tickets: int = Field(description="How many it has in HaloITSM, without its own")
    closed: int = Field(description="How many of them are closed")


class Plan(Schema):
    """What would make HaloITSM agree with the facts."""

    id: int
    made: datetime
    held: bool = Field(description="It waits, or waited, for an approver")
    approved_at: datetime | None
    approved_by: str | None
    steps: int
    not_done: int


class Step(Schema):
    """A step of a plan."""

    id: int
    kind: str
    about: str = Field(description="What its ticket stands for")
    reason: str
    state: str = Field(description=", ".join(models.Step.State.values))
    result: str = Field(description="What came of it, or why it was not done")
    body: JsonColumn = Field(description="What is written to HaloITSM")
    at: datetime | None = Field(description="When it reached its state")


class NotDone(Schema):
    """Something that a plan does not do."""

    about: str = Field(description="A ticket, or what one would stand for")
    reason: str
    needs_person: bool = Field(description="It stays so until a person does something about it")


@operation(router, "GET", "", role=VIEWER, answer=Page[Project], parameters=parameters_of(_PROJECTS))
def list_projects(request: HttpRequest) -> dict[str, Any]:
    """All projects."""
    return listed(request, _PROJECTS)


@operation(router, "GET", "/{slug}", role=VIEWER, answer=Project, refusals=[404])
def get_project(request: HttpRequest, slug: str) -> dict[str, Any]:
    """One project, by its short name."""
    return one_of(_PROJECTS, _project(slug).pk, "project")


@operation(router, "GET", "/{slug}/plan", role=VIEWER, answer=Plan, refusals=[404])
def get_newest_plan(request: HttpRequest, slug: str) -> dict[str, Any]:
    """A project's newest plan."""
    plan = _project(slug).plans.order_by("-pk").first()
    if plan is None:
        raise not_there("plan")
    return _shown(plan)


@operation(
    router,
    "GET",
    "/{slug}/plans/{plan}/steps",
    role=VIEWER,
    answer=Page[Step],
    parameters=parameters_of(_STEPS),
    refusals=[404],
)
def list_steps(request: HttpRequest, slug: str, plan: Path[Number]) -> dict[str, Any]:
    """The steps of a plan, in their order."""
    found = listed(request, replace(_STEPS, given={"plan": _plan(slug, plan).pk}))
    rows = [
        {**row, "about": ticket_of(row["key"])[0], "result": words(json.loads(row["result"]))} for row in found["items"]
    ]
    return {**found, "items": rows}


@operation(
    router,
    "GET",
    "/{slug}/plans/{plan}/not-done",
    role=VIEWER,
    answer=Page[NotDone],
    parameters=parameters_of(_NOT_DONE),
    refusals=[404],
)
def list_not_done(request: HttpRequest, slug: str, plan: Path[Number]) -> dict[str, Any]:
    """What a plan does not do, each with its reason."""
    return listed(request, replace(_NOT_DONE, given={"plan": _plan(slug, plan).pk}))


@operation(router, "POST", "/{slug}/plans/{plan}/approve", role=APPROVER, answer={202: Plan}, refusals=[404, 409])
def approve_plan(request: HttpRequest, slug: str, plan: Path[Number]) -> dict[str, Any]:
    """Approve a held plan, and ask for the run that carries out what of it is still the same."""
    project, number = _project(slug), _plan(slug, plan).pk
    try:
        with transaction.atomic():
            approved = approve(project, number, str(key_of(request)))
            ask_to_run(project)
    except NotHeld as error:
        raise Refused(409, str(error), "Look at the newest plan, and approve that one.") from None
    return _shown(approved)


def _project(slug: str) -> models.Project:
    row = models.Project.objects.filter(slug=slug).first() if "\0" not in slug else None
    if row is None:
        raise not_there("project")
    return row


def _plan(slug: str, number: int) -> models.Plan:
    row = _project(slug).plans.filter(pk=number).first()
    if row is None:
        raise not_there("plan")
    return row


def _shown(plan: models.Plan) -> dict[str, Any]:
    approved = {"approved_at": plan.approved_at, "approved_by": plan.approved_by or None}
    counts = {"steps": plan.steps.count(), "not_done": len(plan.not_done)}
    return {"id": plan.pk, "made": plan.made, "held": plan.held, **approved, **counts}
