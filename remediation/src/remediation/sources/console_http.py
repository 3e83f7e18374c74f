"""Requests to an InsightVM console, and what its answers mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import requests
import urllib3

from .errors import (
    CertificateRefused,
    CutOff,
    NoRightToReports,
    NotUnderstood,
    ReportFailed,
    SecondFactorWanted,
    SourceBusy,
    TooMuch,
    Unreachable,
    WrongCredentials,
)
from .http_answer import BLOCK, LATER, PAUSES, Meanings, json_object, skew_of, whole

Read = TypeVar("Read")
# Official: 401, 404, 503. The others, of the console or of a proxy before it, are a guess.
MEANINGS: Meanings = {
    401: (WrongCredentials, "The console refuses the user or the password.", "Correct them in the connection."),
    403: (NoRightToReports, "The console's user may not make reports.", "Give its role the right to create reports."),
    404: (ReportFailed, "The console does not know the report.", "Check the address, and that nobody deletes reports."),
    429: (SourceBusy, "The console has had too many requests.", LATER),
    502: (Unreachable, "A proxy does not reach the console.", LATER),
    503: (SourceBusy, "The console is busy.", LATER),
    504: (Unreachable, "A proxy waited for the console in vain.", LATER),
}
LONGEST_MESSAGE = 200
# How the console asks for a second factor is a guess.
SECOND_FACTOR = re.compile(r"two.factor|2fa|multi.factor|mfa|one.time", re.IGNORECASE)


class ConsoleHttp:
    """One conversation with a console; ``verify`` is a file of certificates, or whether to verify at all.

    ``meanings`` says what the statuses of its refusals mean. ``{path}`` in what happened is what was asked for,
    ``{said}`` the message of the answer.

    ``skew``: the seconds by which the console's clock is ahead of ours, to a second, by the Date of its last JSON
    answer; None where none had one.
    """

    skew: float | None = None

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        verify: str | bool,
        timeout: float,
        sleep: Callable[[float], None],
        meanings: Meanings,
    ) -> None:
        self._base = url.rstrip("/") + "/api/3"
        self._verify = verify
        self._timeout = timeout
        self._sleep = sleep
        self._meanings = meanings
        self._session = requests.Session()
        # As UTF-8, which is a guess. By itself, requests would refuse what Latin-1 does not have.
        self._session.auth = requests.auth.HTTPBasicAuth(user.encode(), password.encode())

    def close(self) -> None:
        self._session.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
        """The JSON object of an answer, and its Date header."""
        content, date = self._send(method, path, body, _whole)
        skew = skew_of(date)
        self.skew = self.skew if skew is None else skew
        return json_object(content, "the console's"), date

    def write(self, method: str, path: str, body: Any = None) -> bytes:
        """Send a write once, whatever comes of it, and give the body of the answer.

        After an error that is no refusal, such as a lost answer, it may have been carried out.
        """
        return self._send_once(method, path, body, _whole, "application/json")[0]

    def download(
        self, path: str, to: Path, tell: Callable[[int], None], clock: Callable[[], float], seconds: float
    ) -> None:
        """Write the CSV of an answer to a file, as it came.

        ``tell`` hears how many bytes there are so far, after each MiB and at the end. Raises TooMuch where it takes
        more than so many seconds by the clock, and CutOff.
        """
        end = clock() + seconds
        done = 0
        try:
            with self._send("GET", path, None, _as_it_comes, "text/csv") as response, to.open("wb") as file:
                # One read of the network at a time, so that an answer that drips is noticed.
                while block := response.raw.read1(BLOCK, decode_content=True):
                    before, done = done, done + file.write(block)
                    if done >> 20 > before >> 20:
                        tell(done)
                    if clock() > end:
                        raise TooMuch(
                            f"The answer to {path} does not come in whole within {seconds:.0f} seconds.",
                            "Run again when the console and the network have less to do.",
                        )
            tell(done)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise CutOff(f"The output broke off ({type(error).__name__}).", "Run again.") from None

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        read: Callable[[requests.Response], Read],
        accept: str = "application/json",
    ) -> Read:
        """What ``read`` makes of the answer. A busy console is asked again, a silent one too, but for a write that it
        may have carried out."""
        for pause in PAUSES:
            try:
                return self._send_once(method, path, body, read, accept)
            except (SourceBusy, Unreachable) as error:
                if method == "POST" and isinstance(error, Unreachable):
                    raise
            self._sleep(pause)
        return self._send_once(method, path, body, read, accept)

    def _send_once(
        self,
        method: str,
        path: str,
        body: Any,
        read: Callable[[requests.Response], Read],
        accept: str,
    ) -> Read:
        try:
            response = self._session.request(
                method,
                self._base + path,
                json=body,
                headers={"Accept": accept},
                timeout=self._timeout,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            if not response.ok or response.is_redirect:
                with response:
                    self._refuse(response, path)
            return read(response)
        except requests.exceptions.SSLError:
            raise CertificateRefused(
                "The console's certificate is not trusted.", "Name the file of the authority that signed it."
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Unreachable(
                f"The console gives no answer ({type(error).__name__}).", "Check the address, the port and the network."
            ) from None
        except OSError:
            raise CertificateRefused(
                "The file of trusted certificates cannot be read.", "Name a file in PEM format that is there."
            ) from None

    def _refuse(self, response: requests.Response, path: str) -> NoReturn:
        status = response.status_code
        if status == 401 and SECOND_FACTOR.search(
            response.raw.read(BLOCK, decode_content=True).decode("utf-8", "replace")
        ):
            raise SecondFactorWanted(
                "The console wants a second factor.", "Use a user without one, for this service only."
            )
        if status in self._meanings:
            kind, cause, assistance = self._meanings[status]
            said = _message(response) if "{said}" in cause else ""
            raise kind(cause.format(path=path, said=said), assistance)
        raise NotUnderstood(f"The console answers with status {status}.", "Check that the address is the console's.")


def _message(response: requests.Response) -> str:
    """What the console says of a refusal; official: in ``message``. Of something else than JSON, nothing is shown."""
    try:
        told = json.loads(response.raw.read(BLOCK, decode_content=True))
        return str(told["message"])[:LONGEST_MESSAGE]
    except (ValueError, KeyError, TypeError):
        return "nothing"


def _as_it_comes(response: requests.Response) -> requests.Response:
    return response


def _whole(response: requests.Response) -> tuple[bytes, str]:
    """The body and the Date header."""
    return whole(response), response.headers.get("Date", "")
