"""Halo's webhook deliveries: is it Halo, and which tickets does it speak of. Pure; verified before it is parsed.

Halo signs with HMAC-SHA256 of the raw body, base64, in a header whose name the administrator chooses, ``Token`` in the
only production set-up that is known (seen live), or sends Basic credentials (official).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from typing import Any, Mapping

from .values.ids import as_id

SIGNATURE_HEADERS = ("Token", "X-Halo-Signature", "X-Hub-Signature-256")
# Far more than Halo batches (its batch_limit is set by the administrator); a hint each is cheap.
_MOST_EVENTS = 10_000
_LONGEST_NAME = 200


class UnreadableWebhook(ValueError):
    """The body is no JSON object or array of objects."""


def is_authentic(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Whether a delivery proves that its sender knows ``secret``: by HMAC in one of the headers, or by Basic password.

    Takes the same time wherever a wrong proof differs. An empty secret proves nothing.
    """
    if not secret:
        return False
    known = secret.encode("utf-8", "surrogatepass")
    digest = hmac.new(known, body, hashlib.sha256).digest()
    proofs = (_decoded(headers.get(name, "")) for name in SIGNATURE_HEADERS)
    signed = [hmac.compare_digest(digest, proof) for proof in proofs]
    return any(signed) | hmac.compare_digest(known, _basic_password(headers.get("Authorization", "")))


def _decoded(proof: str) -> bytes:
    """The bytes of a signature in hex or base64, with or without ``sha256=``; empty when it is neither."""
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
    """The tickets that a delivery speaks of, each once, in order. Raises UnreadableWebhook.

    A delivery is one event or an array of them (batching), with the ticket or without ("Event information only"). An
    event that is about something else than a ticket has none.
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
    """By the event's name; without a name the id is tried, since a wrong guess costs one read and makes no event."""
    name = event.get("event")
    if not isinstance(name, str) or not name.strip():
        return True
    # No name is longer; a search in a megabyte of them would hold up the trigger.
    words = re.sub(r"[^a-z0-9]+", "_", name[:_LONGEST_NAME].lower())
    return "ticket" in words or (bool(_TICKET_WORDS.search(words)) and not _OTHER_THINGS.search(words))
