"""A stand-in for an API Trigger of InsightConnect: it takes JSON by POST, with a key in X-API-Key where one is set."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from flask import Flask, Response, redirect, request

from stand_ins.loopback import Loopback

PATH = "/connect/v1/workflows/11111111-2222-3333-4444-555555555555/events/execute_async"


@dataclass(frozen=True)
class Call:
    """What it took: the headers, by their names in lower case, and the JSON."""

    headers: dict[str, str]
    content: Any


class ApiTrigger(Loopback):
    """``calls`` are those that it took. ``status`` is what it answers to the others; ``drops``: it takes a call and
    ends the connection without an answer; ``elsewhere``: it redirects there."""

    now = datetime(2026, 11, 20, tzinfo=timezone.utc)

    def __init__(self, key: str = "", port: int = 0) -> None:
        super().__init__(port)
        self.key = key
        self.calls: list[Call] = []
        self.status = 200
        self.drops = False
        self.elsewhere = ""

    @property
    def address(self) -> str:
        """Where it takes them."""
        return f"{self.url}{PATH}"

    def app(self) -> Flask:
        """What answers."""
        made = Flask("api-trigger")
        made.add_url_rule(PATH, "take", self._take, methods=["POST"])
        return made

    def _take(self) -> Response:
        if self.elsewhere:
            return redirect(self.elsewhere, 307)  # type: ignore[return-value]  # Flask's is a Response
        if request.headers.get("X-API-Key", "") != self.key:
            return Response(status=401)
        if self.status >= 300:
            return Response(status=self.status)
        self.calls.append(Call({name.lower(): value for name, value in request.headers}, request.get_json()))
        if self.drops:
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return Response('{"resource": {"job": "1"}}', status=self.status, content_type="application/json")
