"""What is in trouble of the service, for alerts: sources that fail or are silent, feeds, projects, held plans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ..domain.alert_text import LONGEST_LINE, Line, cut
from ..domain.alerting import Kind, Rule, in_trouble
from ..ending import Ending
from ..sources.reading import is_read
from ..store import models
from .status import feeds
from .work import EXCEPTIONS


def trouble(rule: Rule, now: datetime) -> dict[str, Line]:
    """What a rule is to tell of, by subject. Without keys. A rule for one source or project is about that one only; a
    source counts for a rule of one of its projects as well."""
    return dict((*_sources(rule, now), *_projects(rule), *_feeds(rule, now)))


def _line(title: str, detail: str, path: str) -> Line:
    return Line(Kind.TROUBLE.value, "", cut(title, LONGEST_LINE), cut(detail, LONGEST_LINE), "", path)


def _sources(rule: Rule, now: datetime) -> Iterator[tuple[str, Line]]:
    rows = models.Source.objects.order_by("pk")
    if rule.source:
        rows = rows.filter(pk=rule.source)
    if rule.project:
        rows = rows.filter(projects=rule.project)
    for row in rows:
        runs = row.runs.exclude(kind=EXCEPTIONS).exclude(finished=None).order_by("-pk")
        newest = list(runs.values_list("outcome", "detail__text")[: rule.failures])
        if in_trouble([outcome for outcome, _ in newest], rule.failures):
            yield f"source:{row.pk}:failed", _line(f"{row.name} cannot be read", _first(newest[0][1]), "/settings/")
        done = runs.filter(outcome=Ending.DONE.word).values_list("started", flat=True).first()
        if is_read(row) and now - (done or row.created) > timedelta(days=rule.silent_days):
            said = f"the last complete reading began on {done:%Y-%m-%d}" if done else "it was never read in whole"
            yield f"source:{row.pk}:silent", _line(f"{row.name} was not read", said, "/settings/")


def _projects(rule: Rule) -> Iterator[tuple[str, Line]]:
    rows = models.Project.objects.filter(paused=False).select_related("connection").order_by("pk")
    if rule.project:
        rows = rows.filter(pk=rule.project)
    if rule.source:
        rows = rows.filter(source=rule.source)
    for row in rows:
        path = f"/projects/{row.slug}/"
        newest = row.runs.filter(kind="project").exclude(finished=None).order_by("-pk")
        found = list(newest.values_list("outcome", "detail__text")[: rule.failures])
        if in_trouble([outcome for outcome, _ in found], rule.failures):
            title = f"{row.name} cannot be run with HaloITSM {row.connection.name}"
            yield f"project:{row.pk}:failed", _line(title, _first(found[0][1]), path)
        plan = models.Plan.objects.filter(project=row).order_by("-pk").first()
        if plan is not None and plan.held and plan.approved_at is None:
            yield f"project:{row.pk}:held", _line(f"{row.name} waits for an approver", f"plan {plan.pk} is held", path)


def _feeds(rule: Rule, now: datetime) -> Iterator[tuple[str, Line]]:
    if rule.source or rule.project:
        return
    for one in feeds():
        read = datetime.fromisoformat(one["read"]) if one["read"] else None
        silent = read is not None and now - read > timedelta(days=rule.silent_days)
        if one["address"] and one["wrong"] and (read is None or silent):
            yield f"feed:{one['feed']}", _line(
                f"{one['title']} cannot be read", _first(one["wrong"]), "/settings/#feeds"
            )


def _first(text: str | None) -> str:
    """The first line of how a run ended."""
    return (text or "no reason was kept").splitlines()[0]
