"""The pages, asked as a browser asks them: on a store of the test's own, with and without a person signed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client

from remediation.store import models

PASSWORD = "a long enough password"
DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)


# What web/wsgi.py sets.
settings.SECRET_KEY = "for tests only"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one, as whoever starts the pages sees to."""
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())


@pytest.fixture
def stranger(store: str) -> Client:
    """Somebody who has not signed in, with a browser that forges nothing."""
    return Client(enforce_csrf_checks=True, headers={"host": "localhost"})


@pytest.fixture
def user(store: str) -> User:
    return User.objects.create_user("anna", password=PASSWORD)


@pytest.fixture
def person(user: User) -> Client:
    """Anna, who is in no group: a viewer."""
    return signed_in(user)


@pytest.fixture
def as_role(store: str) -> Callable[[str], Client]:
    """``as_role("approver")``: the browser of somebody with that role, who is called like it."""

    def browser(role: str) -> Client:
        made, is_new = User.objects.get_or_create(username=role)
        if is_new:
            made.groups.add(Group.objects.get_or_create(name=role)[0])
        return signed_in(made)

    return browser


def signed_in(user: User) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


@pytest.fixture
def project(store: str) -> models.Project:
    """A project with a held plan of three steps and two tickets, and a source that was read."""
    connection = models.Connection.objects.create(
        name="halo", settings={"resource_server": "https://halo.example/api", "client_id": "an id"}, secret="sealed"
    )
    source = models.Source.objects.create(name="console", kind="insightvm", secret="sealed as well")
    models.SnapshotRecord.objects.create(
        source=source, taken=DAY, proof="scan", rows=5, findings=4, assets=3, content_hash="x"
    )
    made = models.Project.objects.create(name="Patch <DMZ>", slug="dmz", connection=connection, source=source)
    models.Run.objects.create(
        source=source,
        kind="read",
        started=DAY,
        finished=DAY,
        outcome="done",
        detail={"text": "4 findings on 3 assets."},
    )
    models.Run.objects.create(
        project=made,
        kind="project",
        started=DAY,
        finished=DAY,
        outcome="held",
        detail={"text": "0 done, 0 failed, 2 waiting."},
    )
    models.Ticket.objects.create(
        project=made, key="s1", reference="r1", halo_id=2107, title="Apply <b>s1</b>", status="In Progress"
    )
    models.Ticket.objects.create(project=made, key="s2", reference="r2", title="Apply s2")
    plan = models.Plan.objects.create(
        project=made, made=DAY, held=True, not_done=[{"key": "s9", "reason": "below the <filter>"}]
    )
    steps = (
        ("s1", "comment", "new assets", "done", {"comment": 5}),
        ("s2", "create", "a new solution", "waiting", {"said": "held until <somebody> approves"}),
        ("s3", "create", "another one", "planned", {}),
    )
    for position, (key, kind, reason, state, result) in enumerate(steps):
        models.Step.objects.create(
            plan=plan,
            position=position,
            key=f"{key}/1/{kind}/0123456789",
            kind=kind,
            reason=reason,
            state=state,
            result=result,
        )
    return made
