"""Cisco's openVuln over HTTPS: a token, and what is asked with it. Official unless said otherwise.

A token is kept until shortly before its end. A request that is refused for its token is sent once more, with a new one.
Every request only reads, so that one without an answer is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from ...sources.errors import (
    CutOff,
    NoRightToAssets,
    NotTaken,
    NotThere,
    NotUnderstood,
    SourceBusy,
    Unreachable,
    WrongCredentials,
)
from ...sources.http_answer import LATER, PAUSES, json_object, pause_told, whole
from ..conditional_get import AskedToWait, require_permitted
from ..network_errors import in_words
from .advisory import Advisory, advisories_in
from .allowance import Allowance

# Seconds until an answer begins, and between two parts of it.
TIMEOUT = 60.0
# The most bytes of an answer. One with 100 advisories has some 500 KB.
LARGEST = 16 << 20
# Cisco sends so many advisories at once at most.
PAGE = 100
# So many pages of one list are read at most.
MOST_PAGES = 50
# A token of which no life is told is kept for so many seconds, and each is given up so long before its end.
USUAL_LIFE, BEFORE_END = 600.0, 60.0
NOTHING = "NO_DATA_FOUND"
_WHOSE = "that of Cisco's openVuln (REMEDIATION_CISCO_URL)"
_ENTER = "Enter the client id and the secret again, under Settings or with: remediation cisco set"


@dataclass(frozen=True)
class Addresses:
    """Where tokens are given, and where the API answers."""

    token: str
    api: str


@dataclass
class Token:
    """``until`` is by the clock of ``time.monotonic``."""

    text: str = ""
    until: float = 0.0


@dataclass
class OpenVuln:
    """The API, as one application sees it. ``sleep`` waits for so many seconds. ``patient``: where no answer comes, it
    is asked again a few times."""

    addresses: Addresses
    client_id: str
    secret: str = field(repr=False)
    allowance: Allowance
    sleep: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic
    patient: bool = True
    timeout: float = TIMEOUT
    _token: Token = field(default_factory=Token, repr=False)

    def check(self) -> None:
        """Ask for the newest advisory: proves the access. Raises SourceError."""
        self._asked("/latest/1", {})

    def of_cve(self, cve: str) -> list[Advisory]:
        """The advisories about a CVE; none where Cisco knows none. Raises SourceError."""
        return list(self._listed(f"/cve/{quote(cve, safe='')}", {}))

    def of_id(self, advisory: str) -> list[Advisory]:
        """The advisory with an identifier; none where there is no such. Raises SourceError."""
        return list(self._listed(f"/advisory/{quote(advisory, safe='')}", {}))

    def of_release(self, os_type: str, version: str) -> list[Advisory]:
        """The advisories that a release of a system has, with the first releases without each. Raises SourceError,
        and NotTaken where Cisco knows no such release."""
        return list(self._listed(f"/OSType/{quote(os_type, safe='')}", {"version": version}))

    def changed(self, begin: date, end: date) -> Iterator[Advisory]:
        """What was published or changed from one day to another. Raises SourceError."""
        days = {"startDate": begin.isoformat(), "endDate": end.isoformat(), "productNames": "true"}
        return self._listed("/all/lastpublished", days)

    def _listed(self, path: str, parameters: Mapping[str, str]) -> Iterator[Advisory]:
        """All pages. A page that brings nothing new is the last one: whether every list has pages is not told."""
        seen: set[str] = set()
        for page in range(1, MOST_PAGES + 1):
            answer = self._asked(path, {**parameters, "pageIndex": str(page), "pageSize": str(PAGE)})
            told = [] if answer is None else advisories_in(answer)
            found = [one for one in told if one.advisory not in seen]
            seen |= {one.advisory for one in found}
            yield from found
            if len(found) < PAGE:
                return

    def _asked(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """The JSON object that answers; None where Cisco has nothing. Raises SourceError."""
        what = f"GET {path} of openVuln"
        status, content = self._sent_with_token(path, parameters, what)
        if status == 200:
            return json_object(content, _WHOSE)
        code = _code(content)
        if code == NOTHING:
            return None
        if status in (400, 406):
            raise NotTaken(f"Cisco refuses {what} with status {status}{_words(code)}.", "It knows no such release.")
        if status == 401:
            raise WrongCredentials(f"Cisco refuses {what}: a new token is not accepted either.", _ENTER)
        if status == 403:
            raise NoRightToAssets(
                f"Cisco refuses {what} with status 403{_words(code)}.",
                "Give the application access to the openVuln API in Cisco's API console.",
            )
        if status == 404:
            raise NotThere(f"Cisco answers {what} with status 404, and not that it has nothing.", f"Check {_WHOSE}.")
        raise NotUnderstood(f"Cisco answers {what} with status {status}{_words(code)}.", f"Check {_WHOSE}.")

    def _sent_with_token(self, path: str, parameters: Mapping[str, str], what: str) -> tuple[int, bytes]:
        address = self.addresses.api.rstrip("/") + path
        status, content = 401, b""
        for is_again in (False, True):
            head = {"Authorization": f"Bearer {self._valid_token(anew=is_again)}", "Accept": "application/json"}
            status, content = self._patiently(what, "GET", address, headers=head, params=dict(parameters))
            if status != 401:
                break
        return status, content

    def _valid_token(self, *, anew: bool) -> str:
        if anew or self.clock() >= self._token.until:
            self._token = self._new_token()
        return self._token.text

    def _new_token(self) -> Token:
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret}
        status, content = self._patiently("the request for a token", "POST", self.addresses.token, data=form)
        if status in (400, 401, 403):
            raise WrongCredentials(f"Cisco gives no token: status {status}{_words(_code(content))}.", _ENTER)
        if status != 200:
            raise NotUnderstood(
                f"Cisco answers the request for a token with status {status}.",
                "Check the address in REMEDIATION_CISCO_TOKEN_URL.",
            )
        answer = json_object(content, "that of Cisco's tokens (REMEDIATION_CISCO_TOKEN_URL)")
        text, life = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(text, str) or not (0 < len(text) <= 16384 and text.isascii() and text.isprintable()):
            raise NotUnderstood(
                "Cisco's answer holds no access_token.", "Check the address in REMEDIATION_CISCO_TOKEN_URL."
            )
        seconds = float(life) if isinstance(life, int) and 0 < life <= 86400 else USUAL_LIFE
        return Token(text, self.clock() + max(seconds - BEFORE_END, 0.0))

    def _patiently(self, what: str, method: str, address: str, **given: Any) -> tuple[int, bytes]:
        """Send, and again a few times where the server fails or gives no answer. Raises AskedToWait after a 429."""
        for pause in PAUSES if self.patient else ():
            try:
                return self._once(what, method, address, **given)
            except AskedToWait:
                raise
            except (SourceBusy, Unreachable, CutOff):
                self.sleep(pause)
        return self._once(what, method, address, **given)

    def _once(self, what: str, method: str, address: str, **given: Any) -> tuple[int, bytes]:
        require_permitted(address, "Cisco's openVuln")
        self.allowance.spend()
        host = urlsplit(address).hostname
        texts = {
            "cut_off": f"The answer to {what}",
            "silent": f"{host} gives no answer to {what}",
            "remedy": "Check the network and the proxy, or take the access to openVuln away.",
        }
        with in_words(host, "openVuln", **texts) as exchange, requests.Session() as session:
            session.auth = lambda request: request  # no password of a .netrc file
            response = session.request(
                method, address, timeout=self.timeout, stream=True, allow_redirects=False, **given
            )
            exchange.began = True
            status, told = response.status_code, pause_told(response)
            content = whole(response, LARGEST)
        if status == 429:
            wait = self.allowance.refused(told)
            raise AskedToWait(f"Cisco answers {what} with status 429, and is left alone for {wait:.0f} s.", wait)
        if status >= 500:
            raise SourceBusy(f"Cisco answers {what} with status {status}.", LATER)
        return status, content


def _code(content: bytes) -> str:
    """The vendor's own code of an error, of the form that such codes have; "" where there is none."""
    try:
        answer = json_object(content[:65536], _WHOSE)
    except NotUnderstood:
        return ""
    code = answer.get("errorCode") or answer.get("error")
    is_one = isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum() and len(code) <= 60
    return str(code) if is_one else ""


def _words(code: str) -> str:
    return f" ({code})" if code else ""
