"""Tickets in HaloITSM that are taken care of."""

# pylint: disable=unused-argument  # django-ninja gives each operation its request

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema
from pydantic import Field

from ...domain.status import Status
from ..roles import VIEWER
from ..tickets.rows import tickets
from .lists import Number, Page, by_number, listed, one_of, parameters_of
from .operations import operation

router = Router(tags=["tickets"])
_TICKETS = by_number(tickets())


class Ticket(Schema):
    """A ticket in HaloITSM."""

    id: int
    number: int = Field(description="HaloITSM's number, which is another one's in another HaloITSM")
    reference: str = Field(description="Ours, which it carries in HaloITSM")
    title: str
    status: str | None = Field(description=", ".join(one.value for one in Status) + "; null: HaloITSM's is not mapped")
    halo_status: str | None
    project: str = Field(validation_alias="slug", description="The short name of the project")
    assigned: str
    due: date | None
    assets: int = Field(validation_alias="devices")
    changed: datetime | None = Field(description="Its last change in HaloITSM that is known")
    created: datetime
    left_alone: str | None = Field(validation_alias="said", description="Who paused or detached it")


@operation(router, "GET", "", role=VIEWER, answer=Page[Ticket], parameters=parameters_of(_TICKETS))
def list_tickets(request: HttpRequest) -> dict[str, Any]:
    """All tickets; ``number`` finds one by HaloITSM's number, ``reference`` by ours."""
    return listed(request, _TICKETS)


@operation(router, "GET", "/{ticket}", role=VIEWER, answer=Ticket, refusals=[404])
def get_ticket(request: HttpRequest, ticket: Path[Number]) -> dict[str, Any]:
    """One ticket, by the service's own number."""
    return one_of(_TICKETS, ticket, "ticket")
