"""The page of the formula by which severities are graded: seen, tried and stored."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ...domain.grading import NUMBERS, Formula
from ...domain.snapshot import SEVERITIES
from ...jobs.feed_tasks import ask_to_enrich
from ...store import audit, models
from ...store.grading import NAME, preview, stored
from ...store.versions import ChangedMeanwhile, change_version
from ..numbers import number_in
from ..roles import ADMIN, needs


class FormulaForm(forms.Form):
    """The formula, and whether it is used. ``cleaned_data["formula"]`` is what was entered."""

    on = forms.BooleanField(required=False, label="Grade severities by this formula", label_suffix="")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, (title, highest) in NUMBERS.items():
            self.fields[name] = forms.FloatField(
                label=title, min_value=0, max_value=highest, widget=forms.NumberInput(attrs={"step": "any"})
            )
        self.fields["critical_tags"] = forms.CharField(
            required=False,
            max_length=2000,
            label="Criticality tags of critical assets",
            help_text="One a line.",
            widget=forms.Textarea(attrs={"rows": 3}),
        )

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError where the numbers do not fit each other."""
        given = super().clean() or {}
        if all(name in given for name in NUMBERS):
            tags = [line.strip() for line in given.get("critical_tags", "").splitlines() if line.strip()]
            try:
                table = {**{name: given[name] for name in NUMBERS}, "critical_tags": tags}
                given["formula"] = Formula.from_table(table)
            except ValueError as error:
                raise forms.ValidationError(str(error)) from None
        return given


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def grading(request: HttpRequest) -> HttpResponse:
    """``do``: preview or save."""
    row, _ = models.Setting.objects.get_or_create(name=NAME)
    is_on, known = stored()
    version = number_in(request.POST.get("version"), 9) or row.version
    form = FormulaForm(request.POST or None, initial=_shown(is_on, known))
    tried, differs = None, False
    if request.method == "POST" and form.is_valid():
        wanted: Formula = form.cleaned_data["formula"]
        if request.POST.get("do") != "save":
            tried = preview(wanted)
        else:
            try:
                _store(request, row, version, {"on": form.cleaned_data["on"], "formula": wanted.to_table()})
            except ChangedMeanwhile:
                differs = True
            else:
                messages.success(request, "The formula is stored. The severities follow in a moment.")
                return redirect("grading")
    status = 409 if differs else 400 if form.errors else 200
    known_to_page = {
        "form": form,
        "version": row.version if differs else version,
        "differs": differs,
        "is_on": is_on,
        "tried": tried,
        "severities": SEVERITIES,
    }
    return render(request, "grading/grading.html", known_to_page, status=status)


def _store(request: HttpRequest, row: models.Setting, version: int, value: dict[str, Any]) -> None:
    """Raises ChangedMeanwhile."""
    before = row.value
    try:
        with transaction.atomic():
            change_version(row, version, value=value)
            changed = audit.changes(
                {**(before.get("formula") or {}), "on": bool(before.get("on"))}, {**value["formula"], "on": value["on"]}
            )
            audit.record(str(request.user), "grading changed", changed=changed)
            # Whoever reads the feeds grades as well.
            ask_to_enrich()
    except ChangedMeanwhile:
        row.refresh_from_db()
        raise


def _shown(is_on: bool, known: Formula) -> dict[str, Any]:
    return {**known.to_table(), "on": is_on, "critical_tags": "\n".join(known.critical_tags)}
