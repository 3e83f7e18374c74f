"""Where programs send reports to: PUT with a token, whole or in parts of at most a mebibyte."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ...jobs.incoming import WrongPart, add_part, have, source_of
from ..roles import ANYBODY, needs

_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@needs(ANYBODY)  # a token says for whom it is
@csrf_exempt  # it is not believed by a cookie, but by a token that no browser adds
@login_not_required
@require_http_methods(["GET", "PUT"])
def api_report(request: HttpRequest, name: str) -> JsonResponse:
    """PUT adds a part, which the header Content-Range names, or the whole report: 202 with ``have``, the bytes that are
    there, and ``whole``. GET tells ``have``, so that a sending that was cut off can go on.

    401 for a token that is none, 409 for a part that leaves a gap, 400 for a name, a range or a size that is none, 507
    where it cannot be kept.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    source = source_of(token.strip()) if scheme.lower() == "bearer" else None
    if source is None:
        return JsonResponse({"error": "Send the token of a watched source: Authorization: Bearer TOKEN."}, status=401)
    if request.method == "GET":
        try:
            return JsonResponse({"have": have(source, name)})
        except ValueError as error:
            return JsonResponse({"error": str(error)}, status=400)
    return part_taken(request, lambda start, content, size: add_part(source, name, start, content, size))


def part_taken(request: HttpRequest, add: Callable[[int, bytes, int], bool]) -> JsonResponse:
    """The answer to a part, which ``add`` gets with where it begins and the size of the whole, and says whether that is
    whole now."""
    try:
        start, size = part_of(request)
        whole = add(start, request.body, size)
    except WrongPart as error:
        return JsonResponse({"error": "There is a gap before this part.", "have": error.have}, status=409)
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=400)
    except OSError as error:
        return JsonResponse({"error": f"The report cannot be kept: {error.strerror}."}, status=507)
    return JsonResponse({"have": start + len(request.body), "whole": whole}, status=202)


def part_of(request: HttpRequest) -> tuple[int, int]:
    """Where the part in a request begins, and how large the report is. Raises ValueError."""
    header = request.headers.get("Content-Range")
    if header is None:
        return 0, len(request.body)
    found = _RANGE.fullmatch(header.strip())
    if not found or int(found[2]) - int(found[1]) + 1 != len(request.body):
        raise ValueError("The header Content-Range does not fit the part: bytes FIRST-LAST/SIZE.")
    return int(found[1]), int(found[3])
