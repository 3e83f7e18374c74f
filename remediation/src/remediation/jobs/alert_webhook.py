"""Sends a message with alerts to a webhook, as an API Trigger of InsightConnect takes it: JSON, by POST.

The header Idempotency-Key, and ``id`` in what is sent, are the same each time one message is sent. Whether the other
side looks at it, is its own affair: of InsightConnect it is not known to (documented only: POST, JSON, X-API-Key).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from ..domain.sending import Outcome
from ..reachable import NotReachable, require_reachable

# Seconds to connect, between two parts of an answer, and for all of it.
TIMEOUTS = (10.0, 20.0)
LONGEST = 60.0
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
# Those that say how a request is read are not a person's to choose.
_OWN = frozenset({"host", "content-length", "content-type", "transfer-encoding", "idempotency-key", "connection"})


def require_webhook(url: str, header: str) -> None:
    """Refuse an address that is not asked, or one that would get the key in the open, and a header that is none.
    Raises NotReachable."""
    require_reachable(url, settings.NETWORKS)
    parts = urlsplit(url)
    if parts.scheme != "https" and not _is_here(parts.hostname or ""):
        raise NotReachable("The address of a webhook begins with https://.")
    if not _HEADER.fullmatch(header) or header.lower() in _OWN:
        raise NotReachable("The header is written as X-API-Key, and is none that a request has anyway.")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def post(url: str, header: str, key: str, identity: str, content: Mapping[str, Any]) -> tuple[Outcome, str]:
    """Send a message; how that ended, and why in words. It takes LONGEST seconds at most."""
    try:
        require_webhook(url, header)
    except NotReachable as error:
        return Outcome.LATER, str(error)
    headers = {"Idempotency-Key": identity, **({header: key} if key else {})}
    found: list[tuple[Outcome, str]] = []
    asking = threading.Thread(target=lambda: found.append(_posted(url, headers, content)), daemon=True)
    asking.start()
    # Each part of an answer may take its time, and there may be any number of them.
    asking.join(LONGEST)
    return found[0] if found else (Outcome.UNKNOWN, f"{_host(url)} did not end its answer in {LONGEST:g} s.")


def _posted(url: str, headers: Mapping[str, str], content: Mapping[str, Any]) -> tuple[Outcome, str]:
    host = _host(url)
    try:
        with requests.Session() as session:
            # No password of a .netrc file.
            session.auth = lambda request: request
            with session.post(
                url, json=content, headers=dict(headers), timeout=TIMEOUTS, stream=True, allow_redirects=False
            ) as answer:
                status = answer.status_code
    except (requests.exceptions.SSLError, requests.exceptions.ConnectTimeout) as error:
        return Outcome.LATER, f"{host} could not be connected to ({type(error).__name__})."
    except requests.exceptions.RequestException as error:
        return Outcome.UNKNOWN, f"{host} gave no answer ({type(error).__name__}). It is sent again with the same key."
    except (ValueError, OSError) as error:
        return (
            Outcome.LATER,
            f"The request could not be sent ({type(error).__name__}). Look at the address and the key.",
        )
    if 200 <= status < 300:
        return Outcome.DONE, f"{host} took it (status {status})."
    return Outcome.LATER, f"{host} answered with status {status}. {_MEANINGS.get(status, 'It is tried again later.')}"


_MEANINGS = {
    401: "Correct the key.",
    403: "Correct the key.",
    404: "Correct the address.",
    410: "Correct the address.",
    413: "It takes no message of this size.",
}


def _host(url: str) -> str:
    return urlsplit(url).hostname or "The webhook"
