"""Requests to Tenable Vulnerability Management, and what its answers mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import requests
import urllib3

from .errors import (
    CertificateRefused,
    CutOff,
    NoRightToAssets,
    NotThere,
    NotUnderstood,
    SourceBusy,
    TooMuch,
    Unreachable,
    WrongCredentials,
)
from .http_answer import LATER, PAUSES, Meanings, skew_of, whole
from .progress import Tell

# The most bytes of an answer. Official: a chunk holds all findings of its assets, and the output of one plugin has up
# to 1 MiB.
LARGEST_ANSWER = 256 << 20

# Official: an answer 429 tells in Retry-After how many seconds to wait. The example in the documentation has 30, which
# is taken where none are told.
USUAL_WAIT = 30.0
# The most seconds that one request waits for its turn, all waits together.
LONGEST_WAIT = 1800.0

# What can be in a header and separates nothing in it. Official: keys have 64 hexadecimal digits.
KEY = re.compile(r"[!-:<-~]+")

REFUSED = (WrongCredentials, "Tenable refuses the access key or the secret key.")
NEW_KEYS = "Put a valid pair into the connection. Whoever makes a new pair in Tenable ends the old one."
# Official: 400, 401, 403, 404, 409, 429 and 500. The others, of a proxy, are a guess.
MEANINGS: Meanings = {
    400: (
        NotUnderstood,
        "Tenable does not accept the request {path}.",
        "Its API may have changed. Look for a newer release of this service.",
    ),
    401: (*REFUSED, NEW_KEYS),
    403: (
        NoRightToAssets,
        "Tenable does not permit {path} to the user of these keys.",
        "Give that user the role Basic or a higher one, or a custom role that may export in Explore, and the"
        " permission Can View for all assets that are to be read.",
    ),
    404: (NotThere, "Tenable does not know {path}.", "Check the address, which is https://cloud.tenable.com for most."),
    500: (SourceBusy, "Tenable fails at {path}.", LATER),
    502: (Unreachable, "A proxy does not reach Tenable.", LATER),
    503: (SourceBusy, "Tenable is busy.", LATER),
    504: (Unreachable, "A proxy waited for Tenable in vain.", LATER),
}


@dataclass(frozen=True)
class Answer:
    """An answer that is no refusal, whole. ``date`` is its Date header, "" where there is none."""

    status: int
    content: bytes
    date: str
    retry_after: str


class TenableHttp:
    """One conversation with Tenable; ``verify`` is a file of certificates, or whether to verify at all.

    ``tell`` hears of each wait. ``skew``: the seconds by which Tenable's clock is ahead of ours, to a second, by the
    Date of its last answer; None where none had one. Raises WrongCredentials for keys that no header can hold.
    """

    skew: float | None = None

    def __init__(
        self,
        url: str,
        access_key: str,
        secret_key: str,
        verify: str | bool,
        timeout: float,
        sleep: Callable[[float], None],
        tell: Tell,
    ) -> None:
        if not KEY.fullmatch(access_key) or not KEY.fullmatch(secret_key):
            raise WrongCredentials("A key of Tenable is empty, or has characters that no key has.", NEW_KEYS)
        self._base = url.rstrip("/")
        self._verify = verify
        self._timeout = timeout
        self._sleep = sleep
        self._tell = tell
        self._session = requests.Session()
        self._session.auth = _Keys(f"accessKey={access_key};secretKey={secret_key}")

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, meanings: Meanings) -> Answer:
        """An answer; ``meanings`` says what refusals mean. Where none comes, or the server fails, it is asked for a few
        times more. Raises SourceError."""
        for pause in PAUSES:
            try:
                return self._get_once(path, meanings)
            except (SourceBusy, Unreachable, CutOff) as error:
                self._tell(f"{error.cause} Asked again in {pause:.0f} s")
            self._sleep(pause)
        return self._get_once(path, meanings)

    def post(self, path: str, body: Mapping[str, Any], longest_wait: float = LONGEST_WAIT) -> Answer | None:
        """An answer, also one of 409, a conflict; None where it is not known whether the request was carried out.

        It is sent once, and again only after a refusal for too many requests. Raises SourceError.
        """
        try:
            answer = self._in_turn("POST", path, body, longest_wait)
        except (Unreachable, CutOff):
            return None
        if answer.status >= 500:
            return None
        if answer.status not in (200, 409):
            _refuse(answer, path, MEANINGS)
        return answer

    def _get_once(self, path: str, meanings: Meanings) -> Answer:
        answer = self._in_turn("GET", path, None, LONGEST_WAIT)
        if answer.status != 200:
            _refuse(answer, path, meanings)
        return answer

    def _in_turn(self, method: str, path: str, body: Mapping[str, Any] | None, longest_wait: float) -> Answer:
        """An answer, waited for where there were too many requests. Raises TooMuch where that takes too long."""
        waited = 0.0
        while (answer := self._send(method, path, body)).status == 429:
            told = answer.retry_after
            pause = max(float(told), 1.0) if told.isascii() and told.isdigit() else USUAL_WAIT
            if waited + pause > longest_wait:
                raise TooMuch(
                    f"Tenable has had too many requests: {waited:.0f} seconds were waited, and it wants {told or '?'}"
                    f" more, which is above {longest_wait:.0f}.",
                    "Use keys of a user of its own for this service, and see which other exports run in Tenable.",
                )
            self._tell(f"Tenable has had too many requests and wants a pause of {pause:.0f} s")
            self._sleep(pause)
            waited += pause
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        began = False
        try:
            response = self._session.request(
                method,
                self._base + path,
                json=body,
                headers={"Accept": "application/json, application/octet-stream"},
                timeout=self._timeout,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            began = True
            content = whole(response, LARGEST_ANSWER)
        except requests.exceptions.SSLError:
            raise CertificateRefused(
                "Tenable's certificate is not trusted.",
                "If a proxy looks into the traffic, name the file of the authority that signed its certificate.",
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            if began:
                raise CutOff(f"Tenable's answer to {path} broke off ({type(error).__name__}).", LATER) from None
            raise Unreachable(
                f"Tenable gives no answer ({type(error).__name__}).", "Check the address, the network and the proxy."
            ) from None
        except OSError:
            raise CertificateRefused(
                "The file of trusted certificates cannot be read.", "Name a file in PEM format that is there."
            ) from None
        date = response.headers.get("Date", "")
        skew = skew_of(date)
        self.skew = self.skew if skew is None else skew
        return Answer(response.status_code, content, date, response.headers.get("Retry-After", ""))


class _Keys(requests.auth.AuthBase):
    """Puts the keys into each request. As the session's authentication, no .netrc takes their place."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-ApiKeys"] = self._header
        return request


def _refuse(answer: Answer, path: str, meanings: Meanings) -> NoReturn:
    if answer.status in meanings:
        kind, cause, assistance = meanings[answer.status]
        raise kind(cause.format(path=path), assistance)
    if answer.status >= 500:
        raise SourceBusy(f"Tenable fails at {path} with status {answer.status}.", LATER)
    raise NotUnderstood(f"Tenable answers {path} with status {answer.status}.", "Check that the address is Tenable's.")
