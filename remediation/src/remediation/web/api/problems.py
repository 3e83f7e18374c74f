"""What the JSON API says when it does not do what it was asked: always JSON of one shape."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import Field

from ...store.listing import NoSuch

DESCRIPTION = "/api/v1/openapi.json"
_READ = f"{DESCRIPTION} describes what can be asked, without a key."
MAKES_KEYS = "An administrator makes one on the page Settings > API keys."

_log = logging.getLogger(__name__)


class Problem(Schema):
    """Why something was not done."""

    cause: str = Field(description="What happened.")
    assistance: str = Field(description="What to do about it.")


class Refused(Exception):
    """The API does not do it. ``headers`` are those of the answer."""

    def __init__(self, status: int, cause: str, assistance: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(cause)
        self.status, self.cause, self.assistance, self.headers = status, cause, assistance, headers


def not_understood(cause: str) -> Refused:
    """The refusal of something that was written in a wrong way."""
    return Refused(422, cause, _READ)


def no_key() -> Refused:
    """The refusal of who has shown no key that is good."""
    return Refused(
        401,
        "The request has no API key, or one that is unknown or was ended.",
        f"Send a key in the header Authorization: Bearer KEY. {MAKES_KEYS}",
        {"WWW-Authenticate": "Bearer"},
    )


def not_there(what: str) -> Refused:
    """The refusal of something about what does not exist."""
    return Refused(404, f"There is no such {what}.", "Ask the list for what there is.")


def no_such_address(request: HttpRequest) -> HttpResponse:
    """The answer at all addresses that the API has not."""
    return _answer(Refused(404, f"The API has no address {request.path}.", _READ))


def no_such_method(request: HttpRequest, refusal: HttpResponse) -> HttpResponse:
    """The answer to a method that an address has not. ``refusal`` is Django's, which names those that it has."""
    allowed = refusal.headers["Allow"]
    cause = f"The address {request.path} does not take {request.method}."
    return _answer(Refused(405, cause, f"Use {allowed}. {_READ}", {"Allow": allowed}))


def answer_problems(api: NinjaAPI) -> None:
    """Let an API answer all that is raised in it by a Problem."""

    def refused(_: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
        return _answer(refusal_of(error))

    for kind in (Exception, Refused, NoSuch, RequestDataTooBig, HttpError, AuthenticationError, ValidationError):
        api.add_exception_handler(kind, refused)


def refusal_of(error: Exception | type[Exception]) -> Refused:
    """The refusal that stands for an error."""
    match error:
        case Refused():
            return error
        case NoSuch():
            return not_understood(str(error))
        case AuthenticationError():
            return no_key()
        case ValidationError():
            return not_understood(" ".join(f"{_place(one['loc'])}: {one['msg']}." for one in error.errors))
        case HttpError():
            return Refused(error.status_code, f"{error}.", _READ)
        case RequestDataTooBig():
            return Refused(413, "The body is too large.", "Send a report in parts of at most a mebibyte.")
    # Told by its kind and its place: remediation.log.
    _log.error("The API could not answer", exc_info=error if isinstance(error, Exception) else None)
    cause = "The service could not answer, by a mistake of its own or because its database is away."
    return Refused(500, cause, "Try again later. If it stays so, the log of the service says what it was.")


def _place(parts: tuple[str | int, ...]) -> str:
    return ".".join(map(str, parts))


def _answer(refusal: Refused) -> HttpResponse:
    content = {"cause": refusal.cause, "assistance": refusal.assistance}
    return JsonResponse(content, status=refusal.status, headers=refusal.headers)
