"""Whether the service can answer at all, for whatever watches it. It tells nothing else, and needs no sign-in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ..roles import ANYBODY, needs


@needs(ANYBODY)
@require_safe
@login_not_required
def health(_: HttpRequest) -> HttpResponse:
    """200 where the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return HttpResponse("the database does not answer\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")
