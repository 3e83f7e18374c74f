"""The page of the register, and the list of devices that it does not know."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from ...store import models
from ..listing.listed import listed
from ..roles import VIEWER, needs
from .form import RegisterForm
from .rows import REGISTER, SEEN, UNKNOWN, UNKNOWN_DEVICES

_COUNTS = f"""
SELECT (SELECT count(*) FROM store_registereddevice), (SELECT count(*) FROM store_registereddevice AS entry WHERE {SEEN}),
       (SELECT count(*) FROM store_device), (SELECT count(*) FROM store_device AS device WHERE {UNKNOWN})
"""  # nosec B608: constants


@needs(VIEWER)
@require_safe
def register(request: HttpRequest) -> HttpResponseBase:
    """The register: how many of its devices scans have seen, what it holds, and the form by which one is brought."""
    taken = models.AuditEntry.objects.filter(what="register taken in").order_by("-pk").first()
    empty = "The register is empty. An administrator brings a file with the organisation's devices."
    known: dict[str, Any] = {"counts": _counts(), "taken": taken, "form": RegisterForm()}
    return listed(request, REGISTER, "register/register.html", cell="register/cell.html", empty=empty, **known)


@needs(VIEWER)
@require_safe
def unknown_devices(request: HttpRequest) -> HttpResponseBase:
    """The devices of scans that the register does not know."""
    empty = "The register knows all devices that scans have seen."
    cell = "devices/cell.html"
    return listed(request, UNKNOWN_DEVICES, "register/unknown.html", cell=cell, empty=empty, counts=_counts())


def _counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS)
        registered, seen, devices, unknown = cursor.fetchone()
    return {"registered": registered, "seen": seen, "unseen": registered - seen, "devices": devices, "unknown": unknown}
