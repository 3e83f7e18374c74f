"""Whatever Halo's server answers, a call ends soon, with a clear error, and in little memory."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from scripted_session import ScriptedSession

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Response
from komand_haloitsm.util.halo.tickets import read as reading
from komand_haloitsm.util.halo.tickets.filters import TicketFilter
from komand_haloitsm.util.halo.tickets.read import TicketReader

from .hostile import GIVES_A_TOKEN, Behaviour, Hangs, HostileServer, called, endless, http, says

MIB = 1 << 20
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
# For slow responses: the clock runs fifty times too fast, so the call has to end in little more than half a second.
SLOW = {"speed": 50, "patience": 4}


def gzipped(size: int, layers: int = 1) -> bytes:
    """White space of a given size, compressed a given number of times."""
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(b" " * MIB) for _ in range(size // MIB)) + packer.flush()
    for _ in range(layers - 1):
        body = gzip.compress(body)
    return body


def tiny_things_gzipped(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(b"[" + b"[]," * (size // 3) + b"[]]") + packer.flush()


def deep(levels: int) -> bytes:
    value = b"[" * levels + b"]" * levels
    return b'{"id": 7, "summary": "s", "customfields": [{"id": 1, "value": ' + value + b"}]}"


def pages(repeat: bool = False) -> Behaviour:
    """Full pages of tickets for ever, or the same one for ever."""

    def behave(connection: Any, request: bytes) -> None:
        number = 0 if repeat else int((re.search(rb"page_no=(\d+)", request) or [b"", b"0"])[1])
        rows = [{"id": number * 100 + row + 1, "status_id": 1} for row in range(100)]
        connection.sendall(http(json.dumps({"record_count": 10**9, "tickets": rows}).encode()))

    return behave


def to_itself(connection: Any, request: bytes) -> None:
    path = request.split(b" ")[1].decode()
    connection.sendall(http(b"", "307 Temporary Redirect", Location=path))


@dataclass(frozen=True)
class Case:
    """A behaviour and how the call must end: ``kind`` of the error (one of several), "" for success.

    ``grown`` is in MiB and ``requests`` a number, both at most; ``told`` stands in the error.
    """

    api: Behaviour
    kind: str
    method: str = "get_ticket"
    given: tuple[Any, ...] = (7,)
    token: Behaviour = GIVES_A_TOKEN
    grown: int = 200
    told: str = ""
    requests: int = 9
    speed: int = 1
    patience: int = 30
    marks: tuple[Any, ...] = field(default=())


ONE_GIB = http(b"", Content_Length=str(1 << 30))

CASES = {
    "a body of 1 GiB": Case(endless(ONE_GIB, b" " * MIB, times=1024), "too_large"),
    "1 GiB in chunks": Case(endless(CHUNKED, b"100000\r\n" + b" " * MIB + b"\r\n"), "too_large"),
    "a body without an end": Case(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"[" * MIB), "too_large"),
    "a gzip bomb": Case(says(http(gzipped(1 << 30), Content_Encoding="gzip")), "too_large"),
    "a gzip bomb of gzip bombs": Case(
        says(http(gzipped(1 << 30, layers=3), Content_Encoding="gzip, gzip, gzip")), "too_large"
    ),
    "a page of 1 GiB": Case(
        endless(http(b"<title>", "503 Unavailable", Content_Length=str(1 << 30), Content_Type="text/html"), b"x" * MIB),
        "too_large",
    ),
    "a token answer of 1 GiB": Case(says(http()), "too_large", token=endless(ONE_GIB, b" " * MIB, times=1024)),
    "JSON 100 deep": Case(says(http(deep(100))), ""),
    "JSON 100,000 deep": Case(says(http(deep(100_000))), "not_json"),
    "JSON 1,000,000 deep": Case(says(http(deep(1_000_000))), "not_json"),
    "a number of a million digits": Case(says(http(b'{"id": ' + b"9" * MIB + b"}")), "not_json"),
    "a million tiny things": Case(says(http(b"[" + b"[]," * MIB + b"[]]")), "unknown_shape", grown=400),
    "a gzip bomb of tiny things": Case(
        says(http(tiny_things_gzipped(32 * MIB), Content_Encoding="gzip")),
        "too_large",
        grown=500,
    ),
    "a body that drips": Case(endless(ONE_GIB, b" ", pause=0.02), "read_timeout", **SLOW),
    "chunks that drip": Case(endless(CHUNKED, b"1\r\n \r\n", pause=0.02), "read_timeout", **SLOW),
    "a chunk size that drips": Case(
        endless(CHUNKED, b"0", pause=0.02),
        "read_timeout|lost",
        **SLOW,
    ),
    "trailers for ever": Case(
        endless(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n", pause=0.001),
        "read_timeout|lost",
        **SLOW,
    ),
    "headers that drip": Case(endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=0.02), "read_timeout|lost", **SLOW),
    "a status line that drips": Case(endless(b"HTTP/1.1 200 ", b"O", pause=0.02), "read_timeout|lost", **SLOW),
    "100 Continue for ever": Case(
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.001), "read_timeout|lost", **SLOW
    ),
    "headers for ever": Case(endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), "lost"),
    "a header without an end": Case(endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * MIB), "lost"),
    "a Retry-After of years": Case(
        says(http(b"", "503 Unavailable", Retry_After="315360000")), "unavailable", told="315360000", requests=2
    ),
    "a Retry-After in the year 9999": Case(
        says(http(b"", "429 Too Many", Retry_After="Fri, 31 Dec 9999 23:59:59 GMT")), "rate_limit", requests=2
    ),
    "a token of 10 MB": Case(
        says(http(b'"refused"', "400 Bad Request")),
        "refused",
        token=says(http(json.dumps({"access_token": "t" * 10_000_000}).encode())),
    ),
    "a redirect loop": Case(to_itself, "redirect", requests=2),
    "a redirect loop of the token": Case(says(http()), "redirect", token=to_itself, requests=1),
    "pages without an end": Case(pages(), "", "search_tickets", ({}, 10_000), requests=110),
    "a page that repeats": Case(pages(repeat=True), "", "search_tickets", ({}, 10_000), requests=12),
}


@pytest.fixture(scope="module")
def outcomes():
    """All calls, four at a time: name -> a future of how it ended, and the server."""
    servers = {name: HostileServer(case.api, case.token) for name, case in CASES.items()}

    def call(name: str) -> dict[str, Any]:
        case = CASES[name]
        return called(servers[name].url, case.method, case.given, speed=case.speed, patience=case.patience)

    with ThreadPoolExecutor(4) as pool:
        # The calls that mostly wait come first.
        order = sorted(CASES, key=lambda name: -CASES[name].speed)
        yield {name: (pool.submit(call, name), servers[name]) for name in order}
    for server in servers.values():
        server.__exit__()


@pytest.mark.parametrize("name", [pytest.param(name, marks=case.marks) for name, case in CASES.items()])
def test_a_hostile_answer_ends_soon_in_a_clear_error_and_little_memory(outcomes, name):
    future, server = outcomes[name]
    case, ended = CASES[name], future.result()
    assert ended["kind"] in case.kind.split("|"), ended
    assert case.told in ended["told"]
    assert ended["grown"] < case.grown, f"{ended['grown']} MiB more"
    assert len(server.requests) <= case.requests
    for secret in ("secret-of-the-hostile", "bearer-of-the-hostile", "tttttttttttt"):
        assert secret not in ended["told"]


# ------------------------------------------------------------------------------------- lists without an end, no sockets


def endless_list(**row: Any) -> TicketReader:
    """A reader whose Halo has a full page of other tickets for every page number."""
    number = itertools.count(10**9, -1)
    asked = itertools.count()

    def call(*_: Any) -> Response:
        if next(asked) > 1_200:
            raise RecursionError("more than the most pages were read")
        return Response(200, data={"record_count": 10**9, "tickets": [{"id": next(number), **row} for _ in range(100)]})

    return TicketReader(ScriptedSession(call))


def test_a_search_that_nothing_matches_ends(monkeypatch):
    monkeypatch.setattr(reading, "_MOST_PAGES", 1_000)
    with pytest.raises(HaloError):
        endless_list(status_id=1).matching(TicketFilter(status_id=2), {}, None, 50)


def test_a_list_without_an_end_ends(monkeypatch):
    monkeypatch.setattr(reading, "_MOST_PAGES", 1_000)
    with pytest.raises(HaloError):
        for _ in endless_list().pages({}):
            pass
