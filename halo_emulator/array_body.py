"""POST bodies: Halo accepts arrays only, and answers with the object (official and seen live)."""

from typing import Any

from flask import Response, request

from .answers import answer
from .refusals import message, not_an_array
from .settings import Settings
from .ticket_shape import is_on


def posted_objects() -> list[dict[str, Any]]:
    """The objects of the array that was posted. That an empty array or a non-object is refused is a guess."""
    body = request.environ["halo.body"]
    if not isinstance(body, list):
        raise not_an_array()
    if not body or not all(isinstance(item, dict) for item in body):
        raise message(400, "The request is invalid.")
    return body


def posted(settings: Settings, results: list[dict[str, Any]]) -> Response:
    """201 with the last object, or with a list for ?returnall=true (seen live) or if the setting asks for one."""
    if is_on(request.args, "returnall"):
        return answer(results, 201)
    return answer([results[-1]] if settings.answers_with_list else results[-1], 201)
