"""Halo's webhook deliveries: whether the sender is Halo, and which tickets a delivery names. Pure.

A body is verified before it is parsed. Halo signs with the base64 of an HMAC-SHA256 of the raw body, in a header whose
name the administrator chooses: ``Token`` in the only production set-up that is known (seen live). Or it sends Basic
credentials (official).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any, Mapping

from .values.ids import as_id
from .values.sort_key import SortKey

SIGNATURE_HEADERS = ("Token", "X-Halo-Signature", "X-Hub-Signature-256")
# Far more than Halo sends in one batch (the administrator sets its batch_limit). A pending ticket costs little.
_MOST_EVENTS = 10_000
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Notice:
    """A webhook's word that a ticket may have changed.

    ``sent`` is when Halo says it sent it, "" when it does not say. ``agent_id`` is the agent whose change Halo tells
    of, None when it names none.
    """

    ticket_id: int
    sent: SortKey = SortKey()
    agent_id: int | None = None


class UnreadableWebhook(ValueError):
    """The body is no JSON object or array of objects."""


def is_authentic(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Whether a delivery proves that its sender knows ``secret``: by an HMAC in a header, or as the Basic password.

    The comparison takes the same time wherever a wrong proof differs. With an empty secret nothing is authentic.
    """
    if not secret:
        return False
    known = secret.encode("utf-8", "surrogatepass")
    digest = hmac.new(known, body, hashlib.sha256).digest()
    proofs = (_decoded(headers.get(name, "")) for name in SIGNATURE_HEADERS)
    signed = [hmac.compare_digest(digest, proof) for proof in proofs]
    return any(signed) | hmac.compare_digest(known, _basic_password(headers.get("Authorization", "")))


def _decoded(proof: str) -> bytes:
    """The bytes of a signature in hex or base64, with or without ``sha256=``; empty when it is in neither form."""
    text = proof.strip()
    text = text[7:] if text[:7].lower() == "sha256=" else text
    try:
        if len(text) == 2 * hashlib.sha256().digest_size:
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _basic_password(header: str) -> bytes:
    kind, _, encoded = header.strip().partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except (ValueError, binascii.Error):
        return b""


def ticket_ids(body: bytes) -> list[int]:
    """The ids of the tickets that a delivery names, each once, in order. Raises UnreadableWebhook.

    A delivery is one event or an array of events (batching), with or without the ticket ("Event information only").
    Events about anything else than a ticket are left out.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableWebhook("not JSON") from None
    events = data if isinstance(data, list) else [data]
    if not all(isinstance(event, dict) for event in events):
        raise UnreadableWebhook("not an object or an array of objects")
    found = (_ticket_id(event) for event in events[:_MOST_EVENTS])
    return list(dict.fromkeys(number for number in found if number is not None))


def _ticket_id(event: Mapping[str, Any]) -> int | None:
    ticket, thing = event.get("ticket"), event.get("object")
    if isinstance(ticket, Mapping) and as_id(ticket.get("id")):
        return as_id(ticket.get("id"))
    if as_id(event.get("ticket_id")):
        return as_id(event.get("ticket_id"))
    if not _is_about_a_ticket(event):
        return None
    return as_id(event.get("object_id")) or (as_id(thing.get("id")) if isinstance(thing, Mapping) else None)


# Halo writes "new ticket logged", "ticket status changed" (seen live); an administrator may rename a notification.
_TICKET_WORDS = re.compile(r"ticket|status.*changed|re_?assigned|logged|action|updated|closed|sla|deadline")
_OTHER_THINGS = re.compile(r"client|customer|asset|invoice|contract|appointment|user|opportunit|project|article|site")


def _is_about_a_ticket(event: Mapping[str, Any]) -> bool:
    """Judged by the event's name. Without a name the answer is yes: a wrong yes costs one read and makes no event."""
    name = event.get("event")
    if not isinstance(name, str) or not name.strip():
        return True
    # No event name is longer than this. Searching a megabyte of text would delay the trigger.
    words = re.sub(r"[^a-z0-9]+", "_", name[:_LONGEST_NAME].lower())
    return "ticket" in words or (bool(_TICKET_WORDS.search(words)) and not _OTHER_THINGS.search(words))
