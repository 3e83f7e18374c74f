"""Which operation of the JSON API is for which key: each is asked with a key of each role, and without one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver
from ninja.operation import Operation

from remediation.store import models
from remediation.store.api_keys import ROLES
from remediation.web.api.urls import api
from remediation.web.roles import ADMIN, ANYBODY, is_at_least

from .conftest import BASE, Program

# What is not here is for viewers, and reads only.
WRITING = {
    ("POST", "/imports"): "analyst",
    ("PUT", "/imports/{number}/content"): "analyst",
    ("POST", "/ticket-for"): "analyst",
    ("POST", "/projects/{slug}/plans/{plan}/approve"): "approver",
}
# It looks at what the POST would do, as the page does.
OFFER = {("GET", "/ticket-for"): "analyst"}


def operations() -> Iterator[tuple[str, str, Operation]]:
    """The method, the path and the operation of all that the API can do."""
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for one in view.operations:
                for method in one.methods:
                    yield method, f"/{prefix}{path}", one


def address(path: str) -> str:
    return re.sub(r"\{\w+\}", "1", path.replace("{slug}", "dmz"))


def test_the_description_is_of_all_operations(store: str) -> None:
    described = Program(None).get("/openapi.json")["paths"]
    there = {(method, f"{BASE}{path}") for method, path, _ in operations()}
    assert {(method.upper(), path) for path, by_method in described.items() for method in by_method} == there
    assert len(there) >= 20


@pytest.mark.parametrize("role", ROLES)
def test_each_operation_is_for_the_roles_that_it_names(
    role: str, program: Callable[[str], Program], project: models.Project
) -> None:
    for method, path, _ in operations():
        wanted = {**WRITING, **OFFER}.get((method, path), "viewer")
        status, answer = program(role).ask(method, address(path), {})
        assert (status == 403) is not is_at_least(role, wanted), (method, path, status, answer)
        if status == 403:
            assert "This needs a key with the role" in answer["cause"]
    if role == "viewer":
        assert not models.AuditEntry.objects.exclude(what="API key made").exists()
        assert not models.Upload.objects.exists() and models.Plan.objects.get().approved_at is None


def test_only_what_is_listed_here_writes() -> None:
    assert {(method, path) for method, path, _ in operations() if method != "GET"} == set(WRITING)


def test_without_a_key_nothing_is_told(project: models.Project, as_role: Callable[[str], Client]) -> None:
    for method, path, _ in operations():
        for asked in (Program(None), Program("wrong")):
            status, answer = asked.ask(method, address(path), {})
            assert status == 401 and set(answer) == {"cause", "assistance"}, (method, path)
        session = as_role("admin").generic(method, BASE + address(path))
        assert session.status_code == 401, "what a browser's cookie says counts nothing"


def test_an_operation_that_names_no_role_is_for_nobody(store: str, program: Callable[[str], Program]) -> None:
    assert [one.role for one in api.auth] == [ADMIN]  # type: ignore[union-attr, attr-defined]
    assert ADMIN not in ROLES
    for _, path, one in operations():
        assert [auth.role for auth in one.auth_callbacks], path  # type: ignore[attr-defined]


def test_every_address_goes_by_keys_and_not_by_sessions(store: str) -> None:
    def of(within: Any) -> Iterator[URLPattern]:
        for pattern in within.url_patterns:
            if isinstance(pattern, URLPattern):
                yield pattern
            else:
                yield from of(pattern)

    (area,) = [one for one in all_resolvers(get_resolver()) if one.namespace == "api"]
    for pattern in of(area):
        view: Any = pattern.callback
        assert view.needs == {"read": ANYBODY, "write": ANYBODY} and view.csrf_exempt and not view.login_required
        assert view.takes_no_form


def all_resolvers(within: Any) -> Iterator[Any]:
    for pattern in within.url_patterns:
        if not isinstance(pattern, URLPattern):
            yield pattern
            yield from all_resolvers(pattern)
