"""One file by HTTPS, if it has changed since it was read last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import requests

from ..sources.errors import CutOff, NotThere, NotUnderstood, SourceBusy, SourceError, Unreachable
from ..sources.http_answer import LATER, PAUSES, whole
from .network_errors import in_words

# Seconds until an answer begins, and between two parts of it.
TIMEOUT = 60.0
# The most seconds that are waited at once where the server says how long.
LONGEST_WAIT = 120.0
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
ADDRESS = "Correct the address in the environment of the service."


@dataclass(frozen=True)
class Mark:
    """By what a server knows again which state of a file was read, "" where it told none."""

    etag: str = ""
    modified: str = ""

    def headers(self) -> dict[str, str]:
        """The conditions of a request."""
        told = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Answer:
    """``content`` is None where the file has not changed."""

    content: bytes | None
    mark: Mark


class AskedToWait(SourceBusy):
    """The server says for how many ``seconds`` it is not to be asked again."""

    def __init__(self, cause: str, seconds: float) -> None:
        super().__init__(cause, LATER)
        self.seconds = seconds


def get_if_changed(address: str, what: str, known: Mark, largest: int, sleep: Callable[[float], None]) -> Answer:
    """The file at an address, of at most ``largest`` bytes. ``what`` it is, for errors. ``known``: what was read last.

    A server that fails or gives no answer is asked a few times more. One that says how long to wait (Retry-After) is
    waited for up to LONGEST_WAIT. Raises SourceError, and AskedToWait where it wants more.
    """
    for pause in PAUSES:
        try:
            return _get_once(address, what, known, largest)
        except AskedToWait as error:
            if error.seconds > LONGEST_WAIT:
                raise
            sleep(error.seconds)
        except (SourceBusy, Unreachable, CutOff):
            sleep(pause)
    return _get_once(address, what, known, largest)


def require_permitted(address: str, what: str) -> None:
    """Refuse an address that is not HTTPS, or has a user name in it. HTTP is for this machine only. Raises
    NotUnderstood."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    is_good = parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))
    if not is_good or not host or parts.username or parts.password:
        raise NotUnderstood(
            f"The address of {what} is not written as https://host/path, without a user name in it.", ADDRESS
        )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _get_once(address: str, what: str, known: Mark, largest: int) -> Answer:
    for _ in range(MOST_REDIRECTS + 1):
        require_permitted(address, what)
        status, headers, content = _sent(address, what, known, largest)
        if status not in REDIRECTS:
            break
        address = _joined(address, headers.get("Location", ""))
    if status == 304 and known.headers():
        return Answer(None, known)
    if status != 200:
        raise _refusal(status, headers, what, urlsplit(address).hostname or "")
    return Answer(content, Mark(headers.get("ETag", ""), headers.get("Last-Modified", "")))


class _Session(requests.Session):
    """Sees no redirect, because requests would read all that comes with one, and knows no password of a .netrc file."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None."""


def _joined(address: str, location: str) -> str:
    """Where a redirect leads, "" where it is no address."""
    try:
        return urljoin(address, location)
    except ValueError:
        return ""


def _sent(address: str, what: str, known: Mark, largest: int) -> tuple[int, Mapping[str, str], bytes]:
    host = urlsplit(address).hostname
    texts = {
        "cut_off": f"The answer of {host} with {what}",
        "silent": f"{host}, which serves {what}, gives no answer",
        "remedy": "Check the address, the network and the proxy, or turn the feed off.",
    }
    with in_words(host, what, **texts) as exchange, _Session() as session:
        response = session.get(address, headers=known.headers(), timeout=TIMEOUT, stream=True)
        exchange.began = True
        return response.status_code, response.headers, whole(response, largest)


def _refusal(status: int, headers: Mapping[str, str], what: str, host: str) -> SourceError:
    said = f"{host} answers with status {status} instead of {what}."
    if status == 429 or status >= 500:
        seconds = _wait(headers)
        return SourceBusy(said, LATER) if seconds is None else AskedToWait(f"{said} It asks to wait.", seconds)
    if status in (404, 410):
        return NotThere(said, ADDRESS)
    return NotUnderstood(said, "Check the address, and whether a proxy asks for something first.")


def _wait(headers: Mapping[str, str]) -> float | None:
    """The seconds of Retry-After, a number or a date by the server's own clock; None where it tells none."""
    told = headers.get("Retry-After", "")
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None
