"""The commands ``run`` and ``status``."""

from __future__ import annotations

import json

import typer

from ..ending import Ending
from .opened import AsJson, Data, answer, opened, quiet


def run(data: Data = None, as_json: AsJson = False) -> None:
    """Read the sources that are due, then carry out what needs no approval for all projects.

    One that fails stops no other.
    """
    with opened(data):
        from ..jobs.work import run_all

        done = run_all(quiet if as_json else typer.echo)
        if as_json:
            value = {
                "sources": {name: ended.value for name, ended in done.sources.items()},
                "projects": {name: ended.value for name, ended in done.projects.items()},
            }
            typer.echo(json.dumps(value, default=str))
        raise typer.Exit(done.ending)


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Whether anything is wrong or waits; exit code 0 only when nothing does."""
    with opened(data):
        from ..store import models

        projects = []
        for row in models.Project.objects.order_by("position"):
            newest = models.Plan.objects.filter(project=row).order_by("-pk").first()
            steps = list(newest.steps.exclude(state="done")) if newest else []
            projects.append(
                {
                    "project": row.name,
                    "tickets": models.Ticket.objects.filter(project=row, halo_id__isnull=False).count(),
                    "held": bool(newest and newest.held and newest.approved_at is None),
                    "waiting": [f"{step.kind} {step.key}: {step.result.get('said', step.reason)}" for step in steps],
                    "not_done": newest.not_done if newest else [],
                }
            )
        wrong = any(project["held"] or project["waiting"] for project in projects)
        lines = []
        for project in projects:
            lines.append(f"{project['project']}: {project['tickets']} tickets{', HELD' if project['held'] else ''}")
            lines += [f"  waits: {text}" for text in project["waiting"]]
            lines += [f"  not done: {item['key']}: {item['reason']}" for item in project["not_done"]]
        answer(as_json, {"projects": projects, "ok": not wrong}, "\n".join(lines or ["There is no project yet."]))
        if wrong:
            raise typer.Exit(Ending.HELD)
