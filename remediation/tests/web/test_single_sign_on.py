"""Signing in by an OpenID provider, over HTTP: who comes in, who does not, and what each of them is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from joserfc.jwk import RSAKey

from remediation.open_id_provider import OpenIdProvider, from_environment
from remediation.store import identities, models
from remediation.store.roles import role_of
from stand_ins.open_id_provider import Provider

from .conftest import PASSWORD
from .test_connections import text_of

ANNA = {"sub": "subject 7", "email": "Anna@example.com", "email_verified": True, "preferred_username": "anna.k"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A provider that the service is configured for. Anna is who comes to it."""
    with Provider() as running:
        running.person = dict(ANNA)
        configured(monkeypatch, running)
        yield running


def configured(monkeypatch: pytest.MonkeyPatch, running: Provider, **more: str) -> None:
    given = {"ISSUER": running.url, "CLIENT_ID": running.client_id, "CLIENT_SECRET": running.client_secret, **more}
    variables = {f"REMEDIATION_OIDC_{name}": value for name, value in given.items()}
    monkeypatch.setattr(
        "django.conf.settings.OPEN_ID", from_environment({**variables, "REMEDIATION_OIDC_NAME": "Acme"})
    )


@pytest.fixture
def anna(user: User) -> User:
    """Anna, whose e-mail address an administrator has entered."""
    user.email = "anna@EXAMPLE.com"
    user.save()
    return user


def begun(browser: Client, target: str = "/devices/") -> str:
    """Press the button; the address at the provider that the browser is sent to."""
    page = browser.get("/sign-in/provider/", {"next": target})
    assert page.status_code == 302, text_of(page)
    return str(page.headers["Location"])


def at_provider(address: str) -> str:
    """What the provider answers: the address that it sends the browser back to, without the host."""
    answer = requests.get(address, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "http://localhost/sign-in/provider/done/"
    return f"{back.path}?{back.query}"


def signed_in(browser: Client) -> Any:
    return browser.get(at_provider(begun(browser)))


def is_in(browser: Client) -> bool:
    return browser.get("/").status_code == 200


def audited() -> list[tuple[str, str, str]]:
    return list(models.AuditEntry.objects.order_by("pk").values_list("who", "what", "of"))


def test_the_button_leads_to_the_provider_and_back_to_the_page(
    stranger: Client, provider: Provider, anna: User
) -> None:
    page = stranger.get("/sign-in/", {"next": "/devices/"})
    assert "Sign in with Acme" in text_of(page)
    assert 'href="/sign-in/provider/?next=/devices/"' in page.content.decode()
    done = signed_in(stranger)
    assert (done.status_code, done.headers["Location"]) == (302, "/devices/")
    page = stranger.get("/")
    assert page.status_code == 200 and b"anna" in page.content
    assert audited() == [("anna", "single sign-on tied", "anna")]
    assert models.AuditEntry.objects.get().detail["subject"] == "subject 7"


def test_without_a_provider_there_is_no_button(stranger: Client, store: str) -> None:
    assert settings.OPEN_ID is None
    assert "/sign-in/provider/" not in stranger.get("/sign-in/").content.decode()


def test_the_second_time_the_subject_counts_and_not_the_address(
    stranger: Client, provider: Provider, anna: User
) -> None:
    signed_in(stranger)
    other = User.objects.create(username="other", email="new@example.com")
    provider.person |= {"email": "new@example.com"}
    browser = Client(headers={"host": "localhost"})
    assert signed_in(browser).status_code == 302 and b"anna" in browser.get("/").content
    assert identities.identity_of(other, provider.url) is None
    assert len(audited()) == 1


def test_an_address_that_got_a_new_owner_opens_nothing(stranger: Client, provider: Provider, anna: User) -> None:
    signed_in(stranger)
    provider.person |= {"sub": "subject 8"}
    browser = Client(headers={"host": "localhost"})
    page = signed_in(browser)
    assert page.status_code == 403 and not is_in(browser)
    assert "no user for you" in text_of(page) and "subject 8" in text_of(page)


STRANGE: list[tuple[dict[str, Any], str]] = [
    ({"email_verified": False}, "it has verified"),
    ({"email_verified": "false"}, "it has verified"),
    ({"email_verified": None}, "it has verified"),
    ({"email": "somebody@example.com"}, "somebody@example.com"),
    ({"email": ""}, "it has verified"),
]


def test_who_has_no_user_here_stays_outside_and_is_told_whom_to_ask(
    stranger: Client, provider: Provider, anna: User
) -> None:
    for person, told in STRANGE:
        provider.person = {**ANNA, **person}
        page = signed_in(stranger)
        assert page.status_code == 403 and not is_in(stranger), person
        assert (
            "Ask an administrator" in text_of(page) and "subject 7" in text_of(page) and told in text_of(page)
        ), person
    assert User.objects.count() == 1 and not models.Identity.objects.exists() and not audited()


def test_an_address_of_two_users_is_nobodys(stranger: Client, provider: Provider, anna: User) -> None:
    User.objects.create(username="second", email="anna@example.com")
    assert signed_in(stranger).status_code == 403 and not models.Identity.objects.exists()


def test_who_is_shut_out_does_not_come_in(stranger: Client, provider: Provider, anna: User) -> None:
    signed_in(stranger)
    User.objects.update(is_active=False)
    browser = Client(headers={"host": "localhost"})
    page = signed_in(browser)
    assert page.status_code == 403 and "shut you out" in text_of(page) and not is_in(browser)


def test_new_ones_are_viewers_where_that_is_set(
    stranger: Client, provider: Provider, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, provider, NEW="viewer")
    assert signed_in(stranger).status_code == 302
    made = User.objects.get(username="anna.k")
    assert role_of(made) == "viewer" and not made.has_usable_password() and made.email == "Anna@example.com"
    assert audited() == [("anna.k", "user added", "anna.k"), ("anna.k", "single sign-on tied", "anna.k")]
    # Another one who would be called like it, and one whose name cannot be used; neither has a verified address.
    for number, name in ((8, "ANNA.K"), (9, "a name with spaces")):
        provider.person = {"sub": f"{number}", "preferred_username": name, "email": "x@example.com"}
        assert signed_in(Client(headers={"host": "localhost"})).status_code == 302
    names = set(User.objects.exclude(username__startswith="sso-").values_list("username", flat=True))
    assert names == {"anna", "anna.k"} and User.objects.count() == 4
    assert not User.objects.filter(email="x@example.com").exists()


def test_the_first_user_is_not_made_by_the_provider(
    stranger: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, provider, NEW="viewer")
    assert signed_in(stranger).status_code == 403 and not User.objects.exists()


def test_what_the_token_leaves_out_is_on_the_page_about_the_person(
    stranger: Client, provider: Provider, anna: User
) -> None:
    provider.only_on_page = {"email", "email_verified"}
    assert signed_in(stranger).status_code == 302 and is_in(stranger)
    provider.page = {"sub": "somebody else"}
    page = signed_in(Client(headers={"host": "localhost"}))
    assert page.status_code == 502 and "another person" in text_of(page)


# What cannot be trusted


def test_a_browser_that_did_not_begin_it_is_not_signed_in(stranger: Client, provider: Provider, anna: User) -> None:
    back = at_provider(begun(Client(headers={"host": "localhost"})))
    page = stranger.get(back)
    assert page.status_code == 400 and "not begun in this browser" in text_of(page) and not is_in(stranger)
    provider.state = "a wrong one"
    page = signed_in(stranger)
    assert page.status_code == 400 and "not begun in this browser" in text_of(page) and not is_in(stranger)
    assert not any(path == "/token" for _, path in provider.requests), "its code was not even shown to the provider"


def test_an_answer_is_good_once(stranger: Client, provider: Provider, anna: User) -> None:
    back = at_provider(begun(stranger))
    assert stranger.get(back).status_code == 302
    stranger.cookies.clear()
    assert stranger.get(back).status_code == 400 and not is_in(stranger)


FORGED: list[dict[str, Any]] = [
    {"aud": "another client"},
    {"aud": "another client", "azp": "remediation"},
    {"aud": ["remediation", "another"], "azp": "another"},
    {"nonce": "another one"},
    {"nonce": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"exp": 1_000_000_000},
    {"exp": None},
    {"sub": None},
]


def test_a_token_that_is_not_for_this_sign_in(stranger: Client, provider: Provider, anna: User) -> None:
    for token in FORGED:
        provider.token = token
        page = signed_in(stranger)
        assert page.status_code == 400 and "cannot be trusted" in text_of(page) and not is_in(stranger), token
    assert not models.Identity.objects.exists()


def test_a_token_that_somebody_else_signed_or_nobody(stranger: Client, provider: Provider, anna: User) -> None:
    provider.other_key = RSAKey.generate_key(2048)
    page = signed_in(stranger)
    assert page.status_code == 400 and "cannot be trusted" in text_of(page)
    provider.other_key, provider.unsigned = None, True
    page = signed_in(stranger)
    assert page.status_code == 400 and "cannot be trusted" in text_of(page)
    assert not is_in(stranger)


def test_a_provider_that_calls_itself_otherwise(stranger: Client, provider: Provider, anna: User) -> None:
    provider.calls_itself = "https://evil.example"
    page = stranger.get("/sign-in/provider/")
    assert page.status_code == 502 and "REMEDIATION_OIDC_ISSUER" in text_of(page)


# What goes wrong


def test_the_provider_refuses(stranger: Client, provider: Provider, anna: User) -> None:
    provider.denies = "access_denied"
    page = signed_in(stranger)
    assert page.status_code == 400 and "Acme refused: The person said &lt;no&gt;" in page.content.decode()


def test_a_wrong_secret_is_told_and_not_shown(stranger: Client, provider: Provider, anna: User) -> None:
    provider.client_secret = "another one"
    page = signed_in(stranger)
    assert page.status_code == 400 and "Acme refused: invalid_client" in text_of(page)
    assert "a secret of the client" not in page.content.decode()


def test_with_a_provider_that_is_down_people_sign_in_by_password(
    stranger: Client, provider: Provider, anna: User
) -> None:
    back = at_provider(begun(stranger))
    for status in (500, 404):
        provider.failing = status
        page = stranger.get("/sign-in/provider/")
        assert page.status_code == 502 and "Acme does not answer as it should" in text_of(page)
    provider.stop()
    for address in ("/sign-in/provider/", back):
        page = stranger.get(address)
        assert page.status_code == 502 and "sign in here with name and password" in text_of(page), address
    browser = Client(headers={"host": "localhost"})
    assert browser.post("/sign-in/", {"username": "anna", "password": PASSWORD}).status_code == 302 and is_in(browser)


def test_nobody_is_sent_elsewhere(stranger: Client, provider: Provider, anna: User) -> None:
    back = at_provider(begun(stranger, "https://evil.example/"))
    assert stranger.get(back).headers["Location"] == "/"


# Administrators


def test_an_administrator_enters_an_address_and_ties_and_unties(
    as_role: Callable[[str], Client], provider: Provider, user: User
) -> None:
    admin = as_role("admin")
    page = f"/users/{user.pk}/sign-in/"
    assert admin.post(page, {"email": "Anna@example.com"}).status_code == 302
    other = User.objects.get(username="admin")
    taken = admin.post(f"/users/{other.pk}/sign-in/", {"email": "anna@EXAMPLE.com"})
    assert taken.status_code == 400 and "Another user has this" in text_of(taken)
    admin.post(f"{page}change", {"subject": "by hand"})
    assert "by hand" in text_of(admin.get(page))
    admin.post(f"/users/{other.pk}/sign-in/change", {"subject": "by hand"})
    assert "Another user is tied" in text_of(admin.get("/users/"))
    provider.person = {"sub": "by hand"}
    browser = Client(headers={"host": "localhost"})
    assert signed_in(browser).status_code == 302 and is_in(browser), "no address is needed then"
    admin.post(f"{page}change", {"untie": provider.url})
    assert signed_in(Client(headers={"host": "localhost"})).status_code == 403
    assert audited() == [
        ("admin", "e-mail changed", "anna"),
        ("admin", "single sign-on tied", "anna"),
        ("admin", "single sign-on untied", "anna"),
    ]


# The environment

GIVEN = {"ISSUER": "https://id.example/", "CLIENT_ID": "c", "CLIENT_SECRET": "s"}


def read(given: dict[str, str]) -> OpenIdProvider | None:
    return from_environment({f"REMEDIATION_OIDC_{name}": value for name, value in given.items()})


def test_what_the_environment_names(tmp_path: Any) -> None:
    assert read({}) is None
    assert read(GIVEN) == OpenIdProvider("https://id.example", "c", "s", "single sign-on", False)
    file = tmp_path / "secret"
    file.write_text("of a file\n", encoding="utf-8")
    more = {**GIVEN, "CLIENT_SECRET": "", "CLIENT_SECRET_FILE": str(file), "NAME": "Acme", "NEW": "viewer"}
    found = read(more)
    assert found == OpenIdProvider("https://id.example", "c", "of a file", "Acme", True)
    assert "of a file" not in repr(found)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ISSUER": "http://id.example"}, "https://"),
        ({"ISSUER": "id.example"}, "https://"),
        ({"ISSUER": "http://[x"}, "https://"),
        ({"ISSUER": ""}, "REMEDIATION_OIDC_ISSUER is not"),
        ({"CLIENT_ID": ""}, "REMEDIATION_OIDC_CLIENT_ID"),
        ({"CLIENT_SECRET": ""}, "REMEDIATION_OIDC_CLIENT_SECRET_FILE"),
        ({"CLIENT_SECRET_FILE": "/dev/null"}, "either"),
        ({"CLIENT_SECRET": "", "CLIENT_SECRET_FILE": "/dev/null"}, "empty"),
        ({"CLIENT_SECRET": "", "CLIENT_SECRET_FILE": "/none"}, "cannot be read: No such file"),
        ({"NEW": "admin"}, "REMEDIATION_OIDC_NEW"),
    ],
)
def test_an_environment_that_cannot_be_meant(changed: dict[str, str], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        read({**GIVEN, **changed})
