"""A project's page: its newest plan, step by step, what is not done, its tickets and its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from procrastinate.contrib.django.models import ProcrastinateJob

from ...store import models
from ..roles import VIEWER, needs
from .progress import with_progress
from .steps import shown

ROWS = 100
RUNS = 20


@needs(VIEWER)
@require_safe
def project(request: HttpRequest, slug: str) -> HttpResponse:
    """The page. Each of its lists has pages of its own: ``?steps=2&tickets=3&rest=1``; the steps can be filtered by
    ``kind``, ``state`` and ``words``."""
    row = get_object_or_404(
        with_progress(models.Project.objects.select_related("source", "connection", "investigation_source")), slug=slug
    )
    plan = row.plans.order_by("-pk").first()
    steps = plan.steps.order_by("position") if plan else models.Step.objects.none()
    asked = {name: request.GET.get(name, "").strip() for name in ("kind", "state", "words")}
    lists = {
        "steps": _asked_for(steps, asked),
        "rest": plan.not_done if plan else [],
        "tickets": row.tickets.order_by("pk"),
    }
    counted = list(steps.order_by("kind", "state").values_list("kind", "state").annotate(of=Count("pk")))
    pages = {name: _page(request, name, rows, _known(counted, asked, name)) for name, rows in lists.items()}
    pages["steps"]["shown"] = shown(pages["steps"]["page"], row)
    known: dict[str, Any] = {
        "project": row,
        "plan": plan,
        "asked": asked,
        "total": sum(of for _, _, of in counted),
        "kinds": _sums((kind, of) for kind, _, of in counted),
        "states": _sums((state, of) for _, state, of in counted),
        **_runs(row),
        **pages,
    }
    return render(request, "projects/project.html", known)


@needs(VIEWER)
@require_safe
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    """The part of the page with the runs, which asks for itself as long as one is at work or waits in the queue."""
    row = get_object_or_404(models.Project, slug=slug)
    known = {"project": row, **_runs(row)}
    answer = render(request, "projects/runs.html", known)
    if not known["at_work"]:
        # What the run has changed is all over the page.
        answer.headers["HX-Refresh"] = "true"
    return answer


def _runs(row: models.Project) -> dict[str, Any]:
    """The newest runs, and the one that is at work; True where one waits in the queue."""
    newest = list(row.runs.order_by("-pk")[:RUNS])
    at_work: Any = next((one for one in newest if one.finished is None), None)
    waiting = ProcrastinateJob.objects.filter(
        task_name__in=["run_project", "plan_project"], args__project_id=row.pk, status__in=["todo", "doing"]
    )
    return {"runs": newest, "at_work": at_work if at_work and waiting.exists() else waiting.exists()}


def _asked_for(steps: QuerySet[models.Step], asked: dict[str, str]) -> QuerySet[models.Step]:
    if asked["kind"]:
        steps = steps.filter(kind=asked["kind"])
    if asked["state"]:
        steps = steps.filter(state=asked["state"])
    if words := asked["words"].replace("\0", ""):
        steps = steps.filter(Q(key__icontains=words) | Q(reason__icontains=words) | Q(body__summary__icontains=words))
    return steps


def _sums(parts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    sums: Counter[str] = Counter()
    for name, of in parts:
        sums[name] += of
    return sorted(sums.items())


def _known(counted: list[tuple[str, str, int]], asked: dict[str, str], name: str) -> int | None:
    """How many rows a list has, where what is counted tells: the steps, unless they are searched for words."""
    if name != "steps" or asked["words"]:
        return None
    return sum(of for kind, state, of in counted if asked["kind"] in ("", kind) and asked["state"] in ("", state))


def _page(request: HttpRequest, name: str, rows: Any, count: int | None) -> dict[str, Any]:
    """A page of a list, and the addresses of the pages before and after it, which keep the other lists in place.

    ``count`` is of how many rows, where that is known.
    """
    paginator = Paginator(rows, ROWS)
    if count is not None:
        # Django asks the database only where it is not set.
        paginator.count = count
    page = paginator.get_page(request.GET.get(name))
    before = page.previous_page_number() if page.has_previous() else None
    after = page.next_page_number() if page.has_next() else None
    links = {word: _address(request, name, number) for word, number in (("before", before), ("after", after)) if number}
    return {"page": page, "name": name, **links}


def _address(request: HttpRequest, name: str, number: int) -> str:
    words = request.GET.copy()
    words[name] = str(number)
    return f"?{words.urlencode()}#{name}"
