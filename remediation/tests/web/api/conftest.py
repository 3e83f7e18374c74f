"""Programs that use the JSON API, each with a key of a role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from remediation.store.api_keys import make_key

BASE = "/api/v1"


@dataclass
class Program:
    """A program that sends its key, if it has one, and no cookie."""

    key: str | None

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """The status and the JSON of an answer. ``path`` begins below the API."""
        answer = self.answer(method, path, body, **more)
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.status_code, answer.json()

    def answer(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        headers = {"host": "localhost"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        given = {"data": body, "content_type": "application/json"} | more.pop("sent", {})
        client = Client(enforce_csrf_checks=True, headers=headers | more.pop("headers", {}))
        return client.generic(method, f"{BASE}{path}", **_as_bytes(given), **more)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a page that there is."""
        status, found = self.ask("GET", path, QUERY_STRING=_query(query))
        assert status == 200, found
        return found


def _as_bytes(given: dict[str, Any]) -> dict[str, Any]:
    import json

    data = given["data"]
    if data is not None and not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return {**given, "data": data or b""}


def _query(given: dict[str, Any]) -> str:
    from urllib.parse import urlencode

    return urlencode(given, doseq=True)


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
