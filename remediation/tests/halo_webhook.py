"""Webhooks as Halo sends them, to the service's own address for them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from uuid import uuid4

from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from remediation.tickets.webhook import Webhook


def told_of(number: int) -> bytes:
    """What Halo sends of a ticket, where it sends the event only."""
    return json.dumps({"id": str(uuid4()), "object_id": number, "event": "ticket updated"}).encode()


def sent(webhook: Webhook, body: bytes, *, forged: bool = False) -> int:
    """How many runs a webhook asks for that were not asked for before; none for a forged one, which is refused."""
    secret = "another" if forged else webhook.secret
    proof = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    answer = Client(SERVER_NAME="127.0.0.1").post(
        f"/webhooks/halo/{webhook.token}", body, content_type="application/json", headers={"Token": proof}
    )
    assert answer.status_code == (401 if forged else 200)
    return 0 if forged else int(answer.json()["runs"])


class Deliveries:
    """The webhooks of one instance, in whatever way they come."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._bodies: list[bytes] = []

    def asks_for_a_run(self, number: int, how: str) -> bool:
        """Whether a run is asked for by a webhook about a ticket that is ``sent``, ``doubled``, ``forged`` or ``late``:
        after others, and about what was long ago. The queue is empty after that, as if the run had begun."""
        self._bodies.append(told_of(number))
        body = self._bodies[0] if how == "late" else self._bodies[-1]
        asked = [sent(self._webhook, body, forged=how == "forged") for _ in range(2 if how == "doubled" else 1)]
        # The second of two asks for nothing more, and a forged one for nothing.
        assert sum(asked) <= 1 and (how != "forged" or not sum(asked))
        jobs = ProcrastinateJob.objects.filter(task_name="run_project", status="todo")
        return bool(jobs.delete()[0])
