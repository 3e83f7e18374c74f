"""The first step: where HaloITSM is, and how the service signs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Count, Q

from haloitsm_client import HaloError
from haloitsm_client.http.addresses import api_address, token_addresses

from ...domain.budget import USUAL_LIMIT
from ...domain.names import refused
from ...store import models
from .entered import Entered

# Where the secret goes. It is sent nowhere else than where it was entered for.
_PLACE = ("auth_server", "resource_server", "tenant", "client_id")


class Details(forms.Form):
    """The form. ``draft`` is what it belongs to, None before there is one."""

    title = "Connection details"
    name = forms.CharField(label="Name", max_length=200, strip=False, help_text="What people call this HaloITSM.")
    resource_server = forms.CharField(
        label="Resource server",
        help_text="As HaloITSM shows it under Config > Integrations > Halo API, as in https://example.haloitsm.com/api",
    )
    auth_server = forms.CharField(
        label="Authorisation server", help_text="From the same page, as in https://example.haloitsm.com/auth"
    )
    tenant = forms.CharField(
        label="Tenant", required=False, help_text="Only for hosted instances that share an authorisation server."
    )
    client_id = forms.CharField(
        label="Client ID", help_text="Of an API application with the method Client ID and Secret (Services)."
    )
    secret = forms.CharField(
        label="Client secret",
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=False),
    )
    requests = forms.IntegerField(
        label="Requests in five minutes",
        min_value=1,
        max_value=300,
        initial=USUAL_LIMIT,
        help_text="Of all processes of the service together. HaloITSM allows 300 of all applications.",
    )

    def __init__(self, *arguments: Any, draft: models.ConnectionDraft | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.draft = draft
        self.fields["secret"].help_text = (
            "One is stored, and never shown. Leave this empty to keep it."
            if self.has_secret
            else "It is stored sealed, and never shown again."
        )

    @property
    def has_secret(self) -> bool:
        """Whether the stored secret is still for what is entered."""
        if self.draft is None or not self.draft.secret:
            return False
        before = self.draft.entered.get("details") or {}
        return not self.is_bound or all(
            (before.get(name) or [""])[0].strip() == str(self.data.get(name, "")).strip() for name in _PLACE
        )

    def clean_name(self) -> str:
        """A name that no other connection has."""
        name: str = self.cleaned_data["name"]
        if why := refused(name):
            raise forms.ValidationError(f"This cannot be a name: {why}.")
        own = (self.draft.connection_id if self.draft else None) or 0
        if models.Connection.objects.filter(name=name).exclude(pk=own).exists():
            raise forms.ValidationError(f"There is a connection named {name!r} already.")
        return name

    def clean_resource_server(self) -> str:
        """An address of HaloITSM, and the same HaloITSM where there are tickets in it."""
        typed: str = self.cleaned_data["resource_server"]
        try:
            address = api_address(typed)
        except HaloError as error:
            raise forms.ValidationError(f"{error.cause} {error.assistance}") from None
        connection = self.draft.connection if self.draft else None
        if connection is not None and address != _address(connection.settings.get("resource_server", "")):
            tickets = models.Connection.objects.filter(pk=connection.pk).aggregate(
                count=Count("projects__tickets", filter=Q(projects__tickets__halo_id__isnull=False))
            )["count"]
            if tickets:
                raise forms.ValidationError(
                    f"{tickets} tickets are in the HaloITSM at {connection.settings.get('resource_server')}, and "
                    "another one does not have them. Make another connection for it."
                )
        return typed.strip()

    def clean_auth_server(self) -> str:
        """An address."""
        typed: str = self.cleaned_data["auth_server"]
        try:
            token_addresses(typed)
        except HaloError as error:
            raise forms.ValidationError(f"{error.cause} {error.assistance}") from None
        return typed.strip()

    def clean(self) -> dict[str, Any]:
        """With a secret: a new one, or the one that was entered for the same place."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("secret") and not self.has_secret:
            had = bool(self.draft and self.draft.secret)
            self.add_error(
                "secret",
                (
                    "Enter the secret again: the stored one was entered for another address or application, and is "
                    "sent nowhere else."
                    if had
                    else "Enter the client secret."
                ),
            )
        return cleaned

    def settings(self) -> dict[str, Any]:
        """The connection's settings of this step."""
        names = ("resource_server", "auth_server", "client_id", "tenant", "requests")
        return {name: self.cleaned_data[name] for name in names}


def _address(typed: str) -> str:
    try:
        return api_address(typed)
    except HaloError:
        return ""


def of_settings(name: str, settings: Mapping[str, Any]) -> Entered:
    """What would have been entered for these settings."""
    texts = {key: [str(settings.get(key) or "")] for key in ("resource_server", "auth_server", "client_id", "tenant")}
    return {"name": [name], **texts, "requests": [str(settings.get("requests") or USUAL_LIMIT)]}
