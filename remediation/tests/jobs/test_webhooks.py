"""Halo's webhooks, from Halo's own screens over HTTP to a run of the project: believed ones, lost, doubled and forged."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import requests
from django.core.handlers.wsgi import WSGIHandler
from django.utils import timezone
from werkzeug.serving import make_server

from halo_emulator import HaloEmulator, WebhookDisorder
from remediation.jobs.work import run_project
from remediation.store import models
from remediation.tickets.webhook import end_webhook, new_webhook

from .conftest import Project, Worker, wait_until, waiting_jobs

Deliver = Callable[..., requests.Response]


@pytest.fixture
def served(store: str) -> Iterator[str]:
    """The pages, on a port of this machine."""
    server = make_server("127.0.0.1", 0, WSGIHandler(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web(project: Project, no_round: None) -> models.Project:
    """A project with its two tickets in Halo."""
    made = project("web")
    run_project(made)
    return made


@pytest.fixture
def address(web: models.Project, served: str) -> tuple[str, str]:
    """Where its webhooks come in, and the secret."""
    made = new_webhook(web.connection)
    return f"{served}/webhooks/halo/{made.token}", made.secret


def ticket_of(project: models.Project) -> models.Ticket:
    return models.Ticket.objects.exclude(key="project").get(project=project)


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"halo:{secret}".encode()).decode()


@pytest.mark.parametrize("authentication", ["hmac", "basic"])
@pytest.mark.parametrize("payload", ["full", "event"])
def test_what_somebody_does_in_halo_is_looked_at_without_waiting_for_a_round(
    web: models.Project,
    address: tuple[str, str],
    halo: HaloEmulator,
    worker: Callable[[], Worker],
    authentication: str,
    payload: str,
) -> None:
    url, secret = address
    halo.add_webhook(url, authentication=authentication, secret=secret, payload=payload)
    ticket, running = ticket_of(web), worker()
    assert ticket.halo_id
    halo.change_ticket(ticket.halo_id, status_id=2)
    wait_until(lambda: ticket_of(web).status == "In Progress")
    web.connection.refresh_from_db()
    assert web.connection.webhook_heard
    assert secret not in running.said() and str(halo.tickets[ticket.halo_id]["summary"]) not in running.said()


def test_a_storm_of_doubled_and_shuffled_webhooks_is_one_run(
    web: models.Project, address: tuple[str, str], halo: HaloEmulator
) -> None:
    url, secret = address
    halo.webhook_disorder = WebhookDisorder(duplicate=0.5, drop=0.2, delay=0.05, shuffle=True, seed=7)
    halo.add_webhook(url, authentication="hmac", secret=secret)
    ticket = ticket_of(web)
    assert ticket.halo_id
    for turn in range(20):
        halo.change_ticket(ticket.halo_id, status_id=2 + turn % 2)
    assert halo.wait_for_webhooks(20)
    assert {one["status"] for one in halo.webhook_log} <= {200, 0} and waiting_jobs() == [f"project-{web.pk}"]


def test_what_is_no_webhook_of_this_halo_asks_for_nothing(web: models.Project, address: tuple[str, str]) -> None:
    url, secret = address
    ticket = ticket_of(web)
    event = {"event": "ticket updated", "object_id": ticket.halo_id}
    proof = {"Authorization": basic(secret)}

    def sent(to: str = url, headers: dict[str, str] | None = None, **body: object) -> int:
        return requests.post(to, headers=headers, timeout=20, **(body or {"json": event})).status_code  # type: ignore[arg-type]

    assert sent() == sent(headers={"Authorization": basic("guessed")}) == sent(headers={"Token": "AAAA"}) == 401
    assert sent(to=url[:-1] + "%ff", headers=proof) == sent(to=url.rpartition("/")[0] + "/x", headers=proof) == 401
    assert sent(headers=proof, data=b"{") == sent(headers=proof, data=b"[1]") == 400
    assert sent(headers=proof, data=b" " * (1 << 20) + b"{}") == 413
    assert sent(headers=proof, files={"file": b"x"}) in (400, 401), "a form"
    assert requests.get(url, headers=proof, timeout=20).status_code == 405
    assert sent(headers=proof, json={**event, "object_id": 999_999}) == 200, "a ticket of somebody else"
    models.Project.objects.update(paused=True)
    assert sent(headers=proof) == 200
    models.Project.objects.update(paused=False)
    end_webhook(web.connection)
    assert sent(headers=proof) == 401
    assert waiting_jobs() == []
    assert new_webhook(web.connection).token not in url and sent(headers=proof) == 401


def test_an_answer_comes_after_the_job_is_in_the_database_and_when_one_came_is_kept(
    web: models.Project, address: tuple[str, str]
) -> None:
    url, secret = address
    event = [{"event": "ticket updated", "object_id": ticket_of(web).halo_id}] * 3
    long_ago = timezone.now() - timedelta(hours=1)
    models.Connection.objects.update(webhook_heard=long_ago)
    told = [
        requests.post(url, headers={"Authorization": basic(secret)}, json=event, timeout=20).json() for _ in range(2)
    ]
    assert told == [{"runs": 1}, {"runs": 0}] and waiting_jobs() == [f"project-{web.pk}"]
    heard = models.Connection.objects.get().webhook_heard
    assert heard and heard > long_ago
    requests.post(url, headers={"Authorization": basic(secret)}, json=event, timeout=20)
    assert models.Connection.objects.get().webhook_heard == heard, "to a minute"
