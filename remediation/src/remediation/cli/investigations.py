"""The commands of investigations: ``investigations add``, ``list``, ``ticket``, ``decide``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, table_of, text_of

KEY = "INSIGHTIDR_API_KEY"


def add(
    name: str,
    connection: Annotated[str, typer.Option(help="The HaloITSM connection of its tickets.")] = "",
    region: Annotated[str, typer.Option(help="The region of the platform: us, us2, us3, eu, ca, au or ap.")] = "",
    url: Annotated[str, typer.Option(help="Its address, in place of a region: of a gateway.")] = "",
    every: Annotated[int, typer.Option(min=1, help="Minutes between two looks.")] = 5,
    ca: Annotated[Optional[Path], typer.Option(help="Certificates of the authority of a gateway, in PEM form.")] = None,
    settings: Annotated[
        Optional[Path], typer.Option(help="A TOML file: rule, states, reads, priorities, comments, and so on.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Add an organisation of InsightIDR, or change it; its key is in INSIGHTIDR_API_KEY. The key is tried first.

    A new one makes no ticket yet: look at its first plan, then resume its project.
    """
    chosen = table_of(settings) if settings else None
    with opened(data):
        from ..domain.investigation_settings import InvestigationSettings
        from ..investigations import source as sources
        from ..sources.scanner import Unfit
        from ..store import models
        from ..store.projects import NotMade

        known = models.InvestigationSource.objects.filter(name=name).first()
        stored: dict[str, Any] = known.settings if known else {}
        try:
            details = sources.Details(
                name=name,
                url=stored["url"] if known and not (region or url) else sources.address_of(region, url),
                every=every,
                ca=text_of(ca) if ca else stored.get("ca", ""),
            )
            how = InvestigationSettings.from_table(
                {**(sources.settings_of(known).to_table() if known else {}), **(chosen or {})}
            )
            secret = os.environ.get(KEY, "")
            of = one(models.Connection.objects, connection, "connection") if connection else None
            sources.client_of(sources.typed(details, secret, known)).check()
            row = sources.store_source(details, how, secret, known, of)
        except Unfit as error:
            more = f" Its key is read from {KEY}." if error.field == "secret" else ""
            raise Refused(f"{error}{more}") from None
        except (NotMade, ValueError) as error:
            raise Refused(str(error)) from None
        lines = [f"{row.name!r} is looked at every {every} minutes. Its tickets are those of {row.project.name!r}."]
        if row.project.paused:
            lines.append(f"That is paused. Look at its first plan: remediation plan {row.project.name!r}")
        answer(as_json, {"name": row.name, "project": row.project.name, "paused": row.project.paused}, "\n".join(lines))


def show(data: Data = None, as_json: AsJson = False) -> None:
    """List the investigations that are known, with their tickets."""
    with opened(data):
        from ..store import models

        rows = models.Investigation.objects.select_related("source", "ticket").order_by("source", "-created")
        found = [
            {
                "source": row.source.name,
                "rrn": row.rrn,
                "state": row.state,
                "priority": row.priority,
                "ticket": row.ticket.halo_id if row.ticket else None,
                "agreed": row.agreed_state,
            }
            for row in rows
        ]
        lines = [
            f"{one['rrn']}  {one['state']}, {one['priority']}: "
            + (f"ticket {one['ticket']}" if one["ticket"] else "no ticket")
            for one in found
        ]
        answer(as_json, {"investigations": found}, "\n".join(lines) or "No investigation is known.")


def ticket(rrn: str, data: Data = None, as_json: AsJson = False) -> None:
    """Have a ticket made for an investigation, with the next run, whatever the rule says."""
    _decided(rrn, data, as_json, "ask_for_ticket")


def decide(
    rrn: str,
    side: Annotated[str, typer.Option(help="Whose status counts where both were changed: halo or insightidr.")] = "",
    disposition: Annotated[str, typer.Option(help="With what an investigation is closed whose ticket is closed.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Decide what the service asks of an investigation; the next run does so."""
    if bool(side) == bool(disposition):
        raise Refused("Give --side or --disposition.")
    _decided(rrn, data, as_json, "decide" if side else "choose_disposition", side or disposition)


def _decided(rrn: str, data: Path | None, as_json: bool, what: str, *words: str) -> None:
    with opened(data):
        from ..investigations import deciding
        from ..store import models

        rows = list(models.Investigation.objects.filter(rrn=rrn).select_related("source"))
        if len(rows) != 1:
            raise Refused(f"{'No' if not rows else 'More than one'} investigation has the RRN {rrn!r}.")
        try:
            getattr(deciding, what)(rows[0], *words, "command line")
        except deciding.NotPossible as error:
            raise Refused(str(error)) from None
        answer(as_json, {"rrn": rrn}, "Kept. The next run does it.")
