"""The commands ``run``, ``enrich`` and ``status``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ..ending import Ending
from .ending import Refused
from .opened import AsJson, Data, answer, opened, quiet


def run(data: Data = None, as_json: AsJson = False) -> None:
    """Read the sources that are due, then carry out what needs no approval for all projects.

    Consoles are sent what they are switched on for: accepted risks, and scans of what people call done. One that fails
    stops no other.
    """
    with opened(data):
        from ..jobs.work import run_all

        done = run_all(quiet if as_json else typer.echo)
        if as_json:
            value = {
                kind: {name: ended.value for name, ended in of.items()}
                for kind, of in vars(done).items()  # sources, exceptions, projects and scans
            }
            typer.echo(json.dumps(value, default=str))
        raise typer.Exit(done.ending)


def enrich(
    accept: Annotated[
        bool, typer.Option("--accept", help="A feed that is older or much shorter than before is real.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read CISA's catalogue (KEV) and FIRST's scores (EPSS) now, and put them beside the vulnerabilities.

    Where there is an access to openVuln, Cisco is asked a part of what is still to be asked, which takes minutes. A
    worker does all of it once a day by itself.
    """
    with opened(data):
        from ..jobs.cisco import ask_cisco
        from ..jobs.enrich import read_feeds

        done = read_feeds(accept=accept)
        if (asked := ask_cisco()) is not None:
            done["cisco"] = asked
        if not done:
            raise Refused("Both feeds are off: REMEDIATION_KEV_URL and REMEDIATION_EPSS_URL.")
        value = {name: ended.value for name, ended in done.items()}
        answer(as_json, value, "\n".join(ended.text for ended in done.values()))
        raise typer.Exit(Ending.worst(ended.ending for ended in done.values()))


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Whether anything is wrong or waits; exit code 0 only when nothing does."""
    with opened(data):
        from ..jobs.status import status as status_of

        value = status_of()
        lines = []
        for project in value["projects"]:
            lines.append(f"{project['project']}: {project['tickets']} tickets{', HELD' if project['held'] else ''}")
            lines += [f"  newest run {project['wrong']}"] if project["wrong"] else []
            lines += [f"  waits: {text}" for text in project["waiting"]]
            lines += [
                f"  {'needs you' if item.get('needs_person') else 'not done'}: {item['key']}: {item['reason']}"
                for item in project["not_done"]
            ]
            lines += [f"  warning: {text}" for text in project["warnings"]]
        for source in value["sources"]:
            read = f"last read {source['read']}" if source["read"] else "not read yet"
            lines.append(f"{source['source']}: {source['wrong'] or read}")
        for feed in value["feeds"]:
            read = f"of {feed['of']}, last read {feed['read']}" if feed["read"] else "not read yet"
            lines.append(f"{feed['title']}: {feed['wrong'] or read}")
        for halo in value["connections"]:
            lines.append(_requests_line(halo["connection"], halo["requests"]))
            lines += [f"  needs you: {text}" for text in halo["vanished"]]
            if halo["different"]:
                lines.append(f"  needs you: {halo['different']} tickets differ. See: remediation reconcile")
        lines += [f"alerts of {one['rule']} to {one['to']}: {one['wrong']}" for one in value["alerts"]]
        answer(as_json, value, "\n".join(lines or ["There is no project yet."]))
        if not value["ok"]:
            raise typer.Exit(Ending.HELD)


def _requests_line(name: str, requests: dict[str, Any]) -> str:
    waits = f"; a run waits until {requests['waits']}" if requests["waits"] else ""
    return f"{name}: {requests['used']} of {requests['limit']} requests in five minutes{waits}"
