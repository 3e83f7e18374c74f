"""The form of a scanner: where it is, and how the service signs in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from ...reachable import NotReachable, require_reachable
from ...sources.insightvm_cloud import REGIONS
from ...sources.reading import CLOUD, CONSOLE, TENABLE
from ...sources.scanner import TENABLE_URL, Details, Unfit, require_fit, require_secret, usual_url
from ...store import models

LONGEST_PAUSE = 7 * 24 * 60
_MODES = [
    ("sql", "By reports (usual)"),
    ("rest", "Asset by asset, without reports"),
]
# What each kind is asked for, and what its fields are called there.
_FIELDS = {
    CONSOLE: ("name", "url", "user", "secret", "mode", "ca", "every"),
    CLOUD: ("name", "region", "url", "secret", "ca", "every"),
    TENABLE: ("name", "url", "user", "secret", "ca", "every"),
}
_LABELS = {
    CONSOLE: {"user": "User", "secret": "Password"},  # nosec B105: a label
    CLOUD: {"secret": "API key"},  # nosec B105: a label
    TENABLE: {"user": "Access key", "secret": "Secret key"},  # nosec B105: a label
}
_HELP = {
    CONSOLE: {
        "url": "As in https://console.example.com:3780",
        "user": "One that may make reports, sees all sites, and needs no second factor.",
    },
    CLOUD: {"url": "Only where it is not the usual one of the region."},
    TENABLE: {"user": "Of a user who may export all vulnerabilities.", "url": "Only for a Tenable of another address."},
}


class ScannerForm(forms.Form):
    """The details of a scanner of one kind. ``known`` is the stored source that is changed, None for a new one."""

    name = forms.CharField(max_length=200, strip=False, help_text="What people call this scanner.")
    region = forms.ChoiceField(choices=[("", "Choose"), *((one, one) for one in REGIONS)], required=False)
    url = forms.CharField(label="Address", max_length=500)
    user = forms.CharField(max_length=200)
    secret = forms.CharField(
        required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=False)
    )
    mode = forms.ChoiceField(
        label="How it is read",
        choices=_MODES,
        initial="sql",
        help_text="Reports tell when and with which credentials each asset was scanned. Asset by asset is for a user "
        "who may make no reports: it is slow, and nothing that is missing counts as remediated.",
    )
    ca = forms.CharField(
        label="Certificate of the authority",
        required=False,
        max_length=100_000,
        widget=forms.Textarea({"rows": 3}),
        help_text="In PEM form, where the scanner's certificate is signed by an authority of your own.",
    )
    every = forms.IntegerField(
        label="Minutes between two readings",
        min_value=0,
        max_value=LONGEST_PAUSE,
        initial=0,
        help_text="0: whenever the workers go round.",
    )
    moved = forms.BooleanField(label="It is the same scanner, at a new address", label_suffix="", required=False)

    def __init__(self, *arguments: Any, kind: str, known: models.Source | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.kind, self.known = kind, known
        wanted = (*_FIELDS[kind], *(("moved",) if known else ()))
        self.fields = {name: self.fields[name] for name in wanted}
        for name, label in _LABELS[kind].items():
            self.fields[name].label = label
        for name, text in _HELP[kind].items():
            self.fields[name].help_text = text
        self.fields["url"].required = kind == CONSOLE
        self.fields["secret"].help_text = (
            "One is stored, and never shown. Leave this empty to keep it."
            if known
            else "It is stored sealed, and never shown again."
        )
        if kind == TENABLE:
            self.fields["url"].widget.attrs["placeholder"] = TENABLE_URL
        if known:
            self.fields["name"].disabled = True

    def clean(self) -> dict[str, Any]:
        """With ``details``, what they come to."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            url = cleaned["url"] or usual_url(self.kind, cleaned.get("region", ""))
            names = [name for name in ("user", "mode", "every", "ca") if name in cleaned]
            details = Details(cleaned["name"], self.kind, url, **{name: cleaned[name] for name in names})
            require_fit(details)
            require_reachable(url, settings.NETWORKS)
            require_secret(details, cleaned["secret"], self.known)
        except Unfit as error:
            self.add_error(error.field, str(error))
        except NotReachable as error:
            self.add_error("url", str(error))
        else:
            cleaned["details"] = details
        return cleaned


def of_source(source: models.Source) -> dict[str, Any]:
    """What would have been entered for a stored scanner."""
    return {"name": source.name, **{name: source.settings.get(name, "") for name in ("url", "user", "ca")}} | {
        "mode": source.settings.get("mode", "sql"),
        "every": source.settings.get("every", 0),
    }
