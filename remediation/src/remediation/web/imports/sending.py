"""Brings reports in: begun, sent in parts that go on after an interruption, or whole by a plain form."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from ...jobs import uploads
from ...sources.report_csv import LARGEST
from ...store import models
from ..numbers import number_in
from ..reports.api import part_taken
from ..roles import ANALYST, needs

LONGEST_NAME = 200
State = models.Upload.State


@needs(ANALYST)
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Begin an upload: ``name`` and ``size`` for parts that follow, answered as JSON; or a whole small ``file``."""
    file = request.FILES.get("file")
    name = (file.name if file else request.POST.get("name", "")) or "report"
    size = file.size if file else number_in(request.POST.get("size"))
    if not size or size > LARGEST:
        if file or "size" not in request.POST:
            messages.error(request, "Choose a file that is not empty.")
            return redirect("imports")
        return JsonResponse({"error": f"A report has from 1 to {LARGEST} bytes."}, status=400)
    upload = models.Upload.objects.create(who=str(request.user), name=name[:LONGEST_NAME], size=size)
    if file:
        uploads.add_part(upload, 0, file.read())
        return redirect("import", upload.pk)
    return JsonResponse({"number": upload.pk, "have": 0}, status=201)


@needs(ANALYST)
@require_http_methods(["GET", "HEAD", "PUT"])
def part(request: HttpRequest, number: int) -> JsonResponse:
    """PUT adds a part, which the header Content-Range names; GET tells ``have``, the bytes that are there."""
    upload = get_object_or_404(models.Upload, pk=number)
    if request.method != "PUT":
        return JsonResponse({"have": uploads.have(upload)})
    if upload.state != State.SENDING:
        return JsonResponse({"error": "This report is whole, or it was stopped."}, status=409)

    def add(start: int, content: bytes, size: int) -> bool:
        if size != upload.size:
            raise ValueError("The size is not the one that was told when it began.")
        return uploads.add_part(upload, start, content)

    return part_taken(request, add)
