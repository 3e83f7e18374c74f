"""OpenID Connect with the provider: the code flow, with PKCE, state and nonce (Authlib)."""

from __future__ import annotations

from typing import Any

from authlib.integrations.django_client import OAuth, OAuthError  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError
from requests import RequestException

from ...open_id_provider import OpenIdProvider
from ...store.identities import Claims

# Seconds for each request to the provider.
PATIENCE = 10
# Those with a key of the provider's own. A client's secret signs nothing, and nothing goes unsigned.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
SCOPE = "openid email profile"
LONGEST_QUOTE = 200


class SignOnFailed(Exception):
    """Nobody was signed in. The text says why and what to do, for the person at the browser."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Contradiction(ValueError):
    """The provider says one thing here and another there."""


def begin(request: HttpRequest, provider: OpenIdProvider, back: str) -> HttpResponse:
    """Send the browser to the provider, which sends it to the address ``back``. Raises SignOnFailed."""
    try:
        client = _client(provider)
        answer: HttpResponse = client.authorize_redirect(request, back)
        return answer
    except (RequestException, ValueError, KeyError, RuntimeError) as error:
        raise _no_answer(provider, error) from error


def claims_of(request: HttpRequest, provider: OpenIdProvider) -> Claims:
    """What the provider says of the person whom it has sent back. Raises SignOnFailed."""
    try:
        return _claims(provider, _said(request, provider))
    except OAuthError as error:
        if error.error == "mismatching_state":
            raise SignOnFailed(
                "This sign-in was not begun in this browser, or it was begun too long ago. Begin again.", 400
            ) from error
        raise SignOnFailed(
            f"{provider.name} refused: {_quoted(error.description or error.error)}. Begin again; if it stays so, tell "
            "an administrator.",
            400,
        ) from error
    except JoseError as error:
        raise SignOnFailed(
            f"What {provider.name} says of you is not meant for this service, or cannot be trusted "
            f"({_quoted(error.description or error.error)}). An administrator has to compare REMEDIATION_OIDC_ISSUER "
            "and REMEDIATION_OIDC_CLIENT_ID with the provider's settings.",
            400,
        ) from error
    except (RequestException, ValueError, KeyError, RuntimeError) as error:
        raise _no_answer(provider, error) from error


def _client(provider: OpenIdProvider) -> Any:
    """A client that has read, just now, what the provider says of itself: a change there needs no restart here."""
    client = OAuth().register(
        "provider",
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", "default_timeout": PATIENCE},
    )
    told = client.load_server_metadata()
    if told["issuer"].rstrip("/") != provider.issuer:
        raise Contradiction("it calls itself otherwise than REMEDIATION_OIDC_ISSUER does")
    told["id_token_signing_alg_values_supported"] = ALGORITHMS
    return client


def _said(request: HttpRequest, provider: OpenIdProvider) -> dict[str, Any]:
    """The claims of the ID token, and of the page about the person what that lacks."""
    client = _client(provider)
    told = client.server_metadata
    wanted = {
        "iss": {"essential": True, "value": told["issuer"]},
        "aud": {"essential": True, "value": provider.client_id},
        "sub": {"essential": True},
    }
    token = client.authorize_access_token(request, claims_options=wanted)
    said = dict(token["userinfo"])  # which Authlib makes of an ID token that it has verified
    if "email" not in said and "userinfo_endpoint" in told:
        more = client.userinfo(token=token)
        if more["sub"] != said["sub"]:
            raise Contradiction("it tells of another person than the one who signed in")
        said = {**more, **said}
    return said


def _claims(provider: OpenIdProvider, said: dict[str, Any]) -> Claims:
    # Some providers write the word for the value.
    is_verified = said.get("email_verified") in (True, "true")
    email = str(said.get("email") or "") if is_verified else ""
    names = [str(said["preferred_username"])] if said.get("preferred_username") else []
    return Claims(provider.issuer, str(said["sub"]), email, [*names, *([email] if email else [])])


def _no_answer(provider: OpenIdProvider, error: Exception) -> SignOnFailed:
    why = f": {error}" if isinstance(error, Contradiction) else ""
    return SignOnFailed(
        f"{provider.name} does not answer as it should{why}. Try again in a minute. Until it does, sign in here with "
        "name and password, if you have one; an administrator can give you a link to set one.",
        502,
    )


def _quoted(text: str) -> str:
    return text[:LONGEST_QUOTE].rstrip(". ")
