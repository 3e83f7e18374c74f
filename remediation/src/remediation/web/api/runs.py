"""Runs: readings of sources, runs of projects and imports, and how each ended."""

# pylint: disable=unused-argument  # django-ninja gives each operation its request

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema
from pydantic import Field

from ...ending import Ending
from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import named
from ..roles import VIEWER
from .lists import Number, Page, by_number, listed, one_of, parameters_of
from .operations import operation

router = Router(tags=["runs"])
_OUTCOMES = [(one.word, one.word) for one in Ending]
_RUNS = by_number(
    Listing(
        name="runs",
        rows="store_run AS run LEFT JOIN store_project AS project ON project.id = run.project_id "
        "LEFT JOIN store_source AS source ON source.id = run.source_id",
        key="run.id",
        columns=(
            Column("kind", "Kind", "run.kind"),
            Column("project", "Project", "project.slug"),
            Column("source", "Source", "source.name"),
            Column("started", "Started", "run.started"),
            Column("finished", "Finished", "run.finished"),
            Column("outcome", "Outcome", "nullif(run.outcome, '')"),
            Column("text", "What it says", "run.detail->>'text'"),
        ),
        filters=(
            Filter("kind", "Kind, as project, read or import", "run.kind = %(kind)s"),
            Filter(
                "project",
                "Number of a project",
                "run.project_id = %(project)s::bigint",
                "choice",
                named(models.Project),
            ),
            Filter(
                "source", "Number of a source", "run.source_id = %(source)s::bigint", "choice", named(models.Source)
            ),
            Filter("outcome", "Outcome", "run.outcome = ANY(%(outcome)s)", "choices", _OUTCOMES),
        ),
    )
)


class Run(Schema):
    """One piece of work, and how it ended."""

    id: int
    kind: str
    project: str | None = Field(description="The short name of the project")
    source: str | None
    started: datetime
    finished: datetime | None = Field(description="null: it is at work")
    outcome: str | None = Field(description="done, failed, held, refused or usage; null: it is at work")
    text: str | None = Field(description="What it says of itself")


@operation(router, "GET", "", role=VIEWER, answer=Page[Run], parameters=parameters_of(_RUNS))
def list_runs(request: HttpRequest) -> dict[str, Any]:
    """All runs; ``order=-id`` begins with the newest."""
    return listed(request, _RUNS)


@operation(router, "GET", "/{run}", role=VIEWER, answer=Run, refusals=[404])
def get_run(request: HttpRequest, run: Path[Number]) -> dict[str, Any]:
    """One run."""
    return one_of(_RUNS, run, "run")
