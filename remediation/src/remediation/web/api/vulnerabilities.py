"""Vulnerabilities that devices have."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from ...domain.project import DUE_DAYS
from ..roles import VIEWER
from ..vulnerabilities.rows import due_days, vulnerabilities
from .lists import Page, by_number, listed, parameters_of
from .operations import operation

router = Router(tags=["vulnerabilities"])


class Vulnerability(Schema):
    """What one source says of a vulnerability that a device has."""

    id: int
    title: str
    severity: str | None = Field(description="critical, high, medium, low or none; null: not told")
    cves: list[str]
    cvss: float | None = Field(description="0 to 10")
    vpr: float | None = Field(description="0 to 10, Tenable's own")
    kev: str | None = Field(description="What CISA's catalogue tells of it; null: it is not in it")
    kev_due: date | None
    epss: float | None = Field(description="0 to 1")
    epss_by: str | None = Field(description="Who tells its EPSS")
    risk: float | None = Field(description="The source's own score")
    exploits: int | None
    devices: int = Field(validation_alias="alive", description="On how many assets it is open")
    first_found: datetime | None = Field(validation_alias="oldest")
    last_new_device: datetime | None = Field(validation_alias="newest")
    due: datetime | None
    tickets: int
    source: str


@operation(
    router,
    "GET",
    "",
    role=VIEWER,
    answer=Page[Vulnerability],
    parameters=parameters_of(by_number(vulnerabilities(DUE_DAYS))),
)
def list_vulnerabilities(request: HttpRequest) -> dict[str, Any]:
    """What one source says of one vulnerability is a row, as long as a device has it."""
    return listed(request, by_number(vulnerabilities(due_days())))
