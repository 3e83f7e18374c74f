"""The emulator's own log of requests: a test device of ours."""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from requests.structures import CaseInsensitiveDict

REDACTED = "REDACTED"
_SECRET_FIELDS = {"client_secret", "password", "refresh_token", "assertion"}


@dataclass
class RecordedRequest:
    """One request as it arrived, `at` so many seconds since 1970 by Halo's clock. `status` is 0 until a response is
    sent, and stays 0 if none is."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    status: int = 0
    at: float = 0.0


def parsed_body(content_type: str, raw: bytes) -> Any:
    """The body as JSON, or as a dict of form fields, or None."""
    if not raw:
        return None
    if content_type.lower().startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def without_secrets(body: Any) -> Any:
    """The body with its secrets replaced (only top-level fields of a form or object hold secrets)."""
    if not isinstance(body, dict):
        return body
    return {key: REDACTED if key.lower() in _SECRET_FIELDS else value for key, value in body.items()}


def readable_headers(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The headers, found in any letter case, with the value of Authorization replaced."""
    return CaseInsensitiveDict(
        (name, REDACTED if name.lower() in ("authorization", "cookie") else value) for name, value in headers
    )


class RequestLog:
    """Requests in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entries: list[RecordedRequest] = []

    def add(self, entry: RecordedRequest) -> RecordedRequest:
        """Logs a request that has just arrived."""
        with self._lock:
            self.entries.append(entry)
        return entry

    def snapshot(self) -> list[RecordedRequest]:
        """The requests so far."""
        with self._lock:
            return list(self.entries)

    def forget(self) -> None:
        """Empties the log."""
        with self._lock:
            self.entries = []
