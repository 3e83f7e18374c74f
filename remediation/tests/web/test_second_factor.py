"""The second factor: set up, asked for, used once, guessed, lost, and required of everybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.models import User
from django.test import Client, override_settings

from remediation.store import models, second_factors
from remediation.store.sealed import unopened
from remediation.store.secrets import open_
from remediation.web.accounts import arriving
from remediation.web.accounts.signing_in import FREE

from .conftest import PASSWORD, signed_in
from .test_connections import text_of

Clock = Callable[[float], None]
GIVEN = {"username": "anna", "password": PASSWORD}


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """``forward(30)``: that many seconds go by for the pages."""
    from django.utils import timezone as clock

    passed = [0.0]
    monkeypatch.setattr(clock, "now", lambda: datetime.now(timezone.utc) + timedelta(seconds=passed[0]))

    def go(seconds: float) -> None:
        passed[0] += seconds

    return go


@pytest.fixture(autouse=True)
def quick_passwords() -> Iterator[None]:
    """These tests sign in so often that a good hash of each password would take most of their time."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


def browser() -> Client:
    return Client(headers={"host": "localhost"})


class App:
    """Somebody's authenticator app: knows what the page of the set-up has shown."""

    def __init__(self, page: str) -> None:
        shown = re.search(r"into it: <code>([A-Z2-7 ]+)</code>", page)
        assert shown
        self.secret = shown[1].replace(" ", "")

    def code(self) -> str:
        from base64 import b32decode

        from django.utils import timezone as clock

        codes = TOTP(b32decode(self.secret), 6, SHA1(), 30)
        return codes.generate(int(clock.now().timestamp())).decode()


def set_up(client: Client, address: str = "/second-factor/") -> tuple[App, list[str]]:
    """Set one up as a person does. Returns their app and their recovery codes."""
    app = App(client.get(address).content.decode())
    done = client.post(address, {"code": app.code()})
    assert done.status_code == 200
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code>", done.content.decode())
    assert len(set(codes)) == second_factors.RECOVERY_CODES and all(len(code) == 19 for code in codes)
    return app, codes


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def code_page(client: Client, code: str) -> str:
    return text_of(client.post("/sign-in/code/", {"code": code}))


def test_it_is_set_up_and_asked_for(user: User, forward: Clock) -> None:
    person, other = signed_in(user), signed_in(user)
    page = person.get("/second-factor/").content.decode()
    assert page.count("<svg") == 1 and App(page).secret == App(person.get("/second-factor/").content.decode()).secret
    wrong = person.post("/second-factor/", {"code": "000000"})
    assert wrong.status_code == 400 and not models.SecondFactor.objects.exists()
    app, codes = set_up(person)
    assert is_in(person) and not is_in(other), "who came in without it is out"
    shown = person.get("/second-factor/").content.decode()
    assert "Recovery codes that are left: 10" in shown and app.secret not in shown and codes[0] not in shown

    forward(60)
    came = browser()
    first = came.post("/sign-in/?next=/devices/", {**GIVEN, "next": "/devices/"})
    assert first.headers["Location"] == "/sign-in/code/" and not is_in(came), "a password is not enough"
    assert "The code is wrong" in code_page(came, "000000") and not is_in(came)
    code = app.code()
    done = came.post("/sign-in/code/", {"code": f" {code[:3]} {code[3:]} "})
    assert done.headers["Location"] == "/devices/" and is_in(came)
    assert came.get("/sign-in/code/").status_code == 410, "it is done"


def test_the_secret_is_sealed_and_recovery_codes_are_not_kept(user: User) -> None:
    app, codes = set_up(signed_in(user))
    row = models.SecondFactor.objects.get()
    assert app.secret not in row.secret and open_(row.secret) == app.secret
    assert not set(codes) & set(row.recovery) and all(len(kept) == 64 for kept in row.recovery)


def test_a_code_is_good_once(user: User, forward: Clock) -> None:
    app, codes = set_up(signed_in(user))
    for code in (app.code(), codes[0]):
        came = browser()
        came.post("/sign-in/", GIVEN)
        if code == codes[0]:
            assert came.post("/sign-in/code/", {"code": code.upper().replace("-", " ")}).status_code == 302
            again = browser()
            again.post("/sign-in/", GIVEN)
            came = again
        assert "The code is wrong, or it was used before" in code_page(came, code) and not is_in(came)
    forward(30)
    code = app.code()
    for expected in (True, False):
        came = browser()
        came.post("/sign-in/", GIVEN)
        came.post("/sign-in/code/", {"code": code})
        assert is_in(came) is expected
    assert len(models.SecondFactor.objects.get().recovery) == second_factors.RECOVERY_CODES - 1
    assert models.AuditEntry.objects.get(what="recovery code used").detail == {"left": 9}


def test_wrong_codes_count_as_wrong_passwords_do_whoever_knows_the_password(user: User, forward: Clock) -> None:
    app, codes = set_up(signed_in(user))
    for _ in range(FREE):
        came = browser()
        came.post("/sign-in/", GIVEN)
        assert "The code is wrong" in code_page(came, "000000")
    for code in (app.code(), codes[0]):
        assert "Too many wrong passwords or codes for this name" in code_page(came, code) and not is_in(came)
    assert "Too many wrong passwords or codes" in text_of(browser().post("/sign-in/", GIVEN))
    assert models.WrongPassword.objects.count() == FREE
    forward(60)
    assert came.post("/sign-in/code/", {"code": app.code()}).status_code == 302 and is_in(came)
    assert not models.WrongPassword.objects.exists()


def test_the_first_step_is_soon_forgotten_and_not_good_for_another_password(user: User, forward: Clock) -> None:
    app, _ = set_up(signed_in(user))
    forward(60)
    for change in ("time", "password", "shut out"):
        came = browser()
        came.post("/sign-in/", GIVEN)
        if change == "time":
            forward(arriving.LONGEST.total_seconds() + 1)
        elif change == "password":
            user.set_password("quite another one")
            user.save()
        else:
            came.post("/sign-in/", {**GIVEN, "password": "quite another one"})
            User.objects.update(is_active=False)
        assert came.post("/sign-in/code/", {"code": app.code()}).status_code == 410, change
        assert not is_in(came)


def test_without_a_first_step_there_is_none(stranger: Client, user: User) -> None:
    set_up(signed_in(user))
    assert stranger.get("/sign-in/code/").status_code == 410
    assert stranger.get("/sign-in/set-up/").status_code == 410
    assert "No sign-in waits for a code" in text_of(stranger.get("/sign-in/code/"))


def test_it_is_removed_with_the_password_and_another_one_set_up(user: User, forward: Clock) -> None:
    person = signed_in(user)
    app, _ = set_up(person)
    for _ in range(FREE):
        page = person.post("/second-factor/remove", {"password": "wrong"}, follow=True)
        assert "The password is wrong" in text_of(page)
    page = person.post("/second-factor/remove", {"password": PASSWORD}, follow=True)
    assert "Too many wrong passwords" in text_of(page) and models.SecondFactor.objects.exists()
    forward(16)
    person.post("/second-factor/remove", {"password": PASSWORD})
    assert not models.SecondFactor.objects.exists() and is_in(person)
    came = browser()
    assert came.post("/sign-in/", GIVEN).headers["Location"] == "/" and is_in(came)
    other, _ = set_up(person)
    assert other.secret != app.secret and is_in(person)
    assert [row.what for row in models.AuditEntry.objects.order_by("pk")] == [
        "second factor set up",
        "second factor removed",
        "second factor set up",
    ]


def test_an_administrator_removes_it_for_who_has_lost_it(as_role: Callable[[str], Client], user: User) -> None:
    set_up(signed_in(user))
    page = f"/users/{user.pk}/sign-in/"
    admin = as_role("admin")
    assert "An authenticator app, set up" in text_of(admin.get(page))
    assert sorted(re.findall(r"<td>(yes|no)</td>", admin.get("/users/").content.decode())) == ["no", "yes"]
    waiting = browser()
    waiting.post("/sign-in/", GIVEN)
    assert as_role("approver").post(f"{page}change", {"factor": "remove"}).status_code == 403
    admin.post(f"{page}change", {"factor": "remove"})
    assert not models.SecondFactor.objects.exists()
    entry = models.AuditEntry.objects.order_by("-pk")[0]
    assert (entry.who, entry.what, entry.of) == ("admin", "second factor removed", "anna")
    assert waiting.get("/sign-in/code/").status_code == 410
    came = browser()
    came.post("/sign-in/", GIVEN)
    assert is_in(came)


def test_everybody_needs_one_where_that_is_set(as_role: Callable[[str], Client], user: User, forward: Clock) -> None:
    admin, person = as_role("admin"), signed_in(user)
    refused = admin.post("/settings/second-factor", {"required": "yes"}, follow=True)
    assert "Set up your own second factor first" in text_of(refused) and not second_factors.is_required()
    set_up(admin)
    admin.post("/settings/second-factor", {"required": "yes"})
    assert is_in(admin) and "Everybody needs a second factor" in text_of(admin.get("/settings/"))
    assert person.get("/devices/").headers["Location"] == "/sign-in/?next=/devices/"
    assert person.get("/api/status").status_code == 401
    came = browser()
    step = came.post("/sign-in/", {**GIVEN, "next": "/devices/"})
    assert step.headers["Location"] == "/sign-in/set-up/"
    for address in ("/", "/second-factor/", "/settings/"):
        assert came.get(address).status_code == 302, "no page before it is set up"
    app, _ = set_up(came, "/sign-in/set-up/")
    assert is_in(came)
    # Somebody else who has begun, too, is asked for the code of the one that there is now.
    late = browser()
    assert late.post("/sign-in/", GIVEN).headers["Location"] == "/sign-in/code/"
    assert late.get("/sign-in/set-up/").headers["Location"] == "/sign-in/code/"
    forward(30)
    assert late.post("/sign-in/code/", {"code": app.code()}).status_code == 302 and is_in(late)
    admin.post("/settings/second-factor", {"required": "no"})
    assert is_in(person) is False, "it has one now, which this session has not passed"
    assert [row.what for row in models.AuditEntry.objects.order_by("pk")] == [
        "second factor set up",
        "second factor required",
        "second factor set up",
        "second factor left to each",
    ]


def test_a_secret_that_somebody_else_saw_in_this_browser_is_not_used(user: User, forward: Clock) -> None:
    other = User.objects.create_user("ben", password=PASSWORD)
    client = signed_in(other)
    seen = App(client.get("/second-factor/").content.decode()).secret
    client.force_login(user)
    assert App(client.get("/second-factor/").content.decode()).secret != seen
    second_factors.require(True, "a test")
    shared = browser()
    shared.post("/sign-in/", {**GIVEN, "username": "ben"})
    seen = App(shared.get("/sign-in/set-up/").content.decode()).secret
    known = shared.cookies["sessionid"].value
    shared.post("/sign-in/", GIVEN)
    assert shared.cookies["sessionid"].value != known, "who knows the session from before has no part in it"
    assert App(shared.get("/sign-in/set-up/").content.decode()).secret != seen


def test_what_was_begun_before_the_older_keys_were_forgotten_begins_anew(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(user)
    client.get("/second-factor/")
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    app, _ = set_up(client)
    assert is_in(client) and app.secret


def test_without_the_key_a_recovery_code_lets_in(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    app, codes = set_up(signed_in(user))
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    assert list(unopened()[1]) == ["second factor anna"]
    came = browser()
    came.post("/sign-in/", GIVEN)
    assert "lost the key of its secrets" in code_page(came, app.code())
    assert came.post("/sign-in/code/", {"code": codes[3]}).status_code == 302 and is_in(came)
