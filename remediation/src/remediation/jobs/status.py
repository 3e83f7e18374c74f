"""Whether anything is wrong or waits, for the command line and for the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateWorker

from ..ending import Ending
from ..enrichment.cisco.reading import NAME as CISCO
from ..enrichment.cisco.reading import TITLE as CISCO_TITLE
from ..enrichment.cisco.reading import access
from ..enrichment.reading import KINDS
from ..sources.excepting import most_of
from ..store import models
from ..tickets.budget import Budget
from ..tickets.mapped_names import LOOKED_UP, gone_names
from .alert_failures import not_sent
from .comparison import different
from .rescue import SILENCE
from .work import EXCEPTIONS


def status(most: int | None = None) -> dict[str, Any]:
    """All ``projects``, ``sources``, ``feeds`` and ``connections``, JSON-able, the ``alerts`` that could not be sent
    (``alert_failures.not_sent``), and whether nothing is wrong or waits (``ok``).

    Of each project: its name (``project``), how many ``tickets`` it has in Halo, whether its newest plan is ``held``, a
    text for each step that is ``waiting``, or for the first ``most``, and their number (``waits``), what is
    ``not_done``, each with ``key``, ``reason`` and ``needs_person`` (it stays so until a person does something, which
    is not ok), the ``warnings`` of a week, and why its newest run did not end well (``wrong``, "" where it did). Of
    each source: its name (``source``), when it was last ``read`` in whole, and why its newest reading did not end well
    (``wrong``). ``feeds`` are those that are on, as ``feeds()`` has them. Of each connection: its name
    (``connection``), the ``requests`` to its Halo (``tickets.budget.Budget.shown``), a text for each name that it or
    a project uses and that its Halo does not have (``vanished``), as of ``looked_up``, and how many of its tickets were
    found to differ (``different``).
    """
    projects = [_of_project(row, most) for row in models.Project.objects.order_by("position")]
    sources = [_of_source(row) for row in models.Source.objects.order_by("name")]
    read = [one for one in feeds() if one["address"]]
    connections = [_of_connection(row) for row in models.Connection.objects.order_by("name")]
    alerts = not_sent()
    wrong = [one["wrong"] for one in (*sources, *read, *alerts)]
    wrong += [one["vanished"] or one["different"] for one in connections]
    well = not any(map(_waits, projects)) and not any(wrong)
    of_all = {"projects": projects, "sources": sources, "feeds": read, "connections": connections, "alerts": alerts}
    return {**of_all, "ok": well}


def feeds() -> list[dict[str, Any]]:
    """The feeds about CVEs, JSON-able: of Cisco's advisories only where there is an access to them.

    Of each: its name (``feed``), ``title`` and ``address`` ("": it is off), when it was last ``read``, of which date
    (``of``) and ``release``, how many ``cves`` (of Cisco's: advisories) it told of, and why the last try failed
    (``wrong``, "": it did not).
    """
    known = models.Feed.objects.in_bulk()
    wanted = [(kind.name, kind.title, settings.FEEDS[kind.name]) for kind in KINDS]
    if access() is not None:
        wanted.append((CISCO, CISCO_TITLE, settings.CISCO["api"]))
    return [_of_feed(title, address, known.get(name) or models.Feed(name=name)) for name, title, address in wanted]


def _of_feed(title: str, address: str, row: models.Feed) -> dict[str, Any]:
    return {
        "feed": row.name,
        "title": title,
        "address": address,
        "read": row.read.isoformat() if row.read else None,
        "of": row.day.isoformat() if row.day else None,
        "release": row.release,
        "cves": row.rows,
        "wrong": row.error,
    }


def _waits(project: dict[str, Any]) -> bool:
    asks = any(item.get("needs_person") for item in project["not_done"])
    return bool(project["held"] or project["waiting"] or project["wrong"] or asks)


def _of_project(row: models.Project, most: int | None) -> dict[str, Any]:
    newest = models.Plan.objects.filter(project=row).order_by("-pk").first()
    # Not whole rows: a held plan has many steps, and each has a ticket's text.
    steps = newest.steps.exclude(state="done") if newest else models.Step.objects.none()
    shown = steps.values_list("kind", "key", "reason", "result")[:most]
    week = timezone.now() - timedelta(days=7)
    told = models.Step.objects.filter(plan__project=row, result__has_key="warning", at__gte=week).order_by("pk")
    return {
        "project": row.name,
        "tickets": models.Ticket.objects.filter(project=row, halo_id__isnull=False).count(),
        "held": bool(newest and newest.held and newest.approved_at is None),
        "waiting": [f"{kind} {key}: {result.get('said', reason)}" for kind, key, reason, result in shown],
        "waits": steps.count(),
        "not_done": newest.not_done if newest else [],
        "warnings": [
            f"{kind} {key}: {result['warning']}" for kind, key, result in told.values_list("kind", "key", "result")
        ],
        "wrong": _wrong(row.runs.all()),
    }


def _of_connection(row: models.Connection) -> dict[str, Any]:
    names = row.settings.get(LOOKED_UP) or {}
    return {
        "connection": row.name,
        "requests": Budget(row, timezone.now).shown(),
        "looked_up": names.get("at"),
        "vanished": gone_names(row),
        "different": different(row),
    }


def _of_source(row: models.Source) -> dict[str, Any]:
    readings, writings = row.runs.exclude(kind=EXCEPTIONS), row.runs.filter(kind=EXCEPTIONS)
    done = readings.filter(outcome=Ending.DONE.word).order_by("-pk").first()
    wrong = _wrong(readings) or (_wrong(writings) if most_of(row) is not None else "")
    return {"source": row.name, "read": done.started.isoformat() if done else None, "wrong": wrong}


def _wrong(runs: QuerySet[models.Run]) -> str:
    """Why the newest run that has ended did not end well, "" where it did, or where nothing was run."""
    newest = runs.exclude(finished=None).order_by("-pk").first()
    if newest is None or newest.outcome == Ending.DONE.word:
        return ""
    text = str(newest.detail.get("text", ""))
    return f"{newest.outcome}: {text.splitlines()[0] if text else 'no reason was kept'}"


def workers() -> int:
    """How many workers are alive."""
    alive = timezone.now() - timedelta(seconds=SILENCE)
    return ProcrastinateWorker.objects.filter(last_heartbeat__gte=alive).count()
