"""A project's page: its newest plan, step by step, what is not done, and its tickets."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ...store import models
from ..roles import VIEWER, needs
from .steps import shown

ROWS = 100


@needs(VIEWER)
@require_safe
def project(request: HttpRequest, slug: str) -> HttpResponse:
    """The page. Each of its lists has pages of its own: ``?steps=2&tickets=3&rest=1``."""
    row = get_object_or_404(models.Project.objects.select_related("source", "connection"), slug=slug)
    plan = row.plans.order_by("-pk").first()
    steps = plan.steps.order_by("position") if plan else models.Step.objects.none()
    lists = {"steps": steps, "rest": plan.not_done if plan else [], "tickets": row.tickets.order_by("pk")}
    pages = {name: _page(request, name, rows) for name, rows in lists.items()}
    pages["steps"]["shown"] = shown(pages["steps"]["page"], row)
    run = row.runs.order_by("-pk").first()
    return render(request, "projects/project.html", {"project": row, "plan": plan, "run": run, **pages})


def _page(request: HttpRequest, name: str, rows: Any) -> dict[str, Any]:
    """A page of a list, and the addresses of the pages before and after it, which keep the other lists in place."""
    page = Paginator(rows, ROWS).get_page(request.GET.get(name))
    before = page.previous_page_number() if page.has_previous() else None
    after = page.next_page_number() if page.has_next() else None
    links = {word: _address(request, name, number) for word, number in (("before", before), ("after", after)) if number}
    return {"page": page, "name": name, **links}


def _address(request: HttpRequest, name: str, number: int) -> str:
    words = request.GET.copy()
    words[name] = str(number)
    return f"?{words.urlencode()}#{name}"
