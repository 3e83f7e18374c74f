"""Guards the access token: fetched when needed, by one thread at a time, kept until a minute before it expires."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import responses
from scripted_session import ScriptedSession

from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Request, Response
from komand_haloitsm.util.halo.http.oauth import TokenSource
from komand_haloitsm.util.halo.http.retry import RetryPolicy

AUTH, API = "https://desk.example.com/auth", "https://desk.example.com/api"
REFUSED = HaloError(kind="invalid_client", cause="c", assistance="a", status=401)


class Server:
    """Takes the place of the session: answers with numbered tokens, or what the test sets. Keeps requests and clock."""

    def __init__(self, **answer: Any) -> None:
        self.answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600, **answer}
        self.time = 1000.0
        self.requests: list[Request] = []
        self.policies: list[RetryPolicy | None] = []
        self.trouble: Exception | None = None
        self.inside = self.most_inside = 0
        self.gate: threading.Event | None = None

    def call(self, request: Request, policy: RetryPolicy | None = None) -> Response:
        self.requests.append(request)
        self.policies.append(policy)
        number = len(self.requests)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            if self.gate is not None:
                self.gate.wait(5)
            if self.trouble is not None:
                raise self.trouble
        finally:
            self.inside -= 1
        return Response(200, data={"access_token": f"token-number-{number}", **self.answer})

    def source(self) -> TokenSource:
        return TokenSource(
            ScriptedSession(self.call, lambda: self.time),
            client_id="id-of-a-test",
            client_secret="not-a-secret",
            scope="all",
        )


def in_threads(count: int, work: Any) -> list[Any]:
    """What ``work`` returns, or raises, in each of ``count`` threads that start together."""
    barrier, results = threading.Barrier(count), []

    def run() -> None:
        barrier.wait(5)
        try:
            results.append(work())
        except Exception as error:  # pylint: disable=broad-except
            results.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


# ---------------------------------------------------------------------------------------------- when it is fetched


def test_it_is_fetched_when_it_is_first_needed_and_then_kept():
    server = Server()
    source = server.source()
    assert server.requests == []
    assert [source.token() for _ in range(3)] == ["token-number-1"] * 3
    assert len(server.requests) == 1


def test_the_request_is_a_form_of_client_credentials():
    server = Server()
    server.source().token()
    assert server.requests == [
        Request(
            "POST",
            "",
            form={
                "grant_type": "client_credentials",
                "client_id": "id-of-a-test",
                "client_secret": "not-a-secret",
                "scope": "all",
            },
        )
    ]
    assert server.requests[0].repeatable


@pytest.mark.parametrize(
    "lifetime, kept, too_old",
    [
        (3600, 3539.9, 3540.0),
        (3600.0, 3539.9, 3540.0),
        ("3600", 3539.9, 3540.0),
        (86400, 86339.9, 86340.0),
        (121, 60.9, 61.0),
        (120, 59.9, 60.0),
        (60, 29.9, 30.0),
        (10, 4.9, 5.0),
        (1, 0.4, 0.5),
    ],
    ids=[
        "an hour",
        "an hour as float",
        "an hour as text",
        "a day",
        "two minutes and a second",
        "two minutes",
        "a minute",
        "ten seconds",
        "a second",
    ],
)
def test_it_is_kept_until_a_minute_before_its_end_or_half_of_a_short_life(lifetime, kept, too_old):
    server = Server(expires_in=lifetime)
    source = server.source()
    source.token()
    server.time = 1000.0 + kept
    assert source.token() == "token-number-1"
    server.time = 1000.0 + too_old
    assert source.token() == "token-number-2"


@pytest.mark.parametrize(
    "odd",
    [None, "", "soon", [], {}, 0, -5, "-5", float("nan"), float("inf"), 1e300, "1e400"],
    ids=lambda odd: f"{type(odd).__name__} {odd}",
)
def test_an_odd_lifetime_counts_as_the_usual_hour(odd):
    server = Server(expires_in=odd)
    source = server.source()
    source.token()
    server.time = 1000.0 + 3539
    assert source.token() == "token-number-1"
    server.time = 1000.0 + 3541
    assert source.token() == "token-number-2"


def test_without_a_lifetime_it_is_the_usual_hour():
    server = Server()
    del server.answer["expires_in"]
    source = server.source()
    source.token()
    server.time = 1000.0 + 3539
    assert source.token() == "token-number-1"
    server.time = 1000.0 + 3541
    assert source.token() == "token-number-2"


def test_a_lifetime_of_hundreds_of_digits_counts_as_the_usual_hour():
    assert Server(expires_in=10**400).source().token() == "token-number-1"


# ------------------------------------------------------------------------------------------------- odd token bodies

_NO_TOKEN: dict[str, Any] = {
    "null": None,
    "a text": "token-of-a-test",
    "a list": [{"access_token": "token-of-a-test"}],
    "an empty object": {},
    "an error with 200": {"error": "invalid_client"},
    "no text": {"access_token": 12345},
    "true": {"access_token": True},
    "null as token": {"access_token": None},
    "an object as token": {"access_token": {"value": "x"}},
    "an empty token": {"access_token": ""},
    "spaces": {"access_token": "   "},
    "a token with a line end, which would be another header": {"access_token": "x\r\nX-Other: y"},
    "a token with a null character": {"access_token": "x\x00y"},
    "a token beyond ASCII": {"access_token": "t\u00f6ken"},
    "the wrong name": {"accessToken": "token-of-a-test"},
}


@pytest.mark.parametrize("body", list(_NO_TOKEN.values()), ids=list(_NO_TOKEN))
def test_an_answer_without_a_usable_token_is_a_clear_error(body):
    class Odd(Server):
        def call(self, request: Request, policy: RetryPolicy | None = None) -> Response:
            super().call(request, policy)
            return Response(200, data=body)

    server = Odd()
    source = server.source()
    for attempt in (1, 2):
        with pytest.raises(HaloError) as caught:
            source.token()
        assert caught.value.kind == "wrong_authorization_server" and len(server.requests) == attempt
        assert "token-of-a-test" not in f"{caught.value.cause}{caught.value.assistance}{caught.value.data}"


def test_spaces_around_a_token_do_not_count():
    assert Server(access_token=" token-of-a-test ").source().token() == "token-of-a-test"


# ---------------------------------------------------------------------------------------------- errors are not kept


def test_after_an_error_the_next_call_asks_again():
    server = Server()
    source = server.source()
    server.trouble = REFUSED
    with pytest.raises(HaloError):
        source.token()
    server.trouble = None
    assert source.token() == "token-number-2"


def test_another_exception_does_not_leave_the_lock_behind():
    server = Server()
    source = server.source()
    server.trouble = RuntimeError("not ours")
    with pytest.raises(RuntimeError):
        source.token()
    server.trouble = None
    assert in_threads(2, source.token) == ["token-number-2"] * 2


# ------------------------------------------------------------------------------------------------------- discarding


def test_a_discarded_token_is_replaced():
    server = Server()
    source = server.source()
    source.discard(source.token())
    assert source.token() == "token-number-2"


def test_discarding_an_old_token_leaves_the_new_one():
    server = Server()
    source = server.source()
    old = source.token()
    source.discard(old)
    new = source.token()
    source.discard(old)
    source.discard("of somebody else")
    source.discard("")
    assert source.token() == new == "token-number-2" and len(server.requests) == 2


def test_sixteen_threads_that_lose_the_same_token_fetch_one():
    server = Server()
    source = server.source()
    old = source.token()

    def lose_and_ask() -> str:
        source.discard(old)
        return source.token()

    assert set(in_threads(16, lose_and_ask)) == {"token-number-2"} and len(server.requests) == 2


# ---------------------------------------------------------------------------------------------------- one at a time


def _let_go(server: Server) -> None:
    server.gate = threading.Event()
    threading.Timer(0.15, server.gate.set).start()


def test_sixteen_threads_fetch_one_token():
    server = Server()
    source = server.source()
    _let_go(server)
    assert in_threads(16, source.token) == ["token-number-1"] * 16
    assert len(server.requests) == 1


def test_sixteen_threads_share_one_error():
    server = Server()
    source = server.source()
    server.trouble = REFUSED
    _let_go(server)
    results = in_threads(16, source.token)
    assert len(results) == 16 and all(isinstance(r, HaloError) and r.kind == "invalid_client" for r in results)
    assert len(server.requests) <= 2  # a thread that starts only after the first has finished asks anew
    server.trouble = None
    assert source.token().startswith("token-number-")


def test_with_an_expired_token_sixteen_threads_fetch_one_more():
    server = Server()
    source = server.source()
    source.token()
    server.time += 3600
    _let_go(server)
    assert in_threads(16, source.token) == ["token-number-2"] * 16


def test_there_is_never_more_than_one_request_for_a_token_at_once():
    server = Server(expires_in=10)
    source = server.source()

    def work() -> None:
        for _ in range(50):
            server.time += 1
            source.discard(source.token())

    assert in_threads(8, work) == [None] * 8
    assert server.most_inside == 1 and len(server.requests) > 8


# -------------------------------------------------------------------------------------------- for a connection test


def test_renew_asks_although_there_is_a_token_and_the_new_one_is_kept():
    server, policy = Server(), RetryPolicy(max_wait=5.0)
    source = server.source()
    source.token()
    source.renew(policy)
    assert source.token() == "token-number-2" and server.policies == [None, policy]


def test_renew_tells_what_is_wrong():
    server = Server()
    server.trouble = REFUSED
    with pytest.raises(HaloError) as caught:
        server.source().renew(RetryPolicy())
    assert caught.value.kind == "invalid_client"


# ------------------------------------------------------------------------------------------- as it is really sent


@pytest.fixture(name="web")
def _web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        mock.post(f"{AUTH}/token", json={"access_token": "token-of-a-test", "expires_in": 3600})
        mock.get(f"{API}/Tickets/7", json={"id": 7})
        yield mock


def sent(web: responses.RequestsMock, **more: Any) -> tuple[str, dict[str, str]]:
    """URL and form of the request for a token."""
    settings: dict[str, Any] = {
        "client_id": {"secretKey": "id-of-a-test"},
        "client_secret": {"secretKey": "not-a-secret"},
        "auth_server": AUTH,
        "resource_server": API,
        "max_wait": 0.5,
    }
    HaloITSMAPI(**{**settings, **more}).get_ticket(7)
    request = web.calls[0].request
    assert request.method == "POST" and request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    pairs = parse_qsl(body, strict_parsing=True, keep_blank_values=True)
    assert len(pairs) == len(dict(pairs))
    return request.url, dict(pairs)


@pytest.mark.parametrize(
    "credential",
    [
        "a+b/c=d&e",
        "100% & more",
        "a b",
        "%41%2B",
        "k\u00e4se-\u65e5\u672c-\U0001f511",
        "a;b",
        "a\"b'c",
        "&client_id=other",
    ],
    ids=[
        "as Halo makes them",
        "a percent",
        "a space",
        "encoded already",
        "unicode",
        "a semicolon",
        "quotes",
        "a field",
    ],
)
def test_credentials_arrive_letter_for_letter(web, credential):
    _, form = sent(web, client_id=credential, client_secret={"secretKey": credential})
    assert form == {
        "grant_type": "client_credentials",
        "client_id": credential,
        "client_secret": credential,
        "scope": "all",
    }


@pytest.mark.parametrize(
    "scope, expected",
    [
        (None, "all"),
        ("", "all"),
        ("  ", "all"),
        ("read:tickets edit:tickets", "read:tickets edit:tickets"),
        (" read:tickets \n edit:tickets ", "read:tickets edit:tickets"),
    ],
    ids=["not given", "empty", "spaces", "two", "two in two lines"],
)
def test_the_scope_of_the_connection_is_asked_for(web, scope, expected):
    assert sent(web, scope=scope)[1]["scope"] == expected


@pytest.mark.parametrize("tenant", ["desk", "two words", "a&b=c", "k\u00e4se"])
def test_a_tenant_goes_into_the_query_of_the_token_address_and_not_into_the_form(web, tenant):
    url, form = sent(web, tenant=f" {tenant} ")
    assert urlsplit(url).path == "/auth/token" and parse_qs(urlsplit(url).query) == {"tenant": [tenant]}
    assert "tenant" not in form and "tenant" not in web.calls[1].request.url


@pytest.mark.parametrize("tenant", [None, "", "  "], ids=["not given", "empty", "spaces"])
def test_without_a_tenant_none_is_sent(web, tenant):
    assert sent(web, tenant=tenant)[0] == f"{AUTH}/token"
