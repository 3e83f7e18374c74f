"""The form of a project: what it is about, how its findings become tickets, and when it waits for an approver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from ...domain.project import Granularity, Raise, Settings
from ...domain.snapshot import SEVERITIES
from ...store import models
from ...store.projects import with_defaults

LONGEST_NAME = 120
_SEVERITIES = [(name, f"{name.capitalize()} and worse" if name != SEVERITIES[0] else "Critical") for name in SEVERITIES]
_GRANULARITIES = [
    (Granularity.SOLUTION.value, "a solution"),
    (Granularity.SOLUTION_OWNER.value, "a solution and an owner"),
    (Granularity.ASSET.value, "a device"),
    (Granularity.VULNERABILITY.value, "a vulnerability"),
]
_KINDS = [
    ("", "What comes up later joins in; settled tickets settle the project's own one"),
    ("static", "Static: what comes up after today is not in it"),
    ("dynamic", "Dynamic: as the first, but only its lead settles the project's own ticket"),
]
_RAISES = [
    (Raise.EXPLOIT.value, "an exploit is known"),
    (Raise.KEV.value, "it is in CISA's catalogue (KEV)"),
    (Raise.EPSS.value, "EPSS is high"),
    (Raise.CRITICALITY.value, "an asset is critical by its tag"),
]
# The fields that are settings of the same name; the others are read in ``settings``.
_PLAIN = (
    "owner", "priority", "min_severity", "granularity", "epss_from", "mass_least", "most_creates",
    "reopen_linked", "resolve_unreported", "rescan", "graded",
)  # fmt: skip
_LISTS, _LEAST, _FLAGS = (
    ("sites", "tags", "assets", "solutions"),
    ("min_cvss", "min_risk", "min_epss"),
    ("exploitable", "kev"),
)


class ProjectForm(forms.Form):
    """What a lead enters. Names are not changed later where tickets show them: HaloITSM's stay as they are."""

    name = forms.CharField(max_length=LONGEST_NAME)
    source = forms.ModelChoiceField(
        models.Source.objects.order_by("name"), label="Source of its findings", empty_label="Choose a source"
    )
    connection = forms.ModelChoiceField(
        models.Connection.objects.order_by("name"),
        label="HaloITSM connection of its tickets",
        empty_label="Choose a connection",
    )
    owner = forms.CharField(max_length=200, required=False, help_text="Who leads it. Tickets name them.")
    priority = forms.CharField(max_length=100, required=False, help_text="A word that tickets show, as in High.")
    due = forms.DateField(
        required=False, widget=forms.DateInput({"type": "date"}), help_text="No ticket is due later than this."
    )
    min_severity = forms.ChoiceField(choices=_SEVERITIES, label="Least severity", initial="low")
    sites = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="One to a line. A device in any of them is taken in; empty: all.",
    )
    tags = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        label="Tags",
        help_text="Owner, criticality, location or other tags, one to a line. A device with any of them is taken in; "
        "empty: all.",
    )
    assets = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        label="Devices",
        help_text="Names or addresses, one to a line, with * for any part: web*.example.com, 10.0.0.*",
    )
    solutions = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="The source's own ids, one to a line; of a vulnerability where it names no solution. Empty: all.",
    )
    min_cvss = forms.FloatField(
        required=False, min_value=0, max_value=10, label="CVSS from", help_text="0 to 10. Empty: any."
    )
    min_risk = forms.FloatField(
        required=False, min_value=0, label="Risk from", help_text="The scanner's own score. Empty: any."
    )
    min_epss = forms.FloatField(
        required=False, min_value=0, max_value=1, label="EPSS from", help_text="0 to 1. Empty: any."
    )
    exploitable = forms.BooleanField(required=False, label="Only where an exploit is known", label_suffix="")
    kev = forms.BooleanField(required=False, label="Only what is in CISA's catalogue (KEV)", label_suffix="")
    granularity = forms.ChoiceField(choices=_GRANULARITIES, label="One ticket for", initial="solution")
    kind = forms.ChoiceField(choices=_KINDS, required=False, label="Later findings")
    raise_for = forms.MultipleChoiceField(
        choices=_RAISES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="More urgent by one severity where",
    )
    epss_from = forms.FloatField(min_value=0, max_value=1, initial=0.5, label="EPSS is high from")
    graded = forms.BooleanField(
        required=False,
        label="Priority and due date of new tickets by the service's grading instead, where it is on",
        label_suffix="",
    )
    mass_share = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=30,
        label="Wait for an approver if more than this share would be resolved, in %",
    )
    mass_least = forms.IntegerField(min_value=1, initial=20, label="... and at least this many tickets")
    most_creates = forms.IntegerField(min_value=0, initial=100, label="Or if more tickets than this would be made")
    reopen_linked = forms.BooleanField(
        required=False, label="What comes back gets a new ticket that names the old one", label_suffix=""
    )
    resolve_unreported = forms.BooleanField(
        required=False,
        label="Two reports in a row without a finding count as done, where absence proves nothing",
        label_suffix="",
    )
    rescan = forms.BooleanField(
        required=False,
        label="The InsightVM console is asked to scan the devices of a ticket that somebody calls done",
        label_suffix="",
        help_text="A few devices, a few times a day: how many, and in which hours, is set on the command line.",
    )

    def __init__(self, *args: Any, fixed: bool = False, **more: Any) -> None:
        """``fixed``: the project has tickets, so its source, connection and granularity stay."""
        super().__init__(*args, **more)
        for name in ("source", "connection", "granularity") if fixed else ():
            self.fields[name].disabled = True
            self.fields[name].help_text = "It stays, because the project has tickets."

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError for settings that do not fit each other."""
        given = super().clean() or {}
        if not self.errors:
            try:
                Settings.from_table(with_defaults(given["connection"], self.settings()))
            except ValueError as error:
                raise forms.ValidationError(str(error)) from None
        return given

    def settings(self) -> dict[str, Any]:
        """What was entered, as a part of ``Settings.to_table``; of a valid form."""
        given = self.cleaned_data
        scope: dict[str, Any] = {
            name: [line.strip() for line in given[name].splitlines() if line.strip()] for name in _LISTS
        }
        scope |= {name: given[name] or 0.0 for name in _LEAST} | {name: given[name] for name in _FLAGS}
        return {
            **{name: given[name] for name in _PLAIN},
            "due": given["due"].isoformat() if given["due"] else None,
            "scope": scope,
            "static": given["kind"] == "static",
            "dynamic": given["kind"] == "dynamic",
            "raise_for": given["raise_for"],
            "mass_share": given["mass_share"] / 100,
        }


def entered(project: models.Project) -> dict[str, Any]:
    """What the form of a stored project shows."""
    return {
        **shown_of(project.settings),
        "name": project.name,
        "source": project.source_id,
        "connection": project.connection_id,
    }


def shown_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of settings."""
    settings = Settings.from_table(table)
    whole, scope = settings.to_table(), settings.scope.to_table()
    return {
        **{name: whole[name] for name in _PLAIN},
        **{name: "\n".join(scope[name]) for name in _LISTS},
        **{name: scope[name] or None for name in _LEAST},
        **{name: scope[name] for name in _FLAGS},
        "due": settings.due,
        "kind": "static" if settings.static else "dynamic" if settings.dynamic else "",
        "raise_for": whole["raise_for"],
        "mass_share": round(settings.mass_share * 100),
    }
