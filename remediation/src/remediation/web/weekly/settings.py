"""When the weekly report is sent, to whom, and what became of those that were."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ... import mail
from ...domain.week import DAYS, Schedule
from ...jobs.weekly import SETTING
from ...store import audit, models
from ...store.versions import ChangedMeanwhile, change_version
from ..numbers import number_in
from ..roles import ADMIN, needs

MOST_RECIPIENTS = 50
SHOWN = 8


class ScheduleForm(forms.Form):
    """A schedule. ``recipients``: an address on each line."""

    on = forms.BooleanField(required=False, label="Send the report of each week")
    weekday = forms.TypedChoiceField(choices=list(enumerate(DAYS)), coerce=int, label="On the first")
    hour = forms.IntegerField(min_value=0, max_value=23, label="From this hour on, UTC")
    recipients = forms.CharField(
        required=False, max_length=20_000, widget=forms.Textarea, label="To these addresses, one on each line"
    )

    def clean_recipients(self) -> list[str]:
        """The addresses, each once."""
        found = list(dict.fromkeys(self.cleaned_data["recipients"].split()))
        if len(found) > MOST_RECIPIENTS:
            raise ValidationError(f"Give {MOST_RECIPIENTS} addresses at most, or that of a list.")
        for address in found:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(f"{address[:100]} is no e-mail address.") from None
        return found

    def clean(self) -> dict[str, Any]:
        """A report that is on goes to somebody."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("on") and not data.get("recipients") and "recipients" not in self.errors:
            self.add_error("recipients", "Give at least one address.")
        return data


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """The form, and the newest reports with what became of their mails."""
    row, _ = models.Setting.objects.get_or_create(name=SETTING)
    known = Schedule.of(row.value)
    form = ScheduleForm(request.POST or None, initial=_initial(known))
    differs = False
    if request.method == "POST" and form.is_valid():
        try:
            _store(row, form.cleaned_data, number_in(request.POST.get("version"), 9), str(request.user))
        except ChangedMeanwhile:
            row.refresh_from_db()
            known, differs = Schedule.of(row.value), True
        else:
            messages.success(request, "It is stored.")
            return redirect("weekly-settings")
    shown = {
        "form": form,
        "version": row.version,
        "differs": differs,
        "stored": known,
        "stored_day": DAYS[known.weekday],
        "is_set_up": mail.is_set_up(),
        "reports": models.WeeklyReport.objects.order_by("-week").prefetch_related("messages")[:SHOWN],
    }
    status = 409 if differs else 400 if form.errors else 200
    return render(request, "weekly/settings.html", shown, status=status)


def _initial(known: Schedule) -> dict[str, Any]:
    return {
        "on": known.on_since is not None,
        "weekday": known.weekday,
        "hour": known.hour,
        "recipients": "\n".join(known.recipients),
    }


@transaction.atomic
def _store(row: models.Setting, given: dict[str, Any], version: int, who: str) -> None:
    """Raises ChangedMeanwhile."""
    before = dict(row.value)
    # One that is on stays on since then, so that no report is left out by a change of the recipients.
    since = (before.get("on_since") or timezone.now().isoformat()) if given["on"] else None
    after = {**{name: given[name] for name in ("weekday", "hour", "recipients")}, "on_since": since}
    change_version(row, version, value=after)
    audit.record(who, "weekly report changed", changed=audit.changes(before, after))
