"""What an administrator does with a rule: pause it, let it go on, remove it, and send again what was given up."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from ...jobs.alert_rule import pause_rule, remove_rule, send_again
from ...store import models
from ..roles import ADMIN, needs


@needs(ADMIN)
@require_POST
def pause(request: HttpRequest, number: int) -> HttpResponse:
    """Whether a rule is ``paused``: yes or no."""
    row = get_object_or_404(models.AlertRule, pk=number)
    paused = request.POST.get("paused") == "yes"
    pause_rule(row, paused, str(request.user))
    messages.success(request, f"{row.name} {'finds and sends nothing now' if paused else 'goes on'}.")
    return redirect("alert-rule", number)


@needs(ADMIN)
@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    """Remove a rule."""
    row = get_object_or_404(models.AlertRule, pk=number)
    remove_rule(row, str(request.user))
    messages.success(request, f"{row.name} is removed.")
    return redirect("alerts")


@needs(ADMIN)
@require_POST
def again(request: HttpRequest, number: int) -> HttpResponse:
    """Send a message that was given up once more."""
    message = get_object_or_404(models.AlertMessage.objects.select_related("rule"), pk=number)
    if send_again(message, timezone.now(), str(request.user)):
        messages.success(request, "It is sent again within a minute, unless the rule is paused or its hours are quiet.")
    else:
        messages.error(request, "It was not given up.")
    return redirect("alert-rule", message.rule_id)
