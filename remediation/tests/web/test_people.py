"""People: signing in against guessing, roles that act at once, and the audit that tells of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from remediation.store import models
from remediation.store.roles import LastAdministrator, give_role, role_of, set_active
from remediation.web.accounts.signing_in import FREE, LONGEST, pause_after, seconds_left
from remediation.web.accounts.users import UserForm

from .conftest import PASSWORD
from .test_connections import text_of


def test_pauses_grow_and_end() -> None:
    assert [pause_after(count) for count in (0, FREE - 1, FREE, FREE + 1, FREE + 2)] == [0, 0, 15, 30, 60]
    assert pause_after(10**6) == LONGEST


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_who_guesses_has_to_wait_wherever_it_is_tried_and_whether_the_name_is_known(
    name: str, user: User, store: str
) -> None:
    def tried(password: str, called: str = name) -> str:
        browser = Client(headers={"host": "localhost"})
        return text_of(browser.post("/sign-in/", {"username": called, "password": password}))

    for _ in range(FREE):
        assert "correct username and password" in tried("wrong")
    assert "Too many wrong passwords or codes for this name. Try again in" in tried(
        PASSWORD, name.upper() if name != "anna" else name
    )
    assert models.WrongPassword.objects.count() == FREE, "what is not tried does not count"
    assert 0 < seconds_left(name, timezone.now()) <= 15
    models.WrongPassword.objects.update(at=timezone.now() - timedelta(minutes=1))
    answer = Client(headers={"host": "localhost"}).post("/sign-in/", {"username": name, "password": PASSWORD})
    assert answer.status_code == (302 if name == "anna" else 200)
    assert models.WrongPassword.objects.exists() is (name != "anna"), "a success forgets them"


def test_somebody_is_added_and_sets_a_password_by_a_link_that_works_once(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    assert admin.post("/users/", {"name": "Zoë", "role": "analyst"}).status_code == 302
    page = admin.get("/users/").content.decode()
    link = re.search(r"<code>http://localhost(/password/[^<]+)</code>", page)
    assert link
    assert link[1] not in admin.get("/users/").content.decode(), "it is shown once"
    person = Client(headers={"host": "localhost"})
    step = person.get(link[1])
    done = person.post(step.headers["Location"], {"new_password1": PASSWORD, "new_password2": PASSWORD})
    assert done.status_code == 302
    assert "no longer valid" in text_of(Client(headers={"host": "localhost"}).get(link[1], follow=True))
    signed_in = person.post("/sign-in/", {"username": "Zoë", "password": PASSWORD})
    assert signed_in.status_code == 302
    assert role_of(User.objects.get(username="Zoë")) == "analyst"
    assert admin.post("/users/", {"name": "zoë", "role": "viewer"}).status_code == 400


def test_of_two_forms_with_one_name_that_come_at_once_one_adds_somebody(
    as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if each had looked before the other one stored.
    monkeypatch.setattr(UserForm, "clean_name", lambda form: form.cleaned_data["name"])
    admin, given = as_role("admin"), {"name": "Zoë", "role": "analyst"}
    assert admin.post("/users/", given).status_code == 302
    late = admin.post("/users/", given)
    assert late.status_code == 400 and "a user of that name already" in text_of(late)


def test_roles_act_at_once_and_are_audited(as_role: Callable[[str], Client]) -> None:
    admin, analyst = as_role("admin"), as_role("analyst")
    number = User.objects.get(username="analyst").pk
    assert analyst.get("/audit/").status_code == 403
    admin.post(f"/users/{number}/", {"role": "approver"})
    page = analyst.get("/audit/")
    assert page.status_code == 200 and "role changed" in text_of(page) and '["analyst", "approver"]' in text_of(page)
    admin.post(f"/users/{number}/", {"active": "no"})
    assert analyst.get("/").status_code == 302, "its session has ended"
    admin.post(f"/users/{number}/", {"active": "yes"})
    assert analyst.get("/").status_code == 200
    assert [row.what for row in models.AuditEntry.objects.order_by("pk")] == [
        "role changed",
        "user shut out",
        "user let in",
    ]


def test_the_last_administrator_stays(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    row = User.objects.get(username="admin")
    for changes in ({"role": "viewer"}, {"active": "no"}):
        admin.post(f"/users/{row.pk}/", changes)
        assert "last administrator" in text_of(admin.get("/users/"))
    with pytest.raises(LastAdministrator):
        set_active(row, False)
    row.refresh_from_db()
    assert row.is_active and role_of(row) == "admin"
    as_role("viewer")
    give_role(User.objects.get(username="viewer"), "admin")
    give_role(row, "viewer")
    assert role_of(row) == "viewer"


def test_a_password_is_changed(as_role: Callable[[str], Client], user: User) -> None:
    person = Client(headers={"host": "localhost"})
    other = Client(headers={"host": "localhost"})
    for client in (person, other):
        client.post("/sign-in/", {"username": "anna", "password": PASSWORD})
    given = {"old_password": PASSWORD, "new_password1": "quite another one", "new_password2": "quite another one"}
    assert person.post("/password/", given).status_code == 302
    assert person.get("/").status_code == 200 and other.get("/").status_code == 302, "other sessions end"
