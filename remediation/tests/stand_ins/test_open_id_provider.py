"""The stand-in OpenID provider refuses what a provider has to refuse: a client that checks nothing does not get by."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from stand_ins.open_id_provider import Provider

VERIFIER = "a verifier of a client"
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def asked(provider: Provider, **changed: str) -> requests.Response:
    words = {
        **{"client_id": provider.client_id, "redirect_uri": provider.redirect_uri, "response_type": "code"},
        **{"scope": "openid email", "state": "s", "nonce": "n"},
        **{"code_challenge": CHALLENGE, "code_challenge_method": "S256", **changed},
    }
    return requests.get(f"{provider.url}/authorize", params=words, allow_redirects=False, timeout=10)


def traded(provider: Provider, code: str, secret: str = "", **changed: str) -> requests.Response:
    words = {"grant_type": "authorization_code", "code": code, "redirect_uri": provider.redirect_uri}
    return requests.post(
        f"{provider.url}/token",
        data={**words, "code_verifier": VERIFIER, **changed},
        auth=(provider.client_id, secret or provider.client_secret),
        timeout=10,
    )


def code_of(answer: requests.Response) -> str:
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"response_type": "token"},
        {"scope": "email"},
        {"nonce": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
    ],
    ids=str,
)
def test_no_code_for_what_is_asked_wrongly(changed: dict[str, str], provider: Provider) -> None:
    assert asked(provider, **changed).status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"secret": "wrong"}, "invalid_client"),
        ({"code": "wrong"}, "invalid_grant"),
        ({"code_verifier": "wrong"}, "invalid_grant"),
        ({"redirect_uri": "http://localhost/"}, "invalid_grant"),
        ({"grant_type": "password"}, "invalid_grant"),
    ],
    ids=str,
)
def test_no_token_for_what_is_not_the_clients(changed: dict[str, str], error: str, provider: Provider) -> None:
    answer = traded(provider, **{"code": code_of(asked(provider)), **changed})
    assert (answer.ok, answer.json()["error"]) == (False, error)


def test_a_code_is_good_once_and_the_page_needs_a_token(provider: Provider) -> None:
    code = code_of(asked(provider))
    token = traded(provider, code).json()["access_token"]
    assert traded(provider, code).json() == {"error": "invalid_grant"}
    page = f"{provider.url}/person"
    assert requests.get(page, headers={"Authorization": f"Bearer {token}"}, timeout=10).json() == {"sub": "7"}
    assert requests.get(page, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 401
