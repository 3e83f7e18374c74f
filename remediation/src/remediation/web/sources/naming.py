"""The page of how a source names its machines: which domains are left out, and which names are one machine's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from ...store import audit, models
from ...store.devices import regroup
from ...store.source_naming import store_naming
from ...store.versions import ChangedMeanwhile, change_version
from ..numbers import number_in
from ..roles import ADMIN, needs

# Characters. Twice as many were seen to work.
LONGEST = 50_000


class NamesForm(forms.Form):
    """The rules, one in a line."""

    suffixes = forms.CharField(
        label="Domains that are left out of host names",
        required=False,
        # All of them are one regular expression, which has a largest size: each comparison of names would fail.
        max_length=LONGEST,
        widget=forms.Textarea({"rows": 3}),
        help_text="One in a line, as in corp.example.com: web01.corp.example.com and web01 are one device then.",
    )
    aliases = forms.CharField(
        label="Other names of a machine",
        required=False,
        widget=forms.Textarea({"rows": 5}),
        help_text="One in a line, as in old-name = new-name.",
    )

    def clean_aliases(self) -> dict[str, str]:
        """Name by other name. Raises ValidationError."""
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["aliases"].splitlines())):
            other, sign, name = (part.strip() for part in line.partition("="))
            if not (other and sign and name):
                raise forms.ValidationError(f"{line!r} is not of the form old-name = new-name.")
            if found.setdefault(other, name) != name:
                raise forms.ValidationError(f"{other!r} is given two names.")
        return found


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def change_names(request: HttpRequest, number: int) -> HttpResponse:
    """Stores the rules, and puts the machines of all sources together by them at once. Who saves later than somebody
    else is told."""
    row = get_object_or_404(models.Source, pk=number)
    version, status = number_in(request.POST.get("version"), 9) or row.version, 200
    form = NamesForm(request.POST or None, initial=_entered(row.settings.get("naming") or {}))
    if request.method == "POST" and form.is_valid():
        before = row.settings.get("naming") or {}
        try:
            with transaction.atomic():
                change_version(row, version)
                store_naming(row, form.cleaned_data["aliases"], form.cleaned_data["suffixes"].splitlines())
                changed = audit.changes(before, row.settings["naming"])
                audit.record(str(request.user), "rules of names changed", row.name, changed=changed)
        except ValueError as error:
            form.add_error(None, str(error))
        except ChangedMeanwhile as error:
            form.add_error(None, f"{error} Load the page again to see it.")
            status = 409
        else:
            regroup()
            messages.success(request, f"The machines of {row.name} are named by these rules from now on.")
            return redirect("service")
    known = {"form": form, "source": row, "version": version}
    return render(request, "sources/naming.html", known, status=400 if form.errors and status == 200 else status)


def _entered(rules: dict[str, Any]) -> dict[str, str]:
    return {
        "suffixes": "\n".join(rules.get("suffixes", ())),
        "aliases": "\n".join(f"{old} = {new}" for old, new in sorted(rules.get("aliases", {}).items())),
    }
