"""What became of tickets that a person has asked for: made, on their way, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from ...jobs.status import workers
from ...store import models
from ...tickets.attention import NOT_TIED, TYING
from ...tickets.single import Subject
from ..numbers import number_in
from ..projects.steps import words
from ..roles import VIEWER, needs

MOST = 100


@dataclass(frozen=True)
class Asked:
    """``name`` is what a ticket was asked for, ``ticket`` the one there is, ``why`` what holds it up, where known.

    ``refused``: a ticket was chosen for it that cannot be had, and none is made.
    """

    name: str
    project: models.Project
    ticket: models.Ticket | None
    why: str
    refused: bool = False


@needs(VIEWER)
@require_safe
def asked_for(request: HttpRequest) -> HttpResponse:
    """The page, which looks again by itself while something is on its way. ``of``: each PROJECT:KEY."""
    found = [one for text in request.GET.getlist("of")[:MOST] if (one := _asked(text)) is not None]
    waits = any(one.ticket is None and not one.refused for one in found)
    known = {"asked": found, "waits": waits, "workers": workers() if waits else 1}
    name = "tickets/asked_list.html" if request.htmx else "tickets/asked.html"  # type: ignore[attr-defined]  # django_htmx
    return render(request, name, known)


def address_of(projects: Mapping[tuple[int, str], models.Project], subjects: list[Subject]) -> str:
    """The address of the page for subjects, of which the projects are known by source and granularity."""
    keys = [
        f"{project.pk}:{subject.key}"
        for subject in subjects
        if (project := projects.get((subject.source.pk, subject.granularity.value)))
    ]
    return f"{reverse('asked-tickets')}?{urlencode([('of', key) for key in keys[:MOST]])}"


def _asked(text: str) -> Asked | None:
    number, _, key = text.replace("\0", "").partition(":")
    project = models.Project.objects.filter(pk=number_in(number)).select_related("connection").first()
    if project is None:
        return None
    row = project.tickets.filter(key=key).order_by("-generation").first()
    if row and row.halo_id is None and (said := row.note.get(NOT_TIED)):
        return Asked(_name(project, key), project, None, f"ticket {said['to']}: {said['said']}", refused=True)
    if row and row.halo_id is None and (wanted := row.note.get(TYING)):
        return Asked(_name(project, key), project, None, f"ticket {wanted['to']} is looked up in HaloITSM")
    there = row if row and row.halo_id is not None and not row.note.get("detached") else None
    return Asked(_name(project, key), project, there, "" if there else why_not(project, key))


def why_not(project: models.Project, key: str) -> str:
    """What the newest plan and run say of a ticket that is not there; "" where nothing holds it up."""
    if project.paused:
        return "The project is paused. An approver lets it run again."
    plan = project.plans.order_by("-pk").first()
    # A step of this key, or of one that begins as it does.
    steps = plan.steps.filter(key__startswith=f"{key}/", kind="create") if plan else models.Step.objects.none()
    mine = [step for step in steps if step.key.rsplit("/", 3)[0] == key and step.state in ("waiting", "failed")]
    if mine:
        return words(mine[0].result)
    if plan and (reasons := [str(one["reason"]) for one in plan.not_done if one["key"] == key]):
        return reasons[0]
    run = project.runs.exclude(finished=None).order_by("-pk").first()
    return str(run.detail.get("text", "")).splitlines()[0] if run and run.outcome != "done" and run.detail else ""


def _name(project: models.Project, key: str) -> str:
    if project.settings.get("granularity") == "asset":
        asset = models.Asset.objects.filter(source=project.source_id, asset=key).first()
        return (asset.host_name or asset.ip or key) if asset else key
    if project.settings.get("granularity") == "solution":
        solution = models.Solution.objects.filter(source=project.source_id, solution=key).first()
        return (solution.name or key) if solution else key
    known = models.Vulnerability.objects.filter(source=project.source_id, vulnerability=key).first()
    return (known.title or key) if known else key
