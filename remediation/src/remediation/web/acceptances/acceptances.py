"""The pages of accepted risks: what, why, by whom and until when; the ones that end first at the top."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...jobs.tasks import ask_to_run
from ...store import acceptances, models
from ..roles import APPROVER, VIEWER, needs

MOST = 500
SOON = timedelta(days=14)
# For how long a risk is accepted where nobody says otherwise.
USUAL = timedelta(days=90)


class UntilForm(forms.Form):
    """A day up to and on which an acceptance holds."""

    until = forms.DateField(widget=forms.DateInput({"type": "date"}), label="Until and on")

    def clean_until(self) -> date:
        """Raises ValidationError for a day that is over."""
        day: date = self.cleaned_data["until"]
        if day < timezone.localdate():
            raise ValidationError("This day is over.")
        return day


class AcceptanceForm(UntilForm):
    """Why a risk is accepted, and until when."""

    reason = forms.CharField(max_length=2000, widget=forms.Textarea({"rows": 3}), label="Why")
    field_order = ("reason", "until")


@needs(VIEWER)
@require_safe
def all_acceptances(request: HttpRequest) -> HttpResponse:
    """Those that hold, and those that ended lately."""
    today = timezone.localdate()
    rows = models.RiskAcceptance.objects.select_related("source")
    holding = rows.filter(withdrawn__isnull=True, expires__gte=today).order_by("expires", "pk")
    ended = rows.exclude(withdrawn__isnull=True, expires__gte=today).order_by("-expires")[:50]
    known = {
        "holding": [(row, acceptances.subject_of(row), row.expires < today + SOON) for row in holding[:MOST]],
        "ended": [(row, acceptances.subject_of(row)) for row in ended],
    }
    return render(request, "acceptances/acceptances.html", known)


@needs(APPROVER)
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest) -> HttpResponse:
    """Accept the risk of a ``vulnerability``, an ``asset``, or of the one on the other, by the service's numbers."""
    given = request.POST if request.method == "POST" else request.GET
    vulnerability = _one(models.Vulnerability, given.get("vulnerability", ""))
    asset = _one(models.Asset, given.get("asset", ""))
    subject = vulnerability or asset
    if subject is None or (vulnerability and asset and vulnerability.source_id != asset.source_id):
        messages.error(request, "Nothing is named whose risk could be accepted. Begin at a vulnerability or a device.")
        return redirect("acceptances")
    initial = {"until": timezone.localdate() + USUAL}
    form = AcceptanceForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            acceptances.accept(
                subject.source,
                asset=asset.asset if asset else None,
                solution=None,
                vulnerability=vulnerability.vulnerability if vulnerability else None,
                reason=form.cleaned_data["reason"],
                until=form.cleaned_data["until"],
                by=str(request.user),
            )
            _run(subject.source_id)
        messages.success(request, "The risk is accepted. Tickets of which nothing else is left become Exception.")
        return redirect("acceptances")
    known = {"form": form, "vulnerability": vulnerability, "asset": asset, "source": subject.source}
    return render(request, "acceptances/accept.html", known, status=400 if form.errors else 200)


@needs(APPROVER)
@require_POST
def change(request: HttpRequest, number: int) -> HttpResponse:
    """Renew an acceptance ``until`` another day, or ``withdraw`` it."""
    row = get_object_or_404(models.RiskAcceptance, pk=number, withdrawn__isnull=True)
    with transaction.atomic():
        if request.POST.get("withdraw"):
            acceptances.withdraw(row, str(request.user))
            messages.success(request, "The acceptance is withdrawn. What it covered is open again.")
        else:
            form = UntilForm(request.POST)
            if not form.is_valid():
                messages.error(request, "Give a day that is not over.")
                return redirect("acceptances")
            acceptances.renew(row, form.cleaned_data["until"], str(request.user))
            messages.success(request, f"The acceptance holds until {form.cleaned_data['until']}.")
        _run(row.source_id)
    return redirect("acceptances")


def _run(source_id: int) -> None:
    for project in models.Project.objects.filter(source=source_id, paused=False).order_by("position"):
        ask_to_run(project)


def _one(model: Any, text: str) -> Any:
    is_number = text.isdecimal() and len(text) < 19
    return model.objects.select_related("source").filter(pk=int(text)).first() if is_number else None
