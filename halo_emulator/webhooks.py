"""Webhook deliveries, as Halo's notifications send them.

- The payload with its ticket is seen live. "Event information only" is an official option.
- Batches as an array: one vendor guide.
- Basic: official and seen live. HMAC in the header Token, base64 of HMAC-SHA256 over the raw body: seen live.
- There is one attempt only (no retry is documented).

Everything in WebhookDisorder is a test device of ours.
"""

import base64
import hashlib
import heapq
import hmac
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from .clock import Clock
from .store import Action, Ticket

# "ticket updated" and "ticket closed" are guesses; the others are seen live.
EVENT_NAMES = {
    3: "new ticket logged",
    39: "ticket closed",
    61: "ticket updated",
    76: "ticket status changed",
    1072: "ticket deleted",
}
_MESSAGES = {
    3: "A new ticket has been logged. Ticket ID: {0:07d}.",
    39: "The ticket has been closed. Ticket ID: {0:07d}.",
    61: "The ticket has been updated. Ticket ID: {0:07d}.",
    76: "The status has been changed for Ticket ID: {0:07d}.",
    1072: "The ticket has been deleted. Ticket ID: {0:07d}.",
}
SEND_TIMEOUT = 5.0
# How long a batch waits for more events, and over how long a shuffle spreads them when no delay is set.
BATCH_WAIT = 0.05
SHUFFLE_SPREAD = 0.05


@dataclass(frozen=True)
class WebhookDisorder:
    """What the network does to deliveries: the probabilities of a duplicate and of a loss, a random delay of up to
    `delay` seconds (the order is kept unless `shuffle`), and the seed of the random numbers."""

    duplicate: float = 0.0
    drop: float = 0.0
    delay: float = 0.0
    shuffle: bool = False
    seed: int = 0


@dataclass(order=True)
class _Due:
    at: float
    place: int
    webhook: dict[str, Any] = field(compare=False)
    payload: dict[str, Any] = field(compare=False)
    lost: bool = field(compare=False, default=False)


class Webhooks:
    """Webhooks, the queue of deliveries, and the thread that sends them in order."""

    def __init__(self, clock: Clock, shape: Callable[[Ticket], dict[str, Any]]) -> None:
        self._clock = clock
        self._shape = shape
        self._changed = threading.Condition()
        self._queue: list[_Due] = []
        self._unfinished = 0
        self._place = 0
        self._last_due = 0.0
        self._disorder = WebhookDisorder()
        self._dice = random.Random(0)  # nosec B311: disorder, no secret
        self._thread: threading.Thread | None = None
        self._webhooks: list[dict[str, Any]] = []
        self._log: list[dict[str, Any]] = []

    def add(
        self,
        url: str,
        events: Iterable[str | int] | None,
        authentication: str,
        secret: str,
        payload: str,
        batch: int,
        username: str = "halo",
    ) -> dict[str, Any]:
        """Registers a receiver for some events, by name or number, or for all."""
        if authentication not in ("none", "basic", "hmac") or payload not in ("full", "event"):
            raise ValueError("authentication is none, basic or hmac; payload is full or event")
        wanted = None if events is None else {EVENT_NAMES.get(e, "") if isinstance(e, int) else e for e in events}
        webhook = {
            "id": str(uuid.uuid4()),
            "url": url,
            "events": wanted,
            "authentication": authentication,
            "secret": secret,
            "payload": payload,
            "batch": batch,
            "username": username,
            "active": True,
        }
        with self._changed:
            self._webhooks.append(webhook)
        return webhook

    def all(self) -> list[dict[str, Any]]:
        """The webhooks that there are."""
        with self._changed:
            return list(self._webhooks)

    def subscribe(self, webhook_id: str, event: object) -> bool:
        """Sends a webhook the events of a number, too; False where there is no such webhook."""
        with self._changed:
            found = next((webhook for webhook in self._webhooks if webhook["id"] == webhook_id), None)
            if found is not None and isinstance(event, int) and event in EVENT_NAMES:
                found["events"] = {*(found["events"] or ()), EVENT_NAMES[event]}
            return found is not None

    @property
    def disorder(self) -> WebhookDisorder:
        """The present disorder. Setting it starts the random numbers anew from its seed."""
        return self._disorder

    @disorder.setter
    def disorder(self, disorder: WebhookDisorder) -> None:
        with self._changed:
            self._disorder = disorder
            self._dice = random.Random(disorder.seed)  # nosec B311: as above

    def log(self) -> list[dict[str, Any]]:
        """The deliveries so far, one record per event."""
        with self._changed:
            return list(self._log)

    def event(self, number: int, ticket: Ticket, action: Action | None, agent_id: int) -> None:
        """Queues an event for every webhook that wants it; sends nothing itself."""
        name = EVENT_NAMES[number]
        with self._changed:
            wanting = [w for w in self._webhooks if w["active"] and (w["events"] is None or name in w["events"])]
        for webhook in wanting:
            self._enqueue(webhook, self._payload(webhook, number, ticket, action, agent_id))

    def _payload(
        self, webhook: dict[str, Any], number: int, ticket: Ticket, action: Action | None, agent_id: int
    ) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "webhook_id": webhook["id"],
            "notification_id": 40 + list(EVENT_NAMES).index(number),
            "escmsg_id": str(uuid.uuid4()),
            "event": EVENT_NAMES[number],
            "message": _MESSAGES[number].format(ticket["id"]),
            "object_id": ticket["id"],
            "agent_id": agent_id,
            "timestamp": self._clock.now(),
        }
        if webhook["payload"] == "full":
            payload["ticket"] = self._shape(ticket)
            if action is not None:
                payload["action"] = dict(action)
        return payload

    def _enqueue(self, webhook: dict[str, Any], payload: dict[str, Any]) -> None:
        with self._changed:
            copies = 2 if self._dice.random() < self._disorder.duplicate else 1
            for _ in range(copies):
                self._place += 1
                lost = self._dice.random() < self._disorder.drop
                heapq.heappush(self._queue, _Due(self._due_at(), self._place, webhook, payload, lost))
                self._unfinished += 1
            self._changed.notify_all()

    def _due_at(self) -> float:
        now, disorder = time.monotonic(), self._disorder
        if disorder.shuffle:
            return now + self._dice.uniform(0, max(disorder.delay, SHUFFLE_SPREAD))
        self._last_due = max(self._last_due, now + self._dice.uniform(0, disorder.delay))
        return self._last_due

    def start(self) -> None:
        """Starts sending."""
        self._thread = threading.Thread(target=self._run, name="halo-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the sending thread, at the latest after the delivery under way. Queued deliveries stay queued."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            # A receiver that never answers must not delay the end of a test.
            thread.join(0.2)

    def wait(self, timeout: float) -> bool:
        """Waits until every delivery that is due was attempted."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished == 0, timeout)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                parcel = self._next_parcel()
                if parcel is None:
                    return
                self._deliver(session, parcel)

    def _next_parcel(self) -> list[_Due] | None:
        """The next delivery, or a batch of them for the same webhook; None once stopped."""
        with self._changed:
            while self._thread is threading.current_thread():
                wait = self._seconds_to_next()
                if wait is not None and wait <= 0:
                    return self._taken()
                self._changed.wait(wait)
        return None

    def _seconds_to_next(self) -> float | None:
        if not self._queue:
            return None
        first = self._queue[0]
        if first.webhook["batch"] <= 1 or self._queued_for(first.webhook) >= first.webhook["batch"]:
            return first.at - time.monotonic()
        return first.at + BATCH_WAIT - time.monotonic()

    def _queued_for(self, webhook: dict[str, Any]) -> int:
        now = time.monotonic()
        return sum(due.webhook is webhook and due.at <= now for due in self._queue)

    def _taken(self) -> list[_Due]:
        first = heapq.heappop(self._queue)
        now = time.monotonic()
        parcel: list[_Due] = [first]
        left: list[_Due] = []
        while self._queue and len(parcel) < first.webhook["batch"]:
            due = heapq.heappop(self._queue)
            (parcel if due.webhook is first.webhook and due.at <= now else left).append(due)
        for due in left:
            heapq.heappush(self._queue, due)
        return parcel

    def _deliver(self, session: requests.Session, parcel: list[_Due]) -> None:
        webhook = parcel[0].webhook
        request_id = str(uuid.uuid4())
        sent_at = self._clock.now()
        kept = [due.payload for due in parcel if not due.lost]
        status = _send(session, webhook, kept if webhook["batch"] > 1 else kept[0], request_id) if kept else 0
        records = [
            {
                "webhook_id": webhook["id"],
                "event": due.payload["event"],
                "status": 0 if due.lost else status,
                "request_id": request_id,
                "sent_at": sent_at,
                "event_id": due.payload["id"],
                "object_id": due.payload["object_id"],
            }
            for due in parcel
        ]
        with self._changed:
            self._log += records
            self._unfinished -= len(parcel)
            self._changed.notify_all()


def signature(secret: str, raw: bytes) -> str:
    """The value of the header Token when deliveries are signed by HMAC."""
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


def _send(session: requests.Session, webhook: dict[str, Any], body: Any, request_id: str) -> int:
    raw = json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode()
    headers = {
        # "Halo PSA" was seen live from HaloPSA; the spelling for HaloITSM is a guess.
        "app": "Halo ITSM",
        "content-type": "application/json; charset=utf-8",
        "request-id": request_id,
        "traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00",
    }
    if webhook["authentication"] == "hmac":
        headers["Token"] = signature(webhook["secret"], raw)
    elif webhook["authentication"] == "basic":
        pair = f"{webhook['username']}:{webhook['secret']}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    try:
        response = session.post(webhook["url"], data=raw, headers=headers, timeout=SEND_TIMEOUT, allow_redirects=False)
    except requests.RequestException:
        return 0
    return response.status_code
