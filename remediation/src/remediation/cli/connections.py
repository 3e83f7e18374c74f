"""The command ``connect``."""

from __future__ import annotations

import os
from typing import Annotated, Optional

import typer

from ..domain.budget import USUAL_LIMIT
from ..domain.status import WITHDRAWN, Status
from .ending import Refused
from .opened import AsJson, Data, answer, opened, require_name

STATUS_HELP = (
    'A status, as in "Remediated=Closed". Given several times for one of ours, the first is what is set, and all are '
    "understood. Withdrawn is for what was neither remediated nor excepted, and is as Exception unless it is mapped."
)


def _mapped(values: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is set for each of our statuses: the first name that is given for it; and what the others mean, by name."""
    known = {name.casefold(): name for name in [*(one.value for one in Status), WITHDRAWN]}
    write: dict[str, str] = {}
    reads: dict[str, str] = {}
    for value in values:
        ours, separator, theirs = (part.strip() for part in value.partition("="))
        if not separator or not theirs:
            raise Refused(f"{value!r} is no mapping. Write it as OURS=THEIRS.")
        ours = known.get(ours.casefold(), ours)
        if ours not in write:
            write[ours] = theirs
        elif reads.setdefault(theirs, ours) != ours:
            raise Refused(f"{theirs!r} cannot mean both {reads[theirs]!r} and {ours!r}.")
    return write, reads


def connect(
    name: str,
    ticket_type: Annotated[str, typer.Option(help="Type of a solution's ticket, by name.")] = "",
    parent_type: Annotated[str, typer.Option(help="Type of a project's ticket, by name.")] = "",
    status: Annotated[Optional[list[str]], typer.Option(help=STATUS_HELP)] = None,
    closing_agent: Annotated[str, typer.Option(help="Assigned where Halo closes no unassigned ticket.")] = "",
    client: Annotated[str, typer.Option(help="Client of new tickets, by name.")] = "",
    site: Annotated[str, typer.Option(help="Site of new tickets, by name.")] = "",
    requester: Annotated[str, typer.Option(help="User of new tickets, by name or e-mail address.")] = "",
    requests: Annotated[
        int, typer.Option(min=1, max=300, help="To HaloITSM in five minutes, of all processes; it allows 300 in all.")
    ] = USUAL_LIMIT,
    private_outcome: Annotated[bool, typer.Option("--private-outcome/--public-outcome")] = True,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A Halo connection, from HALO_RESOURCE_SERVER, HALO_AUTH_SERVER, HALO_CLIENT_ID, HALO_CLIENT_SECRET.

    HALO_TENANT is for hosted instances that share an authorisation server.
    """
    require_name(name, "connection")
    names = ("HALO_RESOURCE_SERVER", "HALO_AUTH_SERVER", "HALO_CLIENT_ID", "HALO_CLIENT_SECRET")
    needed = {variable: os.environ.get(variable, "") for variable in names}
    missing = [variable for variable, value in needed.items() if not value]
    if missing:
        raise Refused(f"These variables are not set: {', '.join(missing)}.")
    write, reads = _mapped(status or [])
    with opened(data):
        from django.db import transaction

        from ..store import models
        from ..store.projects import DEFAULTS
        from ..store.secrets import seal
        from ..store.versions import change_version
        from ..tickets.instance import Instance, Options
        from ..tickets.run import client_of

        settings = {
            "resource_server": needed["HALO_RESOURCE_SERVER"],
            "auth_server": needed["HALO_AUTH_SERVER"],
            "client_id": needed["HALO_CLIENT_ID"],
            "tenant": os.environ.get("HALO_TENANT", ""),
            "ticket_type": ticket_type,
            "parent_type": parent_type or ticket_type,
            "statuses": write,
            "reads": reads,
            "closing_agent": closing_agent,
            "private": private_outcome,
            "requests": requests,
            "client": client,
            "site": site,
            "requester": requester,
        }
        connection = models.Connection(name=name, settings=settings, secret=seal(needed["HALO_CLIENT_SECRET"]))
        halo = client_of(connection)
        halo.test()
        instance = Instance(halo, Options.from_table(settings))
        mapped = instance.status_map()
        instance.require_named()
        with transaction.atomic():
            before = models.Connection.objects.select_for_update().filter(name=name).first()
            if before is not None:
                # What its new projects begin with is said on the pages.
                kept = {key: value for key, value in before.settings.items() if key == DEFAULTS}
                change_version(before, before.version, settings={**settings, **kept}, secret=connection.secret)
            else:
                connection.save()
        shown = {ours.value: mapped.names[number] for ours, number in mapped.write.items()}
        if mapped.withdrawn is not None:
            shown[WITHDRAWN] = mapped.names[mapped.withdrawn]
        lines = [f"  {ours} = {theirs}" for ours, theirs in shown.items()]
        answer(as_json, {"name": name, "statuses": shown}, "\n".join([f"Connected to Halo as {name!r}:", *lines]))
