"""The authorisation server: issues bearer tokens for client credentials.

It accepts form bodies only. The error codes and their status are seen live, with two exceptions. For a bad client it
answers 401, but 400 is seen as well. 400 for a JSON body and for an unknown grant type is a guess, after the OAuth
standard.
"""

import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from .paths import token_address
from .refusals import Refusal
from .settings import Settings


@dataclass(frozen=True)
class Grant:
    """What a bearer may do, and until when (on the monotonic clock)."""

    scopes: frozenset[str]
    expires_at: float


class TokenIssuer:
    """Issues tokens and knows which are valid."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._in_flight = 0
        self.peak = 0

    def serves(self, path: str) -> bool:
        """Whether this is the address at which this instance gives out tokens."""
        return token_address(path) == ("token" if self._settings.auth_at_root else "auth/token")

    def enter(self) -> None:
        """A token request has arrived."""
        with self._lock:
            self._in_flight += 1
            self.peak = max(self.peak, self._in_flight)

    def leave(self) -> None:
        """A token request has been answered, or its connection was dropped."""
        with self._lock:
            self._in_flight -= 1

    def issue(self, form: Any, is_form: bool, tenant: str | None) -> dict[str, Any]:
        """The token endpoint's response. Raises Refusal."""
        fields = form if is_form and isinstance(form, dict) else None
        if fields is None:
            raise _oauth(400, "invalid_request", "The specified 'Content-Type' header is not valid.")
        self._check_tenant(tenant if self._settings.auth_at_root else tenant or fields.get("tenant"))
        if fields.get("grant_type") != "client_credentials":
            raise _oauth(400, "unsupported_grant_type", "The specified 'grant_type' parameter is not supported.")
        self._check_client(fields)
        scopes = self._scopes(fields.get("scope", ""))
        token = secrets.token_urlsafe(32)
        lifetime = self._settings.token_lifetime
        with self._lock:
            self._grants[token] = Grant(frozenset(scopes), time.monotonic() + lifetime)
        return {
            "scope": " ".join(scopes),
            "token_type": "Bearer",  # nosec B105: the name of the scheme
            "access_token": token,
            "expires_in": int(lifetime),
        }

    def _check_tenant(self, tenant: str | None) -> None:
        # One client and one vendor guide report a bare 500 here; the body is a guess.
        expected = self._settings.tenant
        if expected is not None and (tenant or "").lower() != expected.lower():
            raise Refusal(500, {"message": "An error has occurred."})

    def _check_client(self, fields: dict[str, str]) -> None:
        known = (self._settings.client_id, self._settings.client_secret)
        if (fields.get("client_id"), fields.get("client_secret")) != known:
            raise _oauth(401, "invalid_client", "The specified client credentials are invalid.")

    def _scopes(self, wanted: str) -> list[str]:
        # That a request without scope gets everything granted is a guess.
        scopes = wanted.split() or sorted(self._settings.granted_scopes)
        if not set(scopes) <= set(self._settings.granted_scopes):
            raise _oauth(400, "invalid_scope", "The specified 'scope' parameter is not valid.")
        return scopes

    def grant(self, authorization: str) -> Grant | None:
        """The grant behind an Authorization header, None when it is missing, unknown or expired."""
        kind, _, token = authorization.partition(" ")
        found = self._grants.get(token.strip()) if kind.lower() == "bearer" else None
        return found if found is not None and time.monotonic() < found.expires_at else None

    def revoke(self) -> None:
        """Makes every token issued so far invalid."""
        with self._lock:
            self._grants = {}


def _oauth(status: int, error: str, description: str) -> Refusal:
    return Refusal(status, {"error": error, "error_description": description})


_READ_TICKETS = {"read:tickets", "edit:tickets"}
_READ_CUSTOMERS = {"read:customers", "edit:customers"}
_ANYTHING = {"all", "all:standard"}


def scope_allows(grant: Grant, method: str, area: str) -> bool:
    """Whether a token may do this. Scopes are official and seen live; which one each path needs is documented only."""
    if grant.scopes & _ANYTHING:
        return True
    if area in ("tickets", "actions", "attachment"):
        return bool(grant.scopes & (_READ_TICKETS if method == "GET" else {"edit:tickets"}))
    if area in ("client", "site", "users"):
        return bool(grant.scopes & _READ_CUSTOMERS)
    return True
