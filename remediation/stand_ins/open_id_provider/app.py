"""The provider's addresses: its description, where browsers come to, tokens, keys, and what it knows of a person."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Flask, Response, abort, jsonify, redirect, request
from joserfc import jwt

if TYPE_CHECKING:
    from .provider import Provider

# Seconds for which a token says that it is good.
GOOD_FOR = 300


def build_app(provider: Provider) -> Flask:
    """The routes, over a provider that others may change."""
    app = Flask(__name__)
    codes: dict[str, dict[str, str]] = {}
    tokens: set[str] = set()

    @app.before_request
    def failing() -> None:
        if provider.failing:
            abort(provider.failing)

    @app.get("/.well-known/openid-configuration")
    def description() -> Response:
        return jsonify(
            issuer=provider.calls_itself or provider.url,
            authorization_endpoint=f"{provider.url}/authorize",
            token_endpoint=f"{provider.url}/token",
            jwks_uri=f"{provider.url}/keys",
            userinfo_endpoint=f"{provider.url}/person",
            response_types_supported=["code"],
            subject_types_supported=["public"],
            # More than is good, as some real ones say: a client has to choose.
            id_token_signing_alg_values_supported=["RS256", "HS256", "none"],
            code_challenge_methods_supported=["S256"],
        )

    @app.get("/authorize")
    def authorize() -> Any:
        return sent_back(provider, codes)

    @app.post("/token")
    def token() -> Any:
        return traded(provider, codes, tokens)

    @app.get("/keys")
    def keys() -> Response:
        return jsonify(keys=[provider.key.as_dict(private=False)])

    @app.get("/person")
    def person() -> Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in tokens:
            abort(401)
        return jsonify({**provider.person, **provider.page})

    return app


def sent_back(provider: Provider, codes: dict[str, dict[str, str]]) -> Any:
    """Where the browser goes, with a code for the person who came with it."""
    asked = request.args.to_dict()
    if why := wrong_in(asked, provider):
        abort(400, why)
    answer = {"state": provider.state or asked["state"]}
    if provider.denies:
        answer |= {"error": provider.denies, "error_description": "The person said <no>."}
    else:
        answer["code"] = secrets.token_urlsafe()
        codes[answer["code"]] = asked
    return redirect(f"{provider.redirect_uri}?{urlencode(answer)}")


def traded(provider: Provider, codes: dict[str, dict[str, str]], tokens: set[str]) -> Any:
    """The tokens for a code, which is good once."""
    known = request.authorization
    if known is None or (known.username, known.password) != (provider.client_id, provider.client_secret):
        return jsonify(error="invalid_client"), 401
    asked = codes.pop(request.form.get("code", ""), None)
    if asked is None or not is_answer_to(asked, request.form):
        return jsonify(error="invalid_grant"), 400
    access = secrets.token_urlsafe()
    tokens.add(access)
    signed = id_token(provider, asked["nonce"])
    told = {"access_token": access, "token_type": "Bearer", "expires_in": GOOD_FOR, "id_token": signed}  # nosec B105
    return jsonify(told)


def wrong_in(asked: Mapping[str, str], provider: Provider) -> str:
    """Why a browser that comes with this is not sent back. To an address that is not registered none ever is."""
    if asked.get("client_id") != provider.client_id or asked.get("redirect_uri") != provider.redirect_uri:
        return "The client is not known, or not at this address."
    if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
        return "The code flow of OpenID Connect is expected."
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge") or not asked.get("nonce"):
        return "A challenge and a nonce are expected."
    return ""


def is_answer_to(asked: Mapping[str, str], form: Mapping[str, str]) -> bool:
    """Whether a client that sends this form is the one that has asked: it alone knows what the challenge is made of."""
    challenge = _encoded(sha256(form.get("code_verifier", "").encode()).digest())
    return (
        form.get("grant_type") == "authorization_code"
        and form.get("redirect_uri") == asked["redirect_uri"]
        and challenge == asked["code_challenge"]
    )


def id_token(provider: Provider, nonce: str) -> str:
    """The ID token of the person."""
    now = int(provider.now.timestamp())
    said = {name: value for name, value in provider.person.items() if name not in provider.only_on_page}
    claims = {"iss": provider.url, "aud": provider.client_id, "iat": now, "exp": now + GOOD_FOR, "nonce": nonce, **said}
    claims = {name: value for name, value in {**claims, **provider.token}.items() if value is not None}
    if provider.unsigned:
        return ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."
    return jwt.encode({"alg": "RS256", "kid": "1"}, claims, provider.other_key or provider.key)


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
