"""The JSON API, and its addresses: all of its areas put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI

from ..roles import ADMIN, ANYBODY, needs
from . import devices, findings, imports, projects, runs, ticket_for, tickets, vulnerabilities
from .operations import ApiKey
from .problems import answer_problems, no_such_address, no_such_method

BASE = "api/v1/"

api = NinjaAPI(
    title="Remediation",
    version="1",
    description="Findings of vulnerability scanners and the HaloITSM tickets that they become. Each operation names "
    "the role that its key needs. Dates are ISO 8601 in UTC. What is refused is answered by a Problem.",
    urls_namespace="api",
    openapi_url="openapi.json",
    docs_url=None,
    # No key has this role: an operation that does not say for whom it is is for nobody.
    auth=ApiKey(ADMIN),
)
answer_problems(api)
for _area in (vulnerabilities, findings, devices, projects, runs, imports, tickets, ticket_for):
    api.add_router(_area.__name__.rpartition(".")[2].replace("_", "-"), _area.router)


def _for_programs(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view of an address of the API: it is not believed by a cookie, but by a key that no browser adds."""

    @needs(ANYBODY)
    @csrf_exempt
    @login_not_required
    def answered(request: HttpRequest, *args: Any, **more: Any) -> HttpResponse:
        answer = view(request, *args, **more)
        return no_such_method(request, answer) if isinstance(answer, HttpResponseNotAllowed) else answer

    # It reads its body itself, as JSON or as bytes.
    answered.takes_no_form = True  # type: ignore[attr-defined]  # read by web.no_nul
    return answered


def _patterns() -> list[URLPattern]:
    found = [one for one in api.urls[0] if isinstance(one, URLPattern)]
    for pattern in found:
        # Django-ninja's own view there only exists to be named.
        view = no_such_address if pattern.name == "api-root" else pattern.callback
        pattern.callback = _for_programs(view)
    return [*found, re_path("", _for_programs(no_such_address), name="nowhere")]


urlpatterns = [path(BASE, include((_patterns(), "ninja"), namespace="api"))]
