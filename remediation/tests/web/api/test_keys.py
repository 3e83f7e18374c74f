"""Keys of the JSON API: the page that makes them, what they are good for, and how often."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection
from django.test import Client

from remediation.store import models
from remediation.store.api_keys import admit, end_key, make_key

from .conftest import Program

PAGE = "/settings/api-keys"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)


def test_a_key_is_shown_once_and_works_until_it_is_ended(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    assert "There is no key yet" in admin.get(PAGE).content.decode()
    page = admin.post(PAGE, {"name": "workflows", "role": "viewer"}, follow=True).content.decode()
    (key,) = re.findall(r"<p><code>([\w-]{43})</code>", page)
    row = models.ApiKey.objects.get()
    assert (row.role, row.made_by, row.begins, row.used) == ("viewer", "admin", key[:8], None)
    again = admin.get(PAGE).content.decode()
    assert key not in again and key[:8] in again and "never" in again
    assert key not in str(list(models.ApiKey.objects.values())), "only its digest is kept"
    program = Program(key)
    assert program.get("/vulnerabilities") == {"items": [], "next": None}
    assert models.ApiKey.objects.get().used
    ended = admin.post(f"{PAGE}/{row.pk}/end", follow=True).content.decode()
    assert "has ended" in ended
    status, problem = program.ask("GET", "/vulnerabilities")
    assert status == 401 and "was ended" in problem["cause"]
    admin.post(f"{PAGE}/{row.pk}/end")
    audited = list(models.AuditEntry.objects.order_by("pk").values_list("who", "what", "of"))
    assert audited == [("admin", "API key made", "workflows"), ("admin", "API key ended", "workflows")]
    assert key not in str(list(models.AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "", "role": "viewer"}, "required"),
        ({"name": "x", "role": "admin"}, "Select a valid choice"),
        ({"name": "taken", "role": "viewer"}, "There is an API key of that name already"),
    ],
)
def test_what_is_no_key(given: dict[str, str], said: str, as_role: Callable[[str], Client]) -> None:
    make_key("taken", "viewer", "somebody")
    page = as_role("admin").post(PAGE, given)
    assert page.status_code == 400 and said in page.content.decode()
    assert models.ApiKey.objects.count() == 1


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "bearer \xff"])
def test_without_a_key_there_is_nothing(header: str, store: str) -> None:
    make_key("one", "approver", "somebody")
    answer = Client(headers={"host": "localhost", "Authorization": header}).get("/api/v1/vulnerabilities")
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert set(answer.json()) == {"cause", "assistance"}


def test_a_session_counts_nothing(as_role: Callable[[str], Client]) -> None:
    assert as_role("admin").get("/api/v1/vulnerabilities").status_code == 401
    key = make_key("one", "viewer", "somebody")
    answer = as_role("admin").post("/api/v1/imports", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403, "as what the key is, not as who has signed in"


def test_too_many_requests_wait(viewer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.API_REQUESTS", 3)
    assert [viewer.answer("GET", "/devices").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = viewer.answer("GET", "/devices")
    assert 1 <= int(answer.headers["Retry-After"]) <= 20
    assert answer.json()["assistance"] == f"Wait {answer.headers['Retry-After']} seconds."
    other = Program(make_key("another", "viewer", "somebody"))
    assert other.answer("GET", "/devices").status_code == 200, "each key for itself"


def test_the_limit_is_one_for_all_processes(store: str) -> None:
    key = make_key("one", "viewer", "somebody")
    waits: Counter[bool] = Counter()
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait(30)
        for _ in range(5):
            waits[admit(key, NOW, 8)[1] > 0] += 1
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits == {False: 8, True: 12}


def test_the_last_use_is_kept_to_a_minute(store: str) -> None:
    key = make_key("one", "viewer", "somebody")
    for seconds, used in ((0, 0), (59, 0), (60, 60), (61, 60)):
        row, _ = admit(key, NOW + timedelta(seconds=seconds), 100)
        assert row and row.used == NOW + timedelta(seconds=used)
    end_key(row.pk, NOW, "somebody")
    assert admit(key, NOW, 100) == (None, 0.0)
