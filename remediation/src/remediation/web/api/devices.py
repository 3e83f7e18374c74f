"""Devices: the assets of all sources that are one machine."""

# pylint: disable=unused-argument  # django-ninja gives each operation its request

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema
from pydantic import Field

from ..devices.rows import DEVICES
from ..roles import VIEWER
from .lists import Number, Page, by_number, listed, one_of, parameters_of
from .operations import operation

router = Router(tags=["devices"])
_LIST = by_number(DEVICES)


class Device(Schema):
    """A machine, and how many findings of each severity are open on it."""

    id: int
    name: str
    open: int = Field(validation_alias="worst", description="Findings of any severity that are open")
    critical: int
    high: int
    medium: int
    low: int
    none: int
    ips: list[str] | None
    os: str | None
    owners: list[str] | None
    sources: list[str] | None
    assessed: datetime | None = Field(description="When the last of its assets was scanned")


@operation(router, "GET", "", role=VIEWER, answer=Page[Device], parameters=parameters_of(_LIST))
def list_devices(request: HttpRequest) -> dict[str, Any]:
    """All devices that are known."""
    return listed(request, _LIST)


@operation(router, "GET", "/{device}", role=VIEWER, answer=Device, refusals=[404])
def get_device(request: HttpRequest, device: Path[Number]) -> dict[str, Any]:
    """One device."""
    return one_of(_LIST, device, "device")
