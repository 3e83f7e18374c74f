"""The pages of accepted risks: what, why, by whom and until when; the ones that end first at the top."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...domain.exceptions import State
from ...jobs.tasks import ask_to_count, ask_to_run_all_of, ask_to_send_exceptions
from ...service_day import service_day
from ...sources.excepting import most_of, release
from ...store import acceptances, models
from ...store.versions import ChangedMeanwhile
from ..listing.listed import listed
from ..numbers import number_in
from ..roles import APPROVER, VIEWER, needs
from .rows import acceptances as listing

# As many vulnerabilities can be chosen at once.
MOST = 100
# So many exceptions of one acceptance are shown.
MOST_SHOWN = 200
# For how long a risk is accepted where nobody says otherwise.
USUAL = timedelta(days=90)


@dataclass(frozen=True)
class Subject:
    """What is to be accepted, by the source's own ids, and in words."""

    source: models.Source
    words: str
    asset: str | None = None
    solution: str | None = None
    vulnerability: str | None = None


class UntilForm(forms.Form):
    """A day up to and on which an acceptance holds."""

    until = forms.DateField(widget=forms.DateInput({"type": "date"}), label="Until and on")

    def clean_until(self) -> date:
        """Raises ValidationError for a day that is over."""
        day: date = self.cleaned_data["until"]
        if day < service_day():
            raise ValidationError("This day is over.")
        return day


class AcceptanceForm(UntilForm):
    """Why a risk is accepted, until when, and perhaps of one device only."""

    reason = forms.CharField(max_length=2000, widget=forms.Textarea({"rows": 3}), label="Why")
    on = forms.CharField(
        required=False,
        max_length=300,
        label="Only on this device",
        help_text="Its host name, or the source's own id. Left empty: on all devices.",
    )
    field_order = ("reason", "until", "on")


@needs(VIEWER)
@require_safe
def all_acceptances(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    empty = "No risk was ever accepted. An approver accepts one at a vulnerability, a solution or a device."
    today = service_day()
    return listed(
        request, listing(today), "acceptances/acceptances.html", cell="acceptances/cell.html", empty=empty, today=today
    )


@needs(APPROVER)
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest) -> HttpResponse:
    """Accept the risk of a ``vulnerability``, a ``solution``, an ``asset``, a ``device`` or ``chosen`` ones, by
    the service's numbers. A vulnerability and an asset: of the one on the other."""
    given = request.POST if request.method == "POST" else request.GET
    subjects = _subjects(given)
    if not subjects:
        messages.error(request, "Nothing is named whose risk could be accepted. Begin at a vulnerability or a device.")
        return redirect("acceptances")
    form = AcceptanceForm(request.POST or None, initial={"until": service_day() + USUAL})
    if any(one.asset for one in subjects):
        del form.fields["on"]
    if request.method == "POST" and form.is_valid():
        on = _assets_named(form, subjects)
        if not form.errors:
            with transaction.atomic():
                _accept(subjects, on, form.cleaned_data, str(request.user))
            messages.success(request, "The risk is accepted. Tickets of which nothing else is left become Exception.")
            return redirect("acceptances")
    names = ("vulnerability", "solution", "asset", "device", "chosen")
    asked = [(name, value) for name in names for value in given.getlist(name)]
    known = {"form": form, "subjects": subjects, "asked": asked}
    return render(request, "acceptances/accept.html", known, status=400 if form.errors else 200)


def _accept(subjects: list[Subject], on: dict[int, str], given: dict[str, Any], by: str) -> None:
    for one in subjects:
        acceptances.accept(
            one.source,
            asset=one.asset or on.get(one.source.pk),
            solution=one.solution,
            vulnerability=one.vulnerability,
            reason=given["reason"],
            until=given["until"],
            by=by,
        )
    for source in {one.source.pk: one.source for one in subjects}.values():
        _run(source)


def _assets_named(form: AcceptanceForm, subjects: list[Subject]) -> dict[int, str]:
    """The asset of each source that the form names. What is wrong with the name is told by the form."""
    name = form.cleaned_data.get("on", "").strip()
    found: dict[int, str] = {}
    for source in {one.source.pk: one.source for one in subjects}.values() if name else ():
        rows = models.Asset.objects.filter(Q(asset=name) | Q(host_name__iexact=name), source=source)
        ids = list(rows.values_list("asset", flat=True)[:5])
        if not ids:
            form.add_error("on", f"{source.name} knows no device of this name.")
        elif len(ids) > 1 and name not in ids:
            form.add_error("on", f"{source.name} knows several of this name: {', '.join(ids)}. Give one by its id.")
        else:
            found[source.pk] = name if name in ids else ids[0]
    return found


@needs(VIEWER, to_write=APPROVER)
@require_http_methods(["GET", "HEAD", "POST"])
def acceptance(request: HttpRequest, number: int) -> HttpResponse:
    """One acceptance. An approver renews it ``until`` another day, or withdraws it (``withdraw``)."""
    row = get_object_or_404(models.RiskAcceptance.objects.select_related("source"), pk=number)
    form = UntilForm(request.POST or None, initial={"until": max(row.expires, service_day() + USUAL)})
    version, status, stored = row.version, 200, None
    if request.method == "POST":
        # What somebody else has withdrawn is no version that anybody has seen.
        version = number_in(request.POST.get("version"), 8) if row.withdrawn is None else 0
        try:
            if request.POST.get("withdraw"):
                return _changed(request, row, None, version)
            if form.is_valid():
                return _changed(request, row, form.cleaned_data["until"], version)
            status = 400
        except ChangedMeanwhile as trouble:
            stored, status = trouble.now, 409
            row = trouble.now or row  # type: ignore[assignment]  # it is one of these
            version = row.version
    known = {
        "row": row,
        "subject": acceptances.subject_of(row),
        "title": _title(row),
        "form": form,
        "version": version,
        "stored": stored,
        "holds": row.withdrawn is None and row.expires >= service_day(),
        # What it is of leads to the entries by their index.
        "history": models.AuditEntry.objects.filter(of=acceptances.subject_of(row), detail__acceptance=row.pk).order_by(
            "-pk"
        )[:50],
        **_exceptions(row),
    }
    return render(request, "acceptances/acceptance.html", known, status=status)


def _title(row: models.RiskAcceptance) -> str:
    """What the source calls what is accepted, "" where it does not say."""
    found = (
        models.Vulnerability.objects.filter(source=row.source_id, vulnerability=row.vulnerability).values_list("title")
        if row.vulnerability
        else models.Solution.objects.filter(source=row.source_id, solution=row.solution).values_list("name")
    ).first()
    return found[0] or "" if found else ""


def _changed(request: HttpRequest, row: models.RiskAcceptance, until: date | None, version: int) -> HttpResponse:
    """Renew or, without a day, withdraw. Raises ChangedMeanwhile."""
    with transaction.atomic():
        if until is None:
            acceptances.withdraw(row, str(request.user), version)
        else:
            acceptances.renew(row, until, str(request.user), version)
        _run(row.source)
    messages.success(
        request,
        f"The acceptance holds until {until}." if until else "It is withdrawn. What it covered is open again.",
    )
    return redirect("acceptances")


def _run(source: models.Source) -> None:
    """What counts as open changes, and so do tickets and exceptions. To count takes too long for a page."""
    ask_to_count(source.pk)
    ask_to_send_exceptions(source)
    ask_to_run_all_of(source.pk)


@needs(APPROVER)
@require_POST
def send(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for the sending of a source's acceptances to its console. ``release``: all that waits of this one as well."""
    row = get_object_or_404(models.RiskAcceptance.objects.select_related("source"), pk=number)
    with transaction.atomic():
        released = release(row, str(request.user)) if request.POST.get("release") else 0
        asked = most_of(row.source) is not None
        ask_to_send_exceptions(row.source)
    if asked:
        messages.success(request, f"InsightVM is asked soon{f', for {released} more' if released else ''}.")
    else:
        messages.error(request, f"The accepted risks of {row.source.name} are not sent to it.")
    return redirect("acceptance", number)


def _exceptions(row: models.RiskAcceptance) -> dict[str, Any]:
    """What the console was asked for, for an acceptance, and what it makes of that."""
    rows = row.exceptions.order_by("asset", "vulnerability")
    hosts = models.Asset.objects.filter(source=row.source_id, asset__in=rows.values("asset")[:MOST_SHOWN])
    names = dict(hosts.values_list("asset", "host_name"))
    shown = [{"row": one, "host": names.get(one.asset) or one.asset} for one in rows[:MOST_SHOWN]]
    states = rows.order_by().values_list("state").annotate(Count("pk")).order_by("state")
    return {
        "sends": most_of(row.source) is not None,
        "exceptions": shown,
        "states": states,
        "waiting": rows.filter(state=State.WAITING.value, released=False).count(),
    }


def _subjects(given: QueryDict) -> list[Subject]:
    vulnerability = _one(models.Vulnerability.objects.select_related("source"), given.get("vulnerability", ""))
    asset = _one(models.Asset.objects.select_related("source"), given.get("asset", ""))
    solution = _one(models.Solution.objects.select_related("source"), given.get("solution", ""))
    device = _one(models.Device.objects, given.get("device", ""))
    if vulnerability and asset and vulnerability.source_id != asset.source_id:
        return []
    if vulnerability:
        title = vulnerability.title or vulnerability.vulnerability
        where = f" on {asset.host_name or asset.asset}" if asset else ""
        return [
            Subject(
                vulnerability.source,
                f"{title}{where}",
                vulnerability=vulnerability.vulnerability,
                asset=asset.asset if asset else None,
            )
        ]
    if solution:
        words = f"all that this would fix: {solution.name or solution.solution}"
        return [Subject(solution.source, words, solution=solution.solution)]
    assets = [asset] if asset else device.assets.select_related("source").order_by("source__name") if device else []
    if assets:
        return [
            Subject(one.source, f"all of {one.host_name or one.ip or one.asset}", asset=one.asset) for one in assets
        ]
    chosen = [number_in(text) for text in given.getlist("chosen")[:MOST]]
    rows = models.Vulnerability.objects.filter(pk__in=chosen).select_related("source").order_by("-rank", "pk")
    return [Subject(row.source, row.title or row.vulnerability, vulnerability=row.vulnerability) for row in rows]


def _one(rows: Any, text: str) -> Any:
    number = number_in(text)
    return rows.filter(pk=number).first() if number else None
