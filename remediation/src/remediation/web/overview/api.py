"""The state as JSON, for programs that have signed in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from ...jobs.status import status
from ..roles import ANYBODY, needs


@needs(ANYBODY)
@require_safe
@login_not_required  # it asks itself: a program has no use for the page that signs people in
def api_status(request: HttpRequest) -> JsonResponse:
    """What ``remediation status --json`` prints; 401 for who has not signed in."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "Sign in first."}, status=401)
    return JsonResponse(status())
