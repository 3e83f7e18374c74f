"""The OpenID provider by which people may sign in, as the environment names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_OWN = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class OpenIdProvider:
    """``issuer`` has no slash at its end. ``name`` is what the button says. With ``makes_viewers``, whom the provider
    knows and nobody here does is made a viewer."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "single sign-on"
    makes_viewers: bool = False


def from_environment(variables: Mapping[str, str]) -> OpenIdProvider | None:
    """The provider; None where REMEDIATION_OIDC_ISSUER is not set. Raises ImproperlyConfigured."""
    given = {name: variables.get(f"REMEDIATION_OIDC_{name}", "").strip() for name in _NAMES}
    issuer = given["ISSUER"]
    if not issuer:
        if wrong := [f"REMEDIATION_OIDC_{name}" for name, value in given.items() if value]:
            raise ImproperlyConfigured(f"{wrong[0]} is set, and REMEDIATION_OIDC_ISSUER is not.")
        return None
    if not _is_safe(issuer):
        raise ImproperlyConfigured("REMEDIATION_OIDC_ISSUER has to be an address that begins with https://.")
    if bool(given["CLIENT_SECRET"]) is bool(given["CLIENT_SECRET_FILE"]):
        raise ImproperlyConfigured("Set either REMEDIATION_OIDC_CLIENT_SECRET or REMEDIATION_OIDC_CLIENT_SECRET_FILE.")
    secret = given["CLIENT_SECRET"] or _text_of(given["CLIENT_SECRET_FILE"])
    if not given["CLIENT_ID"]:
        raise ImproperlyConfigured("REMEDIATION_OIDC_ISSUER is set, and REMEDIATION_OIDC_CLIENT_ID is not.")
    if given["NEW"] not in ("", "viewer"):
        raise ImproperlyConfigured("REMEDIATION_OIDC_NEW is viewer, or it is not set.")
    name = given["NAME"] or OpenIdProvider.name
    return OpenIdProvider(issuer.rstrip("/"), given["CLIENT_ID"], secret, name, given["NEW"] == "viewer")


_NAMES = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "NAME", "NEW")


def _is_safe(issuer: str) -> bool:
    """Whether what the provider says cannot be changed on its way."""
    try:
        parts = urlsplit(issuer)
        return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _OWN))
    except ValueError:
        return False


def _text_of(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ImproperlyConfigured(f"REMEDIATION_OIDC_CLIENT_SECRET_FILE cannot be read: {reason}.") from None
    if not text:
        raise ImproperlyConfigured("The file that REMEDIATION_OIDC_CLIENT_SECRET_FILE names is empty.")
    return text
