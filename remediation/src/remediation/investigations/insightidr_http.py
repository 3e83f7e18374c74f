"""Requests to InsightIDR, and what its answers mean. Reading is repeated; what may have been written is not."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar

import requests
import urllib3

from ..sources.answer_part import Part
from ..sources.errors import NotUnderstood, TooMuch
from ..sources.http_answer import PAUSES, json_object, pause_told, whole
from .errors import IdrAway, IdrError, WriteUnknown

# In seconds. InsightIDR that wants a longer pause is left alone until the next run.
LEAST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
# The most bytes of an answer. A page has at most 100 things, each of which is some lines of text.
LARGEST_ANSWER = 16 << 20
# The most characters of what InsightIDR says about a refusal.
LONGEST_SAYING = 200
LATER = "The next run tries again."
# Official: these statuses and 404, 405, 500, 502, 503 and 504.
MEANINGS = {
    400: (
        "InsightIDR does not accept the request.",
        "Its API may have changed. Look for a newer release of this service.",
    ),
    401: (
        "InsightIDR refuses the API key.",
        "Make a key in the region of the address, and put it into the connection.",
    ),
    403: (
        "The API key may not do this in InsightIDR.",
        "Make a key for a user who may read and change investigations, and put it into the connection.",
    ),
    404: ("InsightIDR does not know what was asked for.", "Check the address and its region."),
}
Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Request:
    """``path`` may have a query. ``version`` is what the header Accept-version says."""

    method: str
    path: str
    version: str
    body: dict[str, Any] | None = None

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


@dataclass(frozen=True)
class Answer:
    """An answer, or with the status 0 why there is none: ``trouble``. Then ``arrived`` tells whether the request may
    have come to InsightIDR all the same. ``pause`` is the seconds that it wants before the next one."""

    status: int
    content: bytes = b""
    pause: float | None = None
    trouble: str = ""
    arrived: bool = True


class Next(Enum):
    """What to do after an answer."""

    TAKE = auto()
    ASK_AGAIN = auto()
    GIVE_UP = auto()
    LOOK_UP = auto()


def after(answer: Answer, writes: bool) -> Next:
    """What to do after an answer to a request that ``writes`` or only reads."""
    if 200 <= answer.status < 300:
        return Next.TAKE
    # Nothing was done.
    if answer.status == 429 or not answer.arrived:
        return Next.ASK_AGAIN
    # It may have been done before it failed, or before a proxy had waited long enough.
    if answer.status >= 500 or answer.status in (0, 408):
        return Next.LOOK_UP if writes else Next.ASK_AGAIN
    return Next.GIVE_UP


class InsightIdrHttp:
    """Talks to InsightIDR at ``url``. ``verify`` is a file of certificates, or True. The key is in no error."""

    def __init__(
        self,
        url: str,
        api_key: str,
        verify: str | bool,
        timeouts: tuple[float, float],
        sleep: Callable[[float], None],
        now: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._key = api_key
        self._verify = verify
        self._timeouts = timeouts
        self._sleep = sleep
        self._now = now
        self._session = requests.Session()
        self._session.headers["X-Api-Key"] = api_key

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def ask(self, request: Request, end: datetime, understand: Callable[[Part], Thing]) -> Thing:
        """What ``understand`` makes of the answer; it raises NotUnderstood. Nothing is sent after ``end``.

        Raises IdrAway, WriteUnknown, or another IdrError.
        """
        if self._now() > end:
            raise IdrAway("InsightIDR takes too long.", LATER, request=str(request))
        for usual in (*PAUSES, None):
            answer = self._send(request)
            following = after(answer, request.writes)
            if following is not Next.ASK_AGAIN:
                break
            pause = usual if answer.pause is None or usual is None else max(answer.pause, LEAST_PAUSE)
            if pause is None or pause > LONGEST_PAUSE or self._now() + timedelta(seconds=pause) > end:
                raise self._away(request, answer)
            self._sleep(pause)
        if following is Next.TAKE:
            return _understood(request, answer, understand)
        raise self._unknown(request, answer) if following is Next.LOOK_UP else self._refused(request, answer)

    def _send(self, request: Request) -> Answer:
        try:
            response = self._session.request(
                request.method,
                self._url + request.path,
                json=request.body,
                headers={"Accept": "application/json", "Accept-version": request.version},
                timeout=self._timeouts,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            return Answer(response.status_code, whole(response, LARGEST_ANSWER), pause_told(response))
        except TooMuch as error:
            kind = WriteUnknown if request.writes else IdrError
            raise kind(error.cause, error.assistance, request=str(request)) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            return _silence(error, request)
        except OSError:
            raise IdrError(
                "The file of trusted certificates cannot be read.",
                "Name a file in PEM format that is there.",
                request=str(request),
            ) from None

    def _away(self, request: Request, answer: Answer) -> IdrAway:
        if answer.status == 429:
            wanted = "" if answer.pause is None else f" It wants the next one after {answer.pause:.0f} seconds."
            cause = f"InsightIDR has had too many requests.{wanted}"
        else:
            cause = _failure(answer)
        return IdrAway(cause, LATER, request=str(request), status=answer.status, said=self._said(request, answer))

    def _unknown(self, request: Request, answer: Answer) -> WriteUnknown:
        return WriteUnknown(
            f"{_failure(answer)} It may have done what it was asked for.",
            "Look it up before it is sent again.",
            request=str(request),
            status=answer.status,
            said=self._said(request, answer),
        )

    def _refused(self, request: Request, answer: Answer) -> IdrError:
        cause, assistance = MEANINGS.get(
            answer.status, ("InsightIDR is not known to answer so.", "Check that the address is InsightIDR's.")
        )
        said = self._said(request, answer)
        return IdrError(cause, assistance, request=str(request), status=answer.status, said=said)

    def _said(self, request: Request, answer: Answer) -> str:
        """What InsightIDR says about a refusal, in a line, without the key and what a person has written."""
        said = message(answer.content)
        for hidden in (self._key, (request.body or {}).get("body")):
            said = said.replace(hidden, "***") if hidden else said
        said = " ".join(said.split())
        return said if len(said) <= LONGEST_SAYING else f"{said[:LONGEST_SAYING]}..."


def message(content: bytes) -> str:
    """What an answer says about a refusal, "" where it is no error of InsightIDR's. Official: the name ``message``."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    said = told.get("message") if isinstance(told, dict) else None
    return said if isinstance(said, str) else ""


def _understood(request: Request, answer: Answer, understand: Callable[[Part], Thing]) -> Thing:
    try:
        return understand(Part(json_object(answer.content, "InsightIDR's"), str(request)))
    except NotUnderstood as error:
        kind = WriteUnknown if request.writes else IdrError
        raise kind(error.cause, error.assistance, request=str(request), status=answer.status) from None


def _failure(answer: Answer) -> str:
    return "InsightIDR fails." if answer.status else f"InsightIDR gives no answer ({answer.trouble})."


def _silence(error: Exception, request: Request) -> Answer:
    """Why there is no answer. Raises IdrError where the certificate is not trusted, which no repetition changes."""
    reason = _reason(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise IdrError(
            "The certificate of InsightIDR is not trusted.",
            "If a proxy of yours answers for it, name the file of the authority that signed its certificate.",
            request=str(request),
        ) from None
    unsent = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return Answer(0, trouble=type(reason).__name__, arrived=not isinstance(reason, unsent))


def _reason(error: BaseException) -> BaseException:
    """The error within those that requests and urllib3 put around it."""
    around = (getattr(error, "reason", None), *error.args)
    return next((_reason(inner) for inner in around if isinstance(inner, BaseException)), error)
