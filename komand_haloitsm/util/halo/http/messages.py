"""Requests to Halo and what comes of them, as plain data: a response, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Mapping


class NoResponseKind(str, Enum):
    """Why no response came. The first six are failures *before* a request left: Halo cannot have processed it."""

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
    """One call: ``path`` below the base address; ``body`` is JSON-able, or a ``form`` of text pairs.

    ``repeatable`` says that doing it twice does no more than doing it once: reads, deletions, updates by id.
    ``label`` is how logs and errors name the request; it never holds a query or a body.
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
    """A complete HTTP response. ``data`` is the parsed JSON, or None; ``readable`` says whether there was any JSON.

    ``text`` is the start of the body (at most 4,000 characters), ``date`` Halo's own clock from the ``Date`` header.
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
