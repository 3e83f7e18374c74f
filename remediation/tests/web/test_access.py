"""Who may see what: signing in and out, the first user's link, forged requests, and what every answer carries."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver

from remediation.store import first_user, models
from remediation.store.secrets import derived
from remediation.web.roles import ANYBODY, ROLES, is_at_least

from .conftest import PASSWORD

SECOND_STEPS = {"sign-in-code", "sign-in-set-up"}  # 410 without a first one
BY_PROVIDER = {"single-sign-on", "single-sign-on-done"}  # 404 without a provider
FOR_PROGRAMS = {"api-status", "api-report"}
OPEN = {"sign-in", "first", "health", "set-password", *SECOND_STEPS}


def token_in(page: HttpResponse) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert found
    return found[1]


def patterns(within: Any = None) -> Iterator[URLPattern]:
    """All patterns of all areas of pages."""
    for pattern in (within or get_resolver()).url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        elif pattern.namespace != "api":  # it goes by keys: tests/web/api/test_roles.py
            yield from patterns(pattern)


WORDS = {
    "slug:slug": "dmz",
    "str:token": "x",
    "str:name": "a.csv",
    "str:listing": "vulnerabilities",
    "str:kind": "insightvm",
    "str:since": "2026-11-19",
    "str:until": "2026-11-20",
    "str:file": "playbook.yml",
}


def addresses() -> list[tuple[str, str]]:
    """The name and an address of each page. What a number names need not be there: who may ask for it is judged first."""
    found = []
    for pattern in patterns():
        assert pattern.name
        address = re.sub(r"<([^>]+)>", lambda part: WORDS.get(part[1], "1"), "/" + str(pattern.pattern))
        found.append((pattern.name, address))
    return found


@pytest.mark.parametrize("role", ROLES)
def test_each_page_is_for_the_roles_that_it_names(
    role: str, as_role: Callable[[str], Client], project: models.Project
) -> None:
    known = dict(addresses())
    for pattern in patterns():
        wanted = pattern.callback.needs  # type: ignore[attr-defined]  # a page without it fails here
        for method, way in (("get", "read"), ("post", "write")):
            # Anew each time: a page may have signed it out.
            answer = getattr(as_role(role), method)(known[str(pattern.name)])
            refused = answer.status_code == 403
            may = wanted[way] == ANYBODY or is_at_least(role, wanted[way])
            assert refused is not may, (pattern.name, method, answer.status_code)
            assert not refused or b"This needs the role" in answer.content


def test_a_page_that_names_no_role_is_for_nobody(
    as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern = next(one for one in patterns() if one.name == "devices")
    monkeypatch.delattr(pattern.callback, "needs")
    assert as_role("admin").get("/devices/").status_code == 403


def test_who_has_not_signed_in_sees_nothing(stranger: Client, project: models.Project) -> None:
    for name, address in addresses():
        page = stranger.get(address)
        if name in OPEN:
            assert page.status_code in (200, 410), name
        elif name in BY_PROVIDER:
            assert page.status_code == 404, name
        elif name == "halo-webhook":
            assert page.status_code == 405, "POST only, with a proof: tests/jobs/test_webhooks.py"
        elif name in FOR_PROGRAMS:
            assert page.status_code == 401 and list(page.json()) == ["error"], name
        else:
            assert (page.status_code, page.headers["Location"]) == (302, f"/sign-in/?next={address}"), name
        for word in (b"DMZ", b"2107", b"console"):
            assert word not in page.content, name


def test_every_answer_forbids_what_is_not_ours(as_role: Callable[[str], Client], project: models.Project) -> None:
    for name, address in addresses():
        page = as_role("admin").get(address)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, name
        assert page.headers["X-Frame-Options"] == "DENY", name
        assert page.headers["X-Content-Type-Options"] == "nosniff", name
        assert page.headers["Referrer-Policy"] == "same-origin", name
        assert "no-store" in page.headers["Cache-Control"], name
        if page.headers["Content-Type"] == "image/svg+xml":
            continue  # an image that brings its own style; nothing in it can run
        # The policy lets no script and no style within a page run.
        assert not re.search(rb"<script(?! src=\"/static/)|<style| style=| on\w+=", page.content), name


def test_sign_in_and_out(stranger: Client, user: User, project: models.Project) -> None:
    page = stranger.get("/sign-in/", {"next": "/projects/dmz/"})
    given = {"username": "anna", "password": PASSWORD, "next": "/projects/dmz/", "csrfmiddlewaretoken": token_in(page)}
    wrong = stranger.post("/sign-in/", {**given, "password": "another one"})
    assert wrong.status_code == 200 and b"correct username and password" in wrong.content
    signed_in = stranger.post("/sign-in/", given)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/projects/dmz/")
    cookie = stranger.cookies["sessionid"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    page = stranger.get("/")
    assert page.status_code == 200 and b"anna" in page.content
    assert stranger.get("/sign-out/").status_code == 405
    assert stranger.post("/sign-out/", {"csrfmiddlewaretoken": token_in(page)}).status_code == 302
    assert stranger.get("/").status_code == 302


def test_nobody_is_sent_elsewhere_by_signing_in(stranger: Client, user: User) -> None:
    page = stranger.get("/sign-in/")
    given = {"username": "anna", "password": PASSWORD, "csrfmiddlewaretoken": token_in(page)}
    signed_in = stranger.post("/sign-in/", {**given, "next": "https://evil.example/"})
    assert signed_in.headers["Location"] == "/"


def test_a_form_of_another_site_is_refused(stranger: Client, user: User) -> None:
    for address in ("/sign-in/", "/sign-out/", f"/first/{first_user.token()}/"):
        page = stranger.post(address, {"username": "anna", "password": PASSWORD})
        assert page.status_code == 403 and b"The form was too old" in page.content, address
    assert User.objects.count() == 1


def test_cookies_go_over_https_only_where_the_pages_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from remediation import settings

    try:
        for value, secure in (("1", True), ("0", False), ("", False)):
            monkeypatch.setenv("REMEDIATION_HTTPS", value)
            importlib.reload(settings)
            assert settings.SESSION_COOKIE_SECURE is settings.CSRF_COOKIE_SECURE is secure
            assert bool(settings.SECURE_HSTS_SECONDS) is secure
    finally:
        monkeypatch.undo()
        importlib.reload(settings)


# The first user

GOOD = {"username": "lead", "password1": PASSWORD, "password2": PASSWORD}


def first(client: Client, link: str, **given: str) -> Any:
    page = client.get(link)
    return (
        client.post(link, {**GOOD, **given, "csrfmiddlewaretoken": token_in(page)}) if page.status_code == 200 else page
    )


def test_the_link_makes_an_administrator_once(stranger: Client) -> None:
    link = f"/first/{first_user.token()}/"
    done = first(stranger, link)
    assert (done.status_code, done.headers["Location"]) == (302, "/")
    made = User.objects.get()
    assert (made.username, made.is_superuser, made.check_password(PASSWORD)) == ("lead", True, True)
    assert stranger.get("/").status_code == 200
    again = Client(headers={"host": "localhost"})
    assert again.get(link).status_code == 410
    assert again.post(link, {**GOOD, "username": "second"}).status_code == 410
    assert User.objects.count() == 1


def test_of_two_who_have_it_open_one_becomes_the_first(stranger: Client) -> None:
    link = f"/first/{first_user.token()}/"
    late = Client(headers={"host": "localhost"})
    assert late.get(link).status_code == 200
    assert first(stranger, link).status_code == 302
    assert late.post(link, {**GOOD, "username": "late"}).status_code == 410
    assert list(User.objects.values_list("username", flat=True)) == ["lead"]


def test_the_first_is_asked_for_again_under_the_lock(store: str) -> None:
    token = first_user.token()
    first_user.require_valid(token)
    User.objects.create(username="faster")
    with pytest.raises(first_user.NoLongerValid):
        first_user.create(token, User(username="late"))
    assert User.objects.count() == 1


def test_a_link_that_is_too_old(stranger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    link = f"/first/{first_user.token()}/"
    import time

    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 15 * 60 - 5)
    assert stranger.get(link).status_code == 200
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 15 * 60 + 5)
    assert stranger.get(link).status_code == 410


def test_a_link_of_another_key(stranger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.fernet import Fernet

    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    link = f"/first/{first_user.token()}/"
    assert stranger.get(link).status_code == 200
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    assert stranger.get(link).status_code == 410


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"password2": "another password"}, "didn’t match"),
        ({"password1": "short", "password2": "short"}, "at least 12 characters"),
        ({"password1": "password1234", "password2": "password1234"}, "too common"),
        ({"username": ""}, "required"),
    ],
)
def test_what_the_first_user_may_not_enter(given: dict[str, str], said: str, stranger: Client) -> None:
    page = first(stranger, f"/first/{first_user.token()}/", **given)
    assert page.status_code == 200 and said in page.content.decode()
    assert not User.objects.exists()


def test_keys_for_sessions_are_others_than_those_that_seal(store: str) -> None:
    key = first_user.derived("web sessions")
    sealing = os.environ["REMEDIATION_KEY"]
    assert key == derived("web sessions") and key != derived("first user")
    assert len(key) == 1 and sealing not in key[0] and len(key[0]) == 64


# Whether it is well


def test_health_needs_no_sign_in_and_tells_nothing(stranger: Client) -> None:
    page = stranger.get("/healthz")
    assert (page.status_code, page.content) == (200, b"ok\n")
    assert not stranger.cookies


def test_health_is_503_without_the_database(stranger: Client) -> None:
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = "there_is_none"
    try:
        page = stranger.get("/healthz")
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
    assert (page.status_code, page.content) == (503, b"the database does not answer\n")
