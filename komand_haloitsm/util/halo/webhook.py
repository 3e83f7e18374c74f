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
_LONGEST_MESSAGE = 2000


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


def notices(body: bytes) -> list[Notice]:
    """What a delivery says about tickets, one Notice for each ticket, in order. Raises UnreadableWebhook.

    A delivery is one event or an array of events (batching), with or without the ticket ("Event information only").
    Events about anything else than a ticket are left out. Where several events name a ticket, ``sent`` is the latest,
    and "" when one of them has none; ``agent_id`` is kept when all of them have the same.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableWebhook("not JSON") from None
    events = data if isinstance(data, list) else [data]
    if not all(isinstance(event, dict) for event in events):
        raise UnreadableWebhook("not an object or an array of objects")
    found: dict[int, Notice] = {}
    for event in events[:_MOST_EVENTS]:
        sent, agent_id = SortKey.of(event.get("timestamp")), as_id(event.get("agent_id"))
        for ticket_id in _ticket_ids(event):
            notice = Notice(ticket_id, sent, agent_id)
            found[ticket_id] = _both(found[ticket_id], notice) if ticket_id in found else notice
    return list(found.values())


def _both(one: Notice, other: Notice) -> Notice:
    return Notice(
        one.ticket_id,
        max(one.sent, other.sent) if one.sent and other.sent else SortKey(),
        one.agent_id if one.agent_id == other.agent_id else None,
    )


def _ticket_ids(event: Mapping[str, Any]) -> list[int]:
    """The tickets that an event names.

    ``ticket`` and ``ticket_id`` can be nothing else. The object is a ticket unless the event's name says otherwise. The
    message counts beside it, because an event about an asset may tell of its ticket.
    """
    ticket, thing = event.get("ticket"), event.get("object")
    sure = (as_id(ticket.get("id")) if isinstance(ticket, Mapping) else None) or as_id(event.get("ticket_id"))
    if sure:
        return [sure]
    named = as_id(event.get("object_id")) or (as_id(thing.get("id")) if isinstance(thing, Mapping) else None)
    told = _in_message(event.get("message"))
    return list(dict.fromkeys(number for number in (_is_of_a_ticket(event) and named, told) if number))


# "The status has been changed for Ticket ID: 0004242." (seen live)
_TICKET_ID = re.compile(r"\bticket[\s_-]*(?:id|no\.?|number|#)[\s:#]*([0-9]{1,19})\b", re.IGNORECASE | re.ASCII)
# Halo has these words in the names of events that are not about tickets. After "by", "from" and the like a word only
# says whose doing it was: "Updated by user", "Reply from customer".
_OTHER_THING = re.compile(
    r"(?<!_by)(?<!_from)(?<!_for)(?<!_to)(?<!_with)(?<!_on)(?<!_at)_"
    r"(?:client|customer|asset|invoice|contract|appointment|user|opportunit(?:y|ie)|project|article|site|supplier"
    r"|quotation)s?(?:_|$)"
)
# Whatever else is in the name, it is about a ticket.
_TICKET_WORD = re.compile(r"ticket|(?:^|_)(?:incident|request|problem|sla|deadline|escalat|re_?assign|repl[iy]|respon)")


def _is_of_a_ticket(event: Mapping[str, Any]) -> bool:
    """Whether the object of an event may be a ticket: unless its name clearly names another thing.

    An administrator may give a notification any name ("Escalation to night shift"). A wrong yes costs one read and
    makes no event; a wrong no loses the event until the next poll.
    """
    name = event.get("event")
    if not isinstance(name, str):
        return True
    # No event name is longer than this. Searching a megabyte of text would delay the trigger.
    words = "_" + re.sub(r"[^a-z0-9]+", "_", name[:_LONGEST_NAME].lower()).strip("_")
    return bool(_TICKET_WORD.search(words)) or not _OTHER_THING.search(words)


def _in_message(message: Any) -> int | None:
    """The ticket that a message names with its id; the first, when there are more."""
    found = _TICKET_ID.search(message[:_LONGEST_MESSAGE]) if isinstance(message, str) else None
    return as_id(found.group(1)) if found else None
