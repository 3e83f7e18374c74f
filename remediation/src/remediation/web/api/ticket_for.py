"""A ticket for a device or a vulnerability: what there is, and one click to it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from ...service_day import service_day
from ...store import models
from ...tickets.single import Offer, Subject, offer, standing
from ..numbers import number_in
from ..roles import ANALYST
from ..tickets.asked import why_not
from ..tickets.opening import ask_for, of_device, of_vulnerability
from .lists import Number, parameter
from .operations import key_of, operation
from .problems import not_there, not_understood

router = Router(tags=["tickets"])
_NUMBER = {"type": "integer", "minimum": 1}
_PARAMETERS = [
    parameter("device", "The number of a device.", _NUMBER),
    parameter("vulnerability", "The number of a vulnerability.", _NUMBER),
    parameter(
        "connection", "The name of a HaloITSM connection, if there are several.", {"type": "string", "minLength": 1}
    ),
]


class Wanted(Schema):
    """What a ticket is wanted for: either a device or a vulnerability."""

    model_config = ConfigDict(extra="forbid")

    device: Number | None = None
    vulnerability: Number | None = None
    connection: str = Field("", description="The name of a HaloITSM connection, if there are several")


class Telling(Schema):
    """A ticket that tells of findings."""

    id: int
    number: int = Field(description="HaloITSM's number")
    findings: int


class TicketFor(Schema):
    """What there is for an asset of a device, or for a vulnerability of a source, and what asking would do."""

    source: str
    about: str = Field(description="The source's own id of the asset or the vulnerability")
    findings: int
    accepted: int = Field(description="Findings of which the risk is accepted: they get no ticket")
    on_the_way: int = Field(description="Findings for which somebody has asked for a ticket that is not there yet")
    left: bool = Field(description="Whether asking makes a ticket, or a comment on the one that there is")
    tickets: list[Telling]
    why: str | None = Field(description="Why asking would do something, or what holds up what is on the way")


@operation(router, "GET", "", role=ANALYST, answer=list[TicketFor], parameters=_PARAMETERS, refusals=[404])
def get_ticket_for(request: HttpRequest) -> list[dict[str, Any]]:
    """What there is, and what asking would do. Nothing is stored or sent."""
    given = request.GET
    wanted = Wanted(
        device=_number(given.get("device")),
        vulnerability=_number(given.get("vulnerability")),
        connection=given.get("connection", ""),
    )
    return _shown(_subjects(wanted), _connection(wanted))


@operation(router, "POST", "", role=ANALYST, answer={200: list[TicketFor], 202: list[TicketFor]}, refusals=[404])
def ask_for_ticket(request: HttpRequest, wanted: Wanted) -> Status[list[dict[str, Any]]]:
    """Ask for a ticket. Asking again makes no second one, and tells how far it is: 202 while it is on the way."""
    subjects, connection = _subjects(wanted), _connection(wanted)
    ask_for(subjects, connection, service_day(), str(key_of(request)))
    shown = _shown(subjects, connection)
    return Status(202 if any(one["on_the_way"] for one in shown) else 200, shown)


def _number(text: str | None) -> int | None:
    number = number_in(text)
    if text is not None and not number:
        raise not_understood("device and vulnerability are numbers of rows.")
    return number or None


def _subjects(wanted: Wanted) -> list[Subject]:
    if wanted.device is not None and wanted.vulnerability is None:
        device = models.Device.objects.filter(pk=wanted.device).first()
        if device is None:
            raise not_there("device")
        return of_device(device)
    if wanted.vulnerability is None or wanted.device is not None:
        raise not_understood("A ticket is for either a device or a vulnerability.")
    row = models.Vulnerability.objects.select_related("source").filter(pk=wanted.vulnerability).first()
    if row is None:
        raise not_there("vulnerability")
    return [of_vulnerability(row)]


def _connection(wanted: Wanted) -> models.Connection:
    known = {row.name: row for row in models.Connection.objects.all()}
    if not wanted.connection and len(known) == 1:
        return next(iter(known.values()))
    if wanted.connection not in known:
        raise not_understood(f"Name one of the HaloITSM connections that there are: {', '.join(known) or 'none'}.")
    return known[wanted.connection]


def _shown(subjects: list[Subject], connection: models.Connection) -> list[dict[str, Any]]:
    today = service_day()
    return [_of(offer(one, connection, today), connection) for one in subjects]


def _of(known: Offer, connection: models.Connection) -> dict[str, Any]:
    subject = known.subject
    return {
        "source": subject.source.name,
        "about": subject.key,
        "findings": known.findings,
        "accepted": known.accepted,
        "on_the_way": known.asked,
        "left": known.body is not None,
        "tickets": [{"id": row.pk, "number": row.halo_id, "findings": count} for row, count in known.covered],
        "why": (_held_up(subject, connection) if known.asked else known.why) or None,
    }


def _held_up(subject: Subject, connection: models.Connection) -> str:
    project = standing(subject, connection)
    return why_not(project, subject.key) if project else ""
