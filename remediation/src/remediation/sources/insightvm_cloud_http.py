"""Requests to InsightVM in the cloud, and what its answers mean. All of them only read, so each may be sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
import urllib3

from .errors import (
    CertificateRefused,
    NoRightToAssets,
    NotThere,
    NotUnderstood,
    SourceBusy,
    TooMuch,
    Unreachable,
    WrongCredentials,
)
from .http_answer import LATER, PAUSES, Meanings, json_object, pause_told, skew_of, whole

# The shortest and the longest pause, in seconds, that the service may ask for.
LEAST_PAUSE, LONGEST_PAUSE = 1.0, 900.0
# Official: 401, 404, 408, 413, 500. The others are a guess.
MEANINGS: Meanings = {
    401: (
        WrongCredentials,
        "InsightVM's cloud refuses the API key.",
        "Make a key in the region of the address, and put it into the connection.",
    ),
    403: (
        NoRightToAssets,
        "The API key may not see {path}.",
        "Make a key for a user who may see all assets whose findings are to be read.",
    ),
    404: (NotThere, "InsightVM's cloud does not know {path}.", "Check the address and its region."),
    429: (SourceBusy, "InsightVM's cloud has had too many requests.", LATER),
    500: (SourceBusy, "InsightVM's cloud fails at {path}.", LATER),
    502: (Unreachable, "InsightVM's cloud is not reached behind its address.", LATER),
    503: (SourceBusy, "InsightVM's cloud is busy.", LATER),
}
# What the service and those before it say when a page is too much for them.
TOO_LARGE = (408, 413, 504)
NO_ANSWER = "Check the address and the network."


class TooLarge(Unreachable):
    """No answer in time, or one that is too large: fewer things may come through."""


class Limited(SourceBusy):
    """Too many requests. ``pause``: after how many seconds the service wants the next one; None where untold."""

    pause: float | None = None


class CloudHttp:
    """One conversation with the service until ``end``, by ``clock``; ``verify`` is a file of certificates, or True.

    ``skew``: the seconds by which the service's clock is ahead of ours, to a second, by the Date of its last answer;
    None where none had one. The key is in no error.
    """

    skew: float | None = None

    def __init__(
        self,
        url: str,
        api_key: str,
        verify: str | bool,
        timeout: float,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        seconds: float,
    ) -> None:
        key = api_key.strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise WrongCredentials("The API key is empty or has characters that no key has.", "Copy the key again.")
        self._base = url.rstrip("/")
        self._verify = verify
        self._timeout = timeout
        self._sleep = sleep
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds
        self._session = requests.Session()
        self._session.headers["X-Api-Key"] = key

    def close(self) -> None:
        self._session.close()

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, may_ask_for_less: bool = False
    ) -> tuple[dict[str, Any], str]:
        """The JSON object of an answer, and its Date header.

        A busy or silent service is asked again a few times. Raises TooLarge at once where ``may_ask_for_less``.
        """
        for pause in PAUSES:
            try:
                return self._ask_once(method, path, body)
            except TooLarge:
                if may_ask_for_less:
                    raise
            except Limited as error:
                pause = pause if error.pause is None else max(error.pause, LEAST_PAUSE)
            except (SourceBusy, Unreachable):
                pass
            self._in_time(pause)
            self._sleep(pause)
        return self._ask_once(method, path, body)

    def _in_time(self, seconds: float) -> None:
        if self._clock() + seconds > self._end:
            raise TooMuch(
                f"InsightVM's cloud could not be read within {self._seconds:.0f} seconds.",
                "Give it more time, or run again when it has less to do.",
            )

    def _ask_once(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
        self._in_time(0)
        content, date = self._send(method, path, body)
        skew = skew_of(date)
        self.skew = self.skew if skew is None else skew
        return json_object(content, "InsightVM's cloud"), date

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[bytes, str]:
        """The body of an answer and its Date header."""
        try:
            response = self._session.request(
                method,
                self._base + path,
                json=body,
                headers={"Accept": "application/json"},
                timeout=self._timeout,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            if not response.ok or response.is_redirect:
                with response:
                    raise _refusal(response, path)
            return _whole(response)
        except requests.exceptions.SSLError:
            raise CertificateRefused(
                "The certificate of InsightVM's cloud is not trusted.",
                "If a proxy of yours answers for it, name the file of the authority that signed its certificate.",
            ) from None
        except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            raise TooLarge(
                f"InsightVM's cloud gives no answer within {self._timeout:.0f} seconds.", NO_ANSWER
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Unreachable(f"InsightVM's cloud gives no answer ({type(error).__name__}).", NO_ANSWER) from None
        except OSError:
            raise CertificateRefused(
                "The file of trusted certificates cannot be read.", "Name a file in PEM format that is there."
            ) from None


def _whole(response: requests.Response) -> tuple[bytes, str]:
    try:
        return whole(response), response.headers.get("Date", "")
    except TooMuch as error:
        raise TooLarge(error.cause, error.assistance) from None


def _refusal(response: requests.Response, path: str) -> Exception:
    status = response.status_code
    if status in TOO_LARGE:
        return TooLarge(f"InsightVM's cloud has no answer in time (status {status}).", LATER)
    if status not in MEANINGS:
        return NotUnderstood(
            f"InsightVM's cloud answers with status {status}.", "Check that the address is InsightVM's cloud."
        )
    kind, cause, assistance = MEANINGS[status]
    cause = cause.format(path=path.partition("?")[0])
    if status != 429:
        return kind(cause, assistance)
    pause = pause_told(response)
    if pause is not None and pause > LONGEST_PAUSE:
        # Not Limited, which is waited for.
        return TooMuch(f"{cause} It wants the next one after {pause:.0f} seconds only.", "Run again after that.")
    limited = Limited(cause, assistance)
    limited.pause = pause
    return limited
