"""The commands that only an approver should use: ``release``, ``remake``, and those about risk acceptances."""

from __future__ import annotations

import os
from datetime import date
from typing import Annotated, Any, Optional

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, one, opened


def approver() -> str:
    """Who gives an approval on the command line."""
    return os.environ.get("USER") or "the command line"


def _named(project: Any, names: list[str]) -> dict[str, Any]:
    """A project's tickets by their names, as in SOLUTION/1. Raises Refused."""
    there = {ticket.name: ticket for ticket in project.tickets.all()}
    if unknown := sorted(set(names) - set(there)):
        known = ", ".join(sorted(there)) or "none"
        raise Refused(f"The project {project.name!r} has no ticket {unknown[0]!r}. It has: {known}.")
    return {name: there[name] for name in names}


def release(project: str, tickets: list[str], data: Data = None, as_json: AsJson = False) -> None:
    """Let tickets end whose findings were only withdrawn. A plan names them, as in SOLUTION/1."""
    with opened(data):
        from ..domain.decide import APPROVER_DECIDES
        from ..store import models
        from ..store.json_keys import change_keys

        row = one(models.Project.objects, project, "project")
        named = _named(row, tickets)
        newest = row.plans.order_by("-pk").first()
        items = newest.not_done if newest else []
        waiting = sorted({item["key"] for item in items if APPROVER_DECIDES in item["reason"]})
        if others := sorted(set(named) - set(waiting)):
            known = ", ".join(waiting) or "none"
            raise Refused(
                f"The newest plan of {project!r} has no ticket {others[0]!r} that waits for an approver. "
                f"It has: {known}."
            )
        for ticket in named.values():
            change_keys(ticket, "note", {"released": approver()})
        answer(as_json, {"released": tickets}, f"Released: {', '.join(tickets)}. The next apply lets them end.")


def remake(project: str, tickets: list[str], data: Data = None, as_json: AsJson = False) -> None:
    """Let tickets that HaloITSM does not show any more be made anew. A plan names them, as in SOLUTION/1."""
    with opened(data):
        from django.utils import timezone

        from ..store import models
        from ..tickets.journal import Journal
        from ..tickets.lease import one_writer
        from ..tickets.missing import is_missing, make_anew

        row = one(models.Project.objects, project, "project")
        # No run may find one again, or write to it, in between.
        with one_writer(row.connection_id) as lease:
            named = _named(row, tickets)
            if there := sorted(name for name, ticket in named.items() if not is_missing(ticket)):
                raise Refused(f"The ticket {there[0]!r} is not missing in HaloITSM, as far as the last plan has seen.")
            for ticket in named.values():
                make_anew(ticket, approver(), Journal(lease), timezone.now())
        answer(as_json, {"remade": tickets}, f"To be made anew: {', '.join(tickets)}. The next apply makes them.")


Until = Annotated[str, typer.Option(help="The last day on which it holds, as in 2026-12-31.")]


def accept(
    source: Annotated[str, typer.Option(help="The source that reports the findings.")],
    reason: Annotated[str, typer.Option(help="Why the risk is accepted.")],
    until: Until,
    asset: Annotated[str, typer.Option(help="An asset, by its id or host name.")] = "",
    solution: Annotated[str, typer.Option(help="A solution, by its key.")] = "",
    vulnerability: Annotated[str, typer.Option(help="A vulnerability, by its key.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Accept a risk until a day: of an asset, a solution or a vulnerability, or of what all of these have in common.

    The next apply moves the tickets of which nothing else is left to Exception. After the day they are open again.
    """
    expires = _day(until)
    if not reason.strip():
        raise Refused("An acceptance needs a reason.")
    if not (asset or solution or vulnerability):
        raise Refused("Name what is accepted: --asset, --solution or --vulnerability.")
    with opened(data):
        from ..store import acceptances, models

        row = one(models.Source.objects, source, "source")
        accepted = acceptances.accept(
            row,
            asset=_asset(row, asset) if asset else None,
            solution=_known(row, "solution", solution) if solution else None,
            vulnerability=_known(row, "vulnerability", vulnerability) if vulnerability else None,
            reason=reason.strip(),
            until=expires,
            by=approver(),
        )
        acceptances.recount(row.pk, date.today())
        answer(as_json, _shown(accepted), f"Acceptance {accepted.pk} holds until {expires}.")


def renew(number: int, until: Until, data: Data = None, as_json: AsJson = False) -> None:
    """Let an acceptance hold until another day."""
    expires = _day(until)
    with opened(data):
        from ..store import acceptances

        row = _acceptance(number)
        acceptances.renew(row, expires, approver())
        acceptances.recount(row.source_id, date.today())
        answer(as_json, _shown(row), f"Acceptance {number} holds until {expires}.")


def withdraw(number: int, data: Data = None, as_json: AsJson = False) -> None:
    """End an acceptance before its time."""
    with opened(data):
        from ..store import acceptances

        row = _acceptance(number)
        acceptances.withdraw(row, approver())
        acceptances.recount(row.source_id, date.today())
        answer(as_json, _shown(row), f"Acceptance {number} is withdrawn.")


def send(
    source: Annotated[str, typer.Option(help="The source, an InsightVM console.")],
    approve: Annotated[
        Optional[list[int]], typer.Option(help="An acceptance, of which all that waits is asked for.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Send accepted risks to a console as vulnerability exceptions, and read back what became of earlier ones."""
    with opened(data):
        from ..jobs.work import send_exceptions
        from ..sources.excepting import release as release_exceptions
        from ..store import models

        row = one(models.Source.objects, source, "source")
        for number in approve or ():
            acceptance = _acceptance(number)
            if acceptance.source_id != row.pk:
                raise Refused(f"The acceptance {number} is of the source {acceptance.source.name!r}.")
            release_exceptions(acceptance, approver())
        ended = send_exceptions(row)
        answer(as_json, ended.value, ended.text)
        raise typer.Exit(ended.ending)


def show(data: Data = None, as_json: AsJson = False) -> None:
    """The acceptances that hold, those that end first at the top."""
    with opened(data):
        from ..service_day import service_day
        from ..store import models

        rows = models.RiskAcceptance.objects.filter(withdrawn__isnull=True, expires__gte=service_day())
        shown = [_shown(row) for row in rows.select_related("source").order_by("expires", "pk")]
        lines = [
            f"{one['id']}: {one['of']} of {one['source']} until {one['expires']}, by {one['approver']}: {one['reason']}"
            for one in shown
        ]
        answer(as_json, {"acceptances": shown}, "\n".join(lines or ["No risk is accepted."]))


def _shown(row: Any) -> dict[str, Any]:
    from ..store.acceptances import subject_of

    return {
        "id": row.pk,
        "source": row.source.name,
        "of": subject_of(row),
        "expires": row.expires.isoformat(),
        "approver": row.approver,
        "reason": row.reason,
    }


def _day(text: str) -> date:
    """A day that is not over. Raises Refused."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text!r} is no day. Write it as 2026-12-31.") from None
    if day < date.today():
        raise Refused(f"{day} is over.")
    return day


def _acceptance(number: int) -> Any:
    from ..store import models

    row = models.RiskAcceptance.objects.filter(pk=number, withdrawn__isnull=True).select_related("source").first()
    if row is None:
        raise Refused(f"There is no acceptance {number} that could be changed. See: remediation acceptance list")
    return row


def _asset(source: Any, name: str) -> str:
    """An asset's id by the id or the host name. Raises Refused for one that is unknown, and for a name of several."""
    from django.db.models import Q

    from ..store import models

    found = models.Asset.objects.filter(Q(asset=name) | Q(host_name__iexact=name), source=source)
    ids = list(found.values_list("asset", flat=True)[:10])
    if len(ids) > 1 and name not in ids:
        raise Refused(f"Several assets of {source.name!r} are named {name!r}: {', '.join(ids)}. Give one by its id.")
    if not ids:
        raise Refused(f"The source {source.name!r} knows no asset {name!r}.")
    return name if name in ids else str(ids[0])


def _known(source: Any, kind: str, key: str) -> str:
    """A solution or vulnerability that the source has reported. Raises Refused."""
    from ..store import models

    known: Any = models.Solution if kind == "solution" else models.Vulnerability
    if not known.objects.filter(source=source, **{kind: key}).exists():
        raise Refused(f"The source {source.name!r} has never reported a {kind} {key!r}.")
    return key
