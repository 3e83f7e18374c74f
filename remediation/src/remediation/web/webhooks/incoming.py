"""Where Halo's webhooks come in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse, RawPostDataException
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from haloitsm_client.webhook import UnreadableWebhook

from ...jobs.tasks import ask_to_run
from ...tickets.webhook import projects_told, sender_of
from ..roles import ANYBODY, needs

# Bytes. Far more than a batch of events has.
LARGEST = 1 << 20
# Seconds in which more of the same change may come: one edit of a ticket is several events.
PAUSE = 2


@needs(ANYBODY)  # a proof by the secret says whose it is
@csrf_exempt  # it is not believed by a cookie, but by a proof that no browser adds
@login_not_required
@require_POST
def halo_webhook(request: HttpRequest, token: str) -> JsonResponse:
    """Asks for runs of the projects whose tickets are named: 200 when that is in the database, ``runs`` of them new.

    401 for an address or a proof that is none, 413 for more than LARGEST bytes, 400 for no webhook's JSON. No content
    is logged.
    """
    try:
        too_long = int(request.headers.get("Content-Length") or 0) > LARGEST
        body = b"" if too_long else request.body
    except (ValueError, RequestDataTooBig):
        too_long, body = True, b""
    except RawPostDataException:
        # A form, which no webhook is, was read as one before.
        too_long, body = False, b""
    if too_long:
        return JsonResponse({"error": f"A webhook has {LARGEST >> 20} MiB at most."}, status=413)
    connection = sender_of(token, body, request.headers)
    if connection is None:
        return JsonResponse({"error": "Neither a signature nor a password proves that this is HaloITSM."}, status=401)
    try:
        projects = projects_told(connection, body, timezone.now())
    except UnreadableWebhook:
        return JsonResponse({"error": "This is no JSON of a webhook."}, status=400)
    return JsonResponse({"runs": sum(ask_to_run(project, pause=PAUSE) for project in projects)})
