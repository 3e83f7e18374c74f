"""Requests to Halo and their results as plain data: a response, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Mapping


class NoResponseKind(str, Enum):
    """Why no response came. With the first six the request was never sent, so Halo cannot have processed it."""

    NAME = "name"
    REFUSED = "refused"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY = "proxy"
    TLS = "tls"
    CERTIFICATE = "certificate"
    READ_TIMEOUT = "read_timeout"
    LOST = "lost"
    TOO_LARGE = "too_large"


NOT_SENT = frozenset(
    {
        NoResponseKind.NAME,
        NoResponseKind.REFUSED,
        NoResponseKind.CONNECT_TIMEOUT,
        NoResponseKind.PROXY,
        NoResponseKind.TLS,
        NoResponseKind.CERTIFICATE,
    }
)


@dataclass(frozen=True)
class Request:
    """One request. ``path`` is below the base address. It has a JSON ``body`` or a ``form`` of text pairs, or neither.

    ``repeatable`` means that sending it twice has the same effect as sending it once: reads, deletions, updates by id.
    ``label`` names the request in logs and errors; it never holds a query or a body.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    repeatable: bool = True

    @property
    def label(self) -> str:
        return f"{self.method} {self.path or '(token)'}"


@dataclass(frozen=True)
class Response:
    """A complete HTTP response. ``data`` is the parsed JSON. ``readable`` is False when the body is not JSON.

    ``text`` is then the start of the body (at most 4,000 characters). ``date`` is Halo's own clock, from the ``Date``
    header.
    """

    status: int
    data: Any = None
    readable: bool = True
    text: str = ""
    html: bool = False
    date: datetime | None = None
    retry_after: str = ""
    location: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class NoResponse:
    """No complete response came; ``detail`` is a short reason without secrets (a class name, an errno text)."""

    kind: NoResponseKind
    detail: str = ""
