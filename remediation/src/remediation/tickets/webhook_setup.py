"""Sets a webhook of the service's up in HaloITSM itself, where the API application may do so.

The requests are those of one production client. None was sent to a HaloITSM of ours.
"""

from __future__ import annotations

from typing import Any

from haloitsm_client import HaloClient, HaloError, UncertainWrite
from haloitsm_client.http.messages import Request

from .webhook import Webhook

NAME = "Remediation"
# The numbers of Halo's events (seen live), each in the variant for all tickets.
EVENTS = {
    19: "Ticket updated by user",
    39: "Ticket closed",
    61: "Ticket updated",
    76: "Ticket status changed",
    1072: "Ticket deleted",
}
# HMAC with SHA-256 in a header named Token.
_HMAC = "3"


class NotSetUp(Exception):
    """HaloITSM did not take it all. The text says what was done, and what is left to do by hand."""


def set_up(client: HaloClient, webhook: Webhook, url: str) -> None:
    """Make a webhook for ``url`` in HaloITSM and subscribe it to EVENTS. Raises NotSetUp.

    Nothing is sent a second time: what has an unknown outcome is looked up once.
    """
    try:
        number = _made(client, webhook, url)
    except HaloError as error:
        raise NotSetUp(f"HaloITSM made no webhook. {_words(error)} Do it by hand, as below.") from None
    missing = []
    said = ""
    for event, name in EVENTS.items():
        try:
            client.call(_subscription(number, event, name))
        except HaloError as error:
            missing.append(name)
            said = _words(error)
    if missing:
        names = ", ".join(missing)
        raise NotSetUp(f"HaloITSM has the webhook {NAME!r}, but perhaps not its events: {names}. {said} Look there.")


def _made(client: HaloClient, webhook: Webhook, url: str) -> str:
    """The webhook's number in HaloITSM. Raises HaloError."""
    try:
        answered = client.call(_creation(webhook, url)).data
        found = answered[0] if isinstance(answered, list) and answered else answered
        number = found.get("id") if isinstance(found, dict) else None
    except UncertainWrite:
        number = None
    number = number or _there(client, url)
    if not number:
        raise HaloError(
            kind="webhook",
            cause="HaloITSM did not say whether it made the webhook, and does not list it.",
            assistance="Look at Configuration > Integrations > Webhooks.",
        )
    return str(number)


def _there(client: HaloClient, url: str) -> str:
    """The number of the webhook with an address, "" where none is listed."""
    answered = client.call(Request("GET", "/Webhook")).data
    rows = answered.get("webhooks") if isinstance(answered, dict) else answered
    found = [row for row in rows if isinstance(row, dict) and row.get("url") == url] if isinstance(rows, list) else []
    return str(found[0].get("id") or "") if found else ""


def _creation(webhook: Webhook, url: str) -> Request:
    body: dict[str, Any] = {
        "name": NAME,
        "url": url,
        "active": True,
        "type": 0,
        "method": 0,  # POST
        "content_type": "application/json",
        "authentication_type": _HMAC,
        "authentication_header": "Token",
        "basic_password": webhook.secret,
        "algorithm": 0,  # SHA-256
    }
    return Request("POST", "/Webhook", body=[body], repeatable=False)


def _subscription(number: str, event: int, name: str) -> Request:
    body: dict[str, Any] = {
        "guid": None,
        "name": f"{NAME}: {name}",
        "eventno": event,
        "type": -2,
        "delivery_method": 6,  # by a webhook
        "webhook_id": number,
        "agent_id": 0,
        "filter_type": 2,
        "restriction_type": 0,
        "conditions": [],
    }
    return Request("POST", "/Notification", body=[body], repeatable=False)


def _words(error: HaloError) -> str:
    return f"{error.cause} {error.assistance}".strip()
