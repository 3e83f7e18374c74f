"""A form with a NUL in it is refused: no text in the database can hold one, and no person types one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse


def no_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware. It comes after the one that looks where a form is from, which reads it."""

    def looked_at(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, view: Any, *_: Any) -> None:
        if getattr(view, "takes_no_form", False):
            return
        if any("\0" in text for _, texts in request.POST.lists() for text in texts):
            raise BadRequest("A field of the form holds a NUL.")

    looked_at.process_view = process_view  # type: ignore[attr-defined]  # Django asks a middleware for it
    return looked_at
