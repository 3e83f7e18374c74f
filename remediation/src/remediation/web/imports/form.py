"""What a person says of a report: which source it speaks for, and what it proves that something is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from ...domain.snapshot import SEVERITIES
from ...sources.report_file import Holds
from ...store import models

# What a row of an unknown file can be mapped to: a column of sources.scanner_rows, in words.
MAPPED = {
    "host_name": "Host name",
    "ip": "IP address",
    "asset_id": "The scanner's id of the machine",
    "vulnerability": "The scanner's id of the vulnerability",
    "title": "Title of the vulnerability",
    "cves": "CVEs",
    "severity": "Severity",
    "cvss3": "CVSS",
    "vpr": "VPR",
    "solution_fix": "What to do",
    "first_found": "First found",
    "state": "State (open, fixed)",
}
_HOLDS = [
    (Holds.LISTED.value, "Only what is listed: what is missing in it says nothing (the safe choice)"),
    (Holds.DEVICES.value, "All findings of the devices in it: what is missing is no longer there"),
]


class ReportForm(forms.Form):
    """``columns`` are those of a file that is not recognised: then each can be told what it is."""

    source = forms.CharField(
        max_length=100, label="Source", help_text="The series that it belongs to. A new name begins a new series."
    )
    coverage = forms.ChoiceField(choices=_HOLDS, initial=Holds.LISTED.value, widget=forms.RadioSelect, label="It holds")
    severities = forms.MultipleChoiceField(
        choices=[(name, name.capitalize()) for name in SEVERITIES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="If it was made with a filter: only these severities",
    )
    vendors = forms.CharField(required=False, label="Only these vendors, with commas between")
    sites = forms.CharField(required=False, label="Only these sites, with commas between")
    clean_hosts = forms.CharField(
        required=False, label="Devices that it should hold and that are clean, with commas between"
    )

    def __init__(self, *args: Any, columns: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        known = ", ".join(
            models.Source.objects.exclude(kind__startswith="insightvm").values_list("name", flat=True)[:20]
        )
        if known:
            self.fields["source"].help_text = (
                f"The series that it belongs to. There are: {known}. A new name begins one."
            )
        for name, title in MAPPED.items() if columns else ():
            choices = [("", "not in the file"), *((column, column) for column in columns)]
            self.fields[f"map_{name}"] = forms.ChoiceField(choices=choices, required=False, label=title)

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError for what contradicts itself."""
        given = super().clean() or {}
        narrowed = any(given.get(name) for name in ("severities", "vendors", "sites", "clean_hosts"))
        if given.get("coverage") == Holds.LISTED.value and narrowed:
            raise forms.ValidationError(
                "A filter and clean devices only matter where the file holds all findings of its devices. "
                "Leave them out, or say that it does."
            )
        return given

    def options(self) -> dict[str, Any]:
        """For ``jobs.uploads.options_of``; of a valid form."""
        given = self.cleaned_data
        mapping = {name: given[f"map_{name}"] for name in MAPPED if given.get(f"map_{name}")}
        lists = {
            name: [part.strip() for part in given[name].split(",") if part.strip()]
            for name in ("vendors", "sites", "clean_hosts")
        }
        return {"coverage": given["coverage"], "severities": given["severities"], "mapping": mapping, **lists}
