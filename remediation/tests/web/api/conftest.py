"""Programs that use the JSON API, each with a key of a role."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from remediation.store.api_keys import make_key

BASE = "/api/v1"


@dataclass
class Program:
    """A program that sends its key, if it has one, and no cookie."""

    key: str | None = field(repr=False)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """The status and the JSON of an answer. ``path`` begins below the API."""
        answer = self.answer(method, path, body, **more)
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.status_code, answer.json()

    def answer(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """An answer. ``body`` is sent as it is where it is bytes, else as JSON."""
        headers = {"host": "localhost"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        client = Client(enforce_csrf_checks=True, headers=headers)
        return client.generic(method, f"{BASE}{path}", content, **{"content_type": kind, **more})

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a page that there is."""
        status, found = self.ask("GET", path, QUERY_STRING=urlencode(query, doseq=True))
        assert status == 200, found
        return found


@pytest.fixture
def program(store: str) -> Callable[[str], Program]:
    """``program("analyst")``: one with a key of that role."""
    made: dict[str, Program] = {}

    def having(role: str) -> Program:
        if role not in made:
            made[role] = Program(make_key(f"{role}'s", role, "admin"))
        return made[role]

    return having


@pytest.fixture
def viewer(program: Callable[[str], Program]) -> Program:
    return program("viewer")
