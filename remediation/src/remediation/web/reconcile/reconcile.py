"""The page that compares all that is kept of a connection's tickets with HaloITSM, and puts it right."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from ...jobs.tasks import ask_to_reconcile
from ...store import audit, models
from ..roles import APPROVER, needs


@needs(APPROVER)
@require_http_methods(["GET", "HEAD", "POST"])
def reconcile(request: HttpRequest, number: int) -> HttpResponse:
    """What the newest comparison has found. ``do``: compare, or apply, which compares anew. A worker does either."""
    row = get_object_or_404(models.Connection, pk=number)
    if request.method == "POST":
        applies = request.POST.get("do") == "apply"
        with transaction.atomic():
            is_new = ask_to_reconcile(row.pk, apply=applies)
            if applies:
                audit.record(str(request.user), "reconciliation applied", row.name)
        messages.success(request, "It is asked for." if is_new else "It waits in the queue already.")
        return redirect("reconcile", number)
    runs = models.Run.objects.filter(kind="reconcile", detail__connection=row.pk).order_by("-pk")
    ended = runs.exclude(finished=None).first()
    found = ended.detail.get("found", []) if ended else []
    known = {
        "row": row,
        "run": ended,
        "is_at_work": runs.filter(finished=None).exists(),
        "found": found,
        "tickets": dict(
            models.Ticket.objects.filter(
                project__connection=row, halo_id__in=[one["number"] for one in found]
            ).values_list("halo_id", "pk")
        ),
        "can_apply": bool(ended and not ended.detail.get("applied") and any(one["is_applied"] for one in found)),
    }
    return render(request, "reconcile/reconcile.html", known)
