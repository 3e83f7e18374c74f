"""How an operation of the JSON API is declared: for which role, with which parameters, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from ninja import Router, Status
from ninja.security import HttpBearer

from ...store import models
from ...store.api_keys import admit
from ...store.roles import is_at_least
from ..roles import NAMES
from .problems import MAKES_KEYS, Problem, Refused, no_key, not_understood

Operation = TypeVar("Operation", bound=Callable[..., Any])
Parameter = Mapping[str, Any]
# What every operation may answer beside what it is for.
_ALWAYS = (400, 401, 403, 422, 429, 500)


class ApiKey(HttpBearer):
    """Lets those requests pass whose key has at least a role. What a browser's cookie says counts nothing."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def authenticate(self, request: HttpRequest, token: str) -> models.ApiKey:  # pylint: disable=unused-argument
        """The key. Raises Refused."""
        key, wait = admit(token.strip(), timezone.now(), settings.API_REQUESTS)
        if key is None:
            raise no_key()
        if wait:
            raise _too_many(int(wait) + 1)
        if not is_at_least(key.role, self.role):
            needed, held = NAMES[self.role], NAMES[key.role]
            raise Refused(
                403,
                f"This needs a key with the role {needed} or a higher one. This key has the role {held}.",
                f"Use another key. {MAKES_KEYS}",
            )
        return key


def key_of(request: HttpRequest) -> models.ApiKey:
    """The key of a request that has passed. As a text, it is who did something."""
    key: models.ApiKey = request.auth  # type: ignore[attr-defined]  # django-ninja sets it
    return key


def _too_many(wait: int) -> Refused:
    cause = f"There were more than {settings.API_REQUESTS} requests a minute with this key."
    return Refused(429, cause, f"Wait {wait} seconds.", {"Retry-After": str(wait)})


def operation(
    router: Router,
    method: str,
    path: str,
    *,
    role: str,
    answer: Any,
    parameters: Sequence[Parameter] = (),
    refusals: Collection[int] = (),
    headers: Sequence[Parameter] = (),
    body: Mapping[str, Any] | None = None,
) -> Callable[[Operation], Operation]:
    """Declares a view as an operation. ``answer`` is the schema of its answer, or one for each status, the usual first.

    ``parameters`` are those in the query, as OpenAPI describes them: the view finds them in ``request.GET``, and others
    are refused. ``headers`` are described in the same way. ``refusals`` are the statuses of problems that only it has.
    ``body`` describes one that is no JSON.
    """
    known = {one["name"]: one["schema"]["type"] == "array" for one in parameters}
    answers = answer if isinstance(answer, dict) else {200: answer}
    usual = next(iter(answers))
    extra: dict[str, Any] = {"parameters": [*parameters, *headers]}
    if body is not None:
        extra["requestBody"] = body

    def declared(view: Operation) -> Operation:
        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **more: Any) -> Any:
            _require_understood(request.GET, known)
            found = view(request, *args, **more)
            return found if isinstance(found, Status) else Status(usual, found)

        # With types and not their names, which django-ninja would look for in this module.
        asked.__signature__ = signature(view, eval_str=True)  # type: ignore[attr-defined]  # inspect's own way
        router.api_operation(
            [method],
            path,
            auth=ApiKey(role),
            response={**answers, frozenset({*_ALWAYS, *refusals}): Problem},
            operation_id=view.__name__,
            summary=f"{view.__name__.replace('_', ' ').capitalize()} ({NAMES[role].lower()})",
            openapi_extra=extra,
        )(asked)
        return view

    return declared


def _require_understood(given: QueryDict, known: Mapping[str, bool]) -> None:
    """Raises Refused for what would be ignored: a parameter that is not known or has no value, or the second value of
    one that has a single one. ``known``: whether each has several."""
    for name, texts in given.lists():
        if name not in known:
            raise not_understood(f"There is no parameter {name!r}.")
        if not all(text.strip() for text in texts):
            raise not_understood(f"The parameter {name} is empty.")
        if len(texts) > 1 and not known[name]:
            raise not_understood(f"The parameter {name} is given more than once.")
