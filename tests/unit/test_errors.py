"""Guards what a user reads when something fails: the cause, what to do, Halo's words, nothing confidential."""

from __future__ import annotations

import json
import string
import time
from typing import Any

import pytest
from insightconnect_plugin_runtime.exceptions import PluginException

from komand_haloitsm.util.halo.errors import HaloError, UncertainWrite, missing_ticket
from komand_haloitsm.util.halo.http.error_texts import error_for, halo_says, is_token, misunderstood
from komand_haloitsm.util.halo.http.messages import NoResponse, NoResponseKind, Request, Response
from komand_haloitsm.util.halo.http.redaction import redact
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError, plugin_exceptions

READ = Request("GET", "/Tickets/7", {"includedetails": "true"})
CREATE = Request("POST", "/Tickets", body=[{"summary": "s"}], repeatable=False)
COMMENT = Request("POST", "/Actions", body=[{"ticket_id": 7}], repeatable=False)
TEAMS = Request("GET", "/Team")
TOKEN = Request("POST", "", form={"grant_type": "client_credentials"})

DOT_NET = {
    "ClassName": "System.Exception",
    "Message": "An Outcome must be entered for this Action",
    "Data": None,
    "InnerException": None,
    "HelpURL": None,
    "StackTraceString": "   at Somewhere.In.The.Server()",
    "HResult": -2146233088,
}
RATE = "Rate Limit Reached - 300 Requests per rolling 5 minute window"


def shown(error: HaloError) -> str:
    """All that a user may come to see of an error."""
    return "\n".join([error.cause, error.assistance, str(error.data), error.said, error.kind, str(error), repr(error)])


def page(title: str = "Sign in", status: int = 200) -> Response:
    text = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>x</body></html>"
    return Response(status, readable=False, text=text, html=True)


def empty(status: int) -> Response:
    return Response(status, readable=False)


# ------------------------------------------------------------------------------------------------ what Halo says

_SHAPES: dict[str, tuple[Any, str]] = {
    "a .NET exception": (DOT_NET, "An Outcome must be entered for this Action"),
    "error as text": ({"error": "No such thing"}, "No such thing"),
    "error as an object with a description": ({"error": {"error_description": "Not so"}}, "Not so"),
    "error as an object with a message": ({"error": {"message": "Not so"}}, "Not so"),
    "OAuth's description before its code": (
        {"error": "invalid_scope", "error_description": "The specified 'scope' parameter is not valid."},
        "The specified 'scope' parameter is not valid.",
    ),
    "message": ({"message": "Authorization has been denied"}, "Authorization has been denied"),
    "Message": ({"Message": "The request is invalid."}, "The request is invalid."),
    "an empty message beside an exception message": ({"Message": "", "ExceptionMessage": "Why"}, "Why"),
    "model state": ({"[0].status_id": ["The value 'x' is not valid."]}, "[0].status_id: The value 'x' is not valid."),
    "a bare string": ("Please assign this Ticket these before closing it.", "Please assign this Ticket these"),
    "a list with a string": (["First trouble"], "First trouble"),
    "a list with an object": ([{"message": "First trouble"}], "First trouble"),
    "errors as a list": ({"errors": ["One", "Two"]}, "One; Two"),
}


@pytest.mark.parametrize("data, words", list(_SHAPES.values()), ids=list(_SHAPES))
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
def test_halos_words_reach_the_user_from_every_shape_of_body(data, words, status):
    error = error_for(READ, Response(status, data=data))
    assert words in error.said and words in error.data and error.status == status


def test_several_fields_of_a_model_state_are_all_told():
    said = halo_says(Response(400, data={"[0].a": ["A is wrong"], "[0].b": ["B is wrong", "B is late"]}))
    assert all(words in said for words in ("[0].a", "A is wrong", "[0].b", "B is wrong", "B is late"))


@pytest.mark.parametrize(
    "answer",
    [
        empty(401),
        empty(403),
        Response(400, data=""),
        Response(400, data={}),
        Response(400, data=[]),
        Response(400, data=None),
    ],
    ids=["empty 401", "empty 403", "an empty string", "an empty object", "an empty list", "null"],
)
def test_a_body_that_says_nothing_is_called_so(answer):
    error = error_for(READ, answer)
    assert error.said == "" and "no message" in error.data


def test_plain_text_that_is_no_json_is_halos_word_too():
    assert halo_says(Response(400, readable=False, text="Details and Category were required")).startswith("Details and")


def test_of_a_page_only_the_title_is_told():
    text = "<HTML><head><TITLE lang=en>\n 502 &amp; Bad\n</TITLE></head><body>body text</body></HTML>"
    said = halo_says(Response(502, readable=False, text=text, html=True))
    assert "502 & Bad" in said and "body text" not in said and "<" not in said


@pytest.mark.parametrize("text", ["<html><body>x</body></html>", "<title>", "<", ""], ids=repr)
def test_a_page_without_a_title_is_told_as_a_page(text):
    assert "HTML page" in halo_says(Response(502, readable=False, text=text, html=True))


def test_halos_words_are_one_short_printable_line():
    noisy = "a\r\nb\tc\x00d\x1b[31me\u200bf\u202eg " + "x" * 5000
    said = error_for(READ, Response(400, data={"message": noisy})).said
    assert said.isprintable() and len(said) <= 400 and said.startswith("a b c d") and said.endswith("...")


_ODD: dict[str, Any] = {
    "true": True,
    "a number": 17,
    "a float": -0.5,
    "null": None,
    "numbers in a list": [1, 2, [3]],
    "message is a number": {"message": 5},
    "message is true": {"message": True, "error": False},
    "message is null": {"message": None, "error": None, "errors": None},
    "error is a list of lists": {"error": [[[[["deep"]]]]]},
    "the model state is of numbers": {"[0].x": [1, None, {}]},
    "the model state is empty": {"tickets": []},
    "keys are empty": {"": [""], " ": ["x"]},
    "lone surrogates": {"message": "\ud800 broken \udfff"},
    "braces": {"message": "{right} {0} {wanted!r} %s {"},
    "a thousand keys": {f"k{number}": ["v"] for number in range(1000)},
    "a long key": {"k" * 100_000: ["v" * 100_000]},
    "title is an object": {"title": {"message": {"message": {"message": {}}}}},
}


def _deep(levels: int, wrap: str) -> Any:
    data: Any = "bottom"
    for _ in range(levels):
        data = [data] if wrap == "list" else {wrap: data}
    return data


_ODD.update({f"{wrap}s 5,000 deep": _deep(5000, wrap) for wrap in ("list", "error", "x")})


@pytest.mark.parametrize("data", list(_ODD.values()), ids=list(_ODD))
@pytest.mark.parametrize("request_", [READ, CREATE, COMMENT, TOKEN], ids=["read", "create", "comment", "token"])
def test_no_json_body_makes_the_error_itself_fail(data, request_):
    for status in (200, 302, 400, 401, 403, 404, 418, 429, 500, 503):
        error = error_for(request_, Response(status, data=data), attempts=2, wanted=1.5, secrets=("s" * 30,))
        assert error.cause and error.assistance and error.kind and len(shown(error)) < 6000
        json.dumps([error.cause, error.assistance, error.data]).encode("utf-8")


def test_braces_that_halo_sends_are_shown_as_they_are():
    assert "{right} {0}" in error_for(READ, Response(400, data={"message": "{right} {0}"})).said


# ---------------------------------------------------------------------------------------------- cause and assistance

# request, answer, kind, words that cause and assistance must hold
_API: dict[str, tuple[Request, Response, str, tuple[str, ...]]] = {
    "400 tells to read what Halo said": (CREATE, Response(400, data="Nope"), "refused", ("inputs",)),
    "400 for required fields names them as such": (
        CREATE,
        Response(400, data="Details and Category were required"),
        "refused",
        ("mandatory",),
    ),
    "400 for an unassigned ticket says to assign it": (
        Request("POST", "/Tickets", body=[{"id": 7, "status_id": 9}]),
        Response(400, data="Please assign this Ticket these before closing it."),
        "unassigned",
        ("Assign",),
    ),
    "400 for an unassigned ticket that would be made closed does not": (
        CREATE,
        Response(400, data="Please assign this Ticket these before closing it."),
        "unassigned",
        ("does not create", "agent_id"),
    ),
    "400 for a missing outcome names the setting": (COMMENT, Response(400, data=DOT_NET), "outcome", ("Note Outcome",)),
    "400 for an outcome that may not be used": (
        COMMENT,
        Response(400, data="You do not have access to this Action at the moment"),
        "forbidden",
        ("role",),
    ),
    "400 Record not found": (CREATE, Response(400, data="Record not found"), "not_found", ("id", "role")),
    "404 Record not found": (READ, Response(404, data="Record not found"), "not_found", ("id", "role")),
    "404 without a word": (READ, empty(404), "not_found", ("/api",)),
    "401 without a word": (READ, empty(401), "unauthorized", ("role", "Agent")),
    "403 without a word": (READ, empty(403), "forbidden", ("read:tickets",)),
    "405": (READ, empty(405), "wrong_address", ("/api",)),
    "409": (CREATE, Response(409, data="conflict"), "refused", ()),
    "413": (CREATE, empty(413), "too_large", ("Shorten",)),
    "429": (READ, Response(429, data=RATE), "rate_limit", ("rate",)),
    "500": (READ, Response(500, data={"message": "Object reference not set"}), "server_error", ("again",)),
    "500 with a page": (READ, page("Runtime Error", 500), "server_error", ("again",)),
    "502 with a page": (READ, page("Bad Gateway", 502), "unavailable", ("not available",)),
    "503 with a page": (READ, page("Maintenance", 503), "unavailable", ("not available",)),
    "504": (READ, empty(504), "unavailable", ("not available",)),
    "200 with a page": (READ, page(), "not_json", ("JSON", "/api")),
    "200 with a broken body": (READ, Response(200, readable=False, text='{"id": 1'), "not_json", ("JSON",)),
    "404 with a page is a wrong address": (READ, page("Not Found", 404), "not_json", ("/api",)),
    "403 with a page stays a question of rights": (READ, page("Forbidden", 403), "forbidden", ("read:tickets",)),
    "429 with a page stays a question of rate": (READ, page("Slow down", 429), "rate_limit", ("rate",)),
    "a redirect": (READ, Response(302, location="https://login.example/x?t=1"), "redirect", ("redirect", "token")),
}


@pytest.mark.parametrize("request_, answer, kind, words", list(_API.values()), ids=list(_API))
def test_an_answer_of_the_api(request_, answer, kind, words):
    error = error_for(request_, answer)
    assert (error.kind, error.status) == (kind, answer.status)
    told = f"{error.cause} {error.assistance}"
    assert [word for word in words if word not in told] == []
    assert request_.label in error.data and str(answer.status) in error.data


def test_no_two_kinds_of_trouble_share_cause_and_assistance():
    told = {}
    for request_, answer, kind, _ in _API.values():
        error = error_for(request_, answer)
        told.setdefault((error.cause, error.assistance), set()).add(kind)
    assert [kinds for kinds in told.values() if len(kinds) > 1] == []


@pytest.mark.parametrize(
    "request_, words",
    [
        (READ, "read:tickets"),
        (Request("GET", "/Actions"), "read:tickets"),
        (CREATE, "edit:tickets"),
        (COMMENT, "edit:tickets"),
        (Request("DELETE", "/Tickets/7"), "edit:tickets"),
        (TEAMS, "all"),
        (Request("GET", "/Status"), "all"),
    ],
    ids=[
        "reading a ticket",
        "reading notes",
        "creating",
        "commenting",
        "deleting",
        "reading teams",
        "reading statuses",
    ],
)
def test_a_403_names_the_permission_that_is_likely_missing(request_, words):
    assert words in error_for(request_, empty(403)).assistance


def test_a_403_names_no_scope_that_halo_does_not_have():
    for path in ("/Agent", "/Team", "/Users", "/Status"):
        assistance = error_for(Request("GET", path), empty(403)).assistance
        assert not any(f"read:{name}" in assistance for name in ("agents", "teams", "users"))


def test_a_redirect_tells_the_host_but_not_the_query():
    error = error_for(READ, Response(302, location="https://login.example/sign-in?ticket=private-words"))
    assert "login.example" in error.data and "private-words" not in shown(error)


def test_the_seconds_that_halo_wanted_are_told():
    assert "300 seconds" in error_for(READ, Response(429, data=RATE), wanted=300.0).assistance
    assert "90 seconds" in error_for(READ, empty(503), wanted=90.0).assistance
    assert "wait 0" not in error_for(READ, Response(429, data=RATE)).assistance


def test_the_number_of_attempts_is_told_where_there_were_several():
    assert "4 attempts" in error_for(READ, empty(503), attempts=4).data
    assert "attempt" not in error_for(READ, empty(503), attempts=1).data


# --------------------------------------------------------------------------------------------------- token errors


def _oauth(code: str, status: int = 400, words: str = "") -> Response:
    return Response(status, data={"error": code, "error_description": words or f"about {code}"})


_TOKEN_ANSWERS: dict[str, tuple[Response, str, str]] = {
    "invalid_client with 400": (_oauth("invalid_client", 400), "invalid_client", "client secret"),
    "invalid_client with 401": (_oauth("invalid_client", 401), "invalid_client", "client secret"),
    "401 without a word": (empty(401), "invalid_client", "client secret"),
    "invalid_scope": (_oauth("invalid_scope"), "invalid_scope", "scope"),
    "unauthorized_client": (_oauth("unauthorized_client"), "unauthorized_client", "Services"),
    "unsupported_grant_type": (_oauth("unsupported_grant_type"), "unsupported_grant_type", "Services"),
    "wrong tenant, 500 without a word": (empty(500), "tenant", "Tenant"),
    "wrong tenant, 500 with JSON": (Response(500, data={"Message": "An error has occurred."}), "tenant", "Tenant"),
    "a page instead of a token": (page("HaloITSM"), "wrong_authorization_server", "Authorization Server"),
    "text instead of a token": (
        Response(200, readable=False, text="hello"),
        "wrong_authorization_server",
        "Authorization Server",
    ),
    "404": (empty(404), "wrong_address", "Authorization Server"),
    "429": (Response(429, data=RATE), "rate_limit", "rate"),
    "503": (empty(503), "unavailable", "not available"),
    "a redirect": (Response(302, location="https://a.example/"), "redirect", "redirect"),
    "400 that nobody knows": (Response(400, data={"error": "odd"}), "token", "client ID"),
    "400 whose error is an object": (Response(400, data={"error": {"error": "invalid_client"}}), "token", "client ID"),
}


@pytest.mark.parametrize("answer, kind, word", list(_TOKEN_ANSWERS.values()), ids=list(_TOKEN_ANSWERS))
def test_an_answer_of_the_authorization_server(answer, kind, word):
    error = error_for(TOKEN, answer)
    assert error.kind == kind and word in f"{error.cause} {error.assistance}"


@pytest.mark.parametrize(
    "answer, kind",
    [
        pytest.param(page("500", 500), "tenant", id="500 with a page is still how a wrong tenant is answered"),
        pytest.param(page("502 Bad Gateway", 502), "unavailable", id="502 with the page of a proxy"),
        pytest.param(page("Maintenance", 503), "unavailable", id="503 with the page of a maintenance"),
        pytest.param(page("Slow down", 429), "rate_limit", id="429 with a page"),
    ],
)
def test_a_page_with_a_status_of_its_own_is_no_wrong_authorization_server(answer, kind):
    assert error_for(TOKEN, answer).kind == kind


def test_the_ways_a_token_can_be_refused_read_differently():
    names = (
        "invalid_client with 401",
        "invalid_scope",
        "wrong tenant, 500 without a word",
        "a page instead of a token",
        "404",
        "503",
    )
    causes = {error_for(TOKEN, _TOKEN_ANSWERS[name][0]).cause for name in names}
    assert len(causes) == len(names)


def test_only_a_form_is_a_token_request():
    assert is_token(TOKEN) and not is_token(CREATE) and not is_token(READ)


# ------------------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize("kind", list(NoResponseKind), ids=lambda kind: kind.value)
@pytest.mark.parametrize("request_", [READ, TOKEN], ids=["the resource server", "the authorization server"])
def test_each_failure_has_its_own_cause_and_names_the_server(kind, request_):
    error = error_for(request_, NoResponse(kind, "SomeError"), attempts=3)
    assert error.kind == kind.value and error.status is None
    assert ("authorization server" if request_ is TOKEN else "resource server") in error.cause.lower()
    assert "{" not in shown(error) and "3 attempts" in error.data and "SomeError" in error.data
    others = {error_for(request_, NoResponse(other)).cause for other in NoResponseKind if other is not kind}
    assert error.cause not in others


@pytest.mark.parametrize(
    "kind, word",
    [
        (NoResponseKind.NAME, "DNS"),
        (NoResponseKind.TLS, "TLS version"),
        (NoResponseKind.CERTIFICATE, "certificate"),
        (NoResponseKind.CONNECT_TIMEOUT, "firewall"),
        (NoResponseKind.REFUSED, "port"),
        (NoResponseKind.PROXY, "proxy"),
    ],
    ids=lambda value: getattr(value, "value", value),
)
def test_the_help_for_a_failure_fits_it(kind, word):
    assert word in error_for(READ, NoResponse(kind)).assistance


# -------------------------------------------------------------------------------------------- nothing confidential

SECRET = "Kx7+not/a=real&secret-0123456789"
DETAILS = (
    "The password of the vault in room 12 was changed by Jo on Monday.\n\nPlease tell nobody that the key "
    "lies under the third flower pot on the left side of the door, next to the small green garden gate."
)


def _echo(text: str) -> dict[str, Any]:
    return {
        "as a string": text,
        "as message": {"message": f"Bad value '{text}' given"},
        "in a .NET exception": {**DOT_NET, "Message": f"Could not convert {text}"},
        "as model state": {"[0].details": [f"The value '{text}' is not valid."]},
        "as the key of a model state": {text: ["not valid"]},
        "as error": {"error": {"error_description": text}},
    }


@pytest.mark.parametrize("shape", list(_echo("")))
@pytest.mark.parametrize("request_", [READ, CREATE, TOKEN], ids=["read", "create", "token"])
def test_a_secret_that_halo_repeats_is_removed(shape, request_):
    for status in (200, 400, 401, 403, 500):
        answer = Response(status, data=_echo(f"before {SECRET} after")[shape])
        assert SECRET not in shown(error_for(request_, answer, secrets=("", SECRET)))


def test_a_secret_in_plain_text_or_a_title_is_removed():
    for answer in (
        Response(400, readable=False, text=f"no {SECRET}"),
        Response(400, readable=False, text=f"<title>{SECRET.replace('&', '&amp;')}</title>", html=True),
    ):
        assert SECRET not in shown(error_for(TOKEN, answer, secrets=(SECRET,)))


@pytest.mark.parametrize("before", [370, 375, 380], ids=lambda before: f"{before} characters before it")
def test_a_secret_at_the_end_of_what_is_told_is_not_told_in_part(before):
    answer = Response(400, data={"message": "x" * (before - 1) + " " + SECRET + " y" * 40})
    assert SECRET[:12] not in shown(error_for(READ, answer, secrets=(SECRET,)))


@pytest.mark.parametrize("part", [SECRET[:24], SECRET[6:]], ids=["its beginning", "its end"])
def test_a_secret_of_which_halo_repeats_a_part_is_removed(part):
    error = error_for(READ, Response(400, data=f"The token '{part}...' is not valid"), secrets=(SECRET,))
    assert part not in shown(error)


_CHANGES = {
    "whole": lambda text: text,
    "cut at the end": lambda text: text[:120] + "...",
    "cut at the beginning": lambda text: "..." + text[40:],
    "from the middle": lambda text: text[30:90],
    "in one line": lambda text: " ".join(text.split()),
    "with other line ends": lambda text: text.replace("\n", "\r\n"),
    "with wider spaces": lambda text: text.replace(" ", "   "),
    "with tabs": lambda text: text.replace(" ", "\t"),
    "twice": lambda text: f"{text} / {text}",
    "with hard spaces": lambda text: text.replace(" ", "\u00a0"),
}
_BODIES = {
    "details of a ticket": [{"summary": "s", "details": DETAILS}],
    "a note": [{"ticket_id": 4, "note_html": DETAILS}],
    "a custom field": [{"id": 4, "customfields": [{"name": "CFx", "value": DETAILS}]}],
    "a list in a custom field": [{"id": 4, "customfields": [{"name": "CFx", "value": [1, [DETAILS]]}]}],
}


@pytest.mark.parametrize("change", list(_CHANGES.values()), ids=list(_CHANGES))
@pytest.mark.parametrize("body", list(_BODIES.values()), ids=list(_BODIES))
def test_a_sent_text_that_halo_repeats_is_removed(change, body):
    request_ = Request("POST", "/Tickets", body=body, repeatable=False)
    words = set(DETAILS.split())
    stretches = [DETAILS[start : start + 24] for start in range(len(DETAILS) - 24)]
    for data in _echo(change(DETAILS)).values():
        text = shown(error_for(request_, Response(400, data=data)))
        assert not any(stretch in text for stretch in stretches)
        assert len(words & set(text.split())) < len(words) / 2


def test_a_short_private_text_is_removed_whole():
    request_ = Request("POST", "/Tickets", body=[{"summary": "jo-vault-42"}])
    assert "jo-vault-42" not in shown(error_for(request_, Response(400, data="Bad 'jo-vault-42' here")))


def test_what_halo_itself_says_stays():
    request_ = Request("POST", "/Tickets", body=[{"summary": "A ticket", "details": DETAILS}])
    error = error_for(request_, Response(400, data=f"Category is unknown. You sent: {DETAILS} Please correct it soon."))
    assert "Category is unknown. You sent" in error.said and "Please correct it soon." in error.said


def test_words_that_were_sent_do_not_blot_out_halos_message():
    request_ = Request("POST", "/Tickets", body=[{"summary": "is", "details": "a", "team": "the"}])
    assert error_for(request_, Response(400, data="a field is the wrong one")).said == "a field is the wrong one"


def test_a_query_is_never_part_of_an_error():
    request_ = Request("GET", "/Tickets", {"search_summary": "private-words"})
    for result in (empty(500), page(), NoResponse(NoResponseKind.LOST, "X")):
        assert "private-words" not in shown(error_for(request_, result))


def test_a_summary_that_quotes_halo_does_not_hide_halos_refusal():
    request_ = Request("POST", "/Tickets", body=[{"id": 9, "summary": "Record not found in the CRM"}])
    assert error_for(request_, Response(400, data="Record not found")).kind == "not_found"


def test_a_sent_text_that_halo_repeats_does_not_decide_what_went_wrong():
    text = "Please tell the customer about the outcome of the meeting on Monday."
    request_ = Request("POST", "/Tickets", body=[{"id": 9, "details": text}])
    assert error_for(request_, Response(400, data=f"The value '{text}' is too long.")).kind == "refused"


def _lines(seed: str) -> str:
    return "".join(f"{seed} {number:07d} went by\n" for number in range(10_000_000 // (len(seed) + 17)))


@pytest.mark.parametrize(
    "sent",
    [_lines("An entry of a log"), "\n" * 10_000_000],
    ids=["a log", "empty lines"],
)
def test_ten_megabytes_that_were_sent_are_searched_in_reasonable_time(sent):
    request_ = Request("POST", "/Tickets", body=[{"summary": "s", "details": sent}], repeatable=False)
    began = time.monotonic()
    error = error_for(request_, Response(400, data={"message": "No such category, or it is not active. " * 5}))
    assert time.monotonic() - began < 15
    assert "No such category" in error.said


def test_redact_takes_secrets_that_contain_each_other():
    assert redact("abcdefgh-long abcdefgh", ["abcdefgh", "abcdefgh-long"], []) == "[removed] [removed]"


def test_redact_leaves_what_shares_less_than_a_stretch():
    sent = string.ascii_letters
    assert redact("abcdefghijklmno", [], [sent]) == "abcdefghijklmno"
    assert redact("abcdefghijklmnop", [], [sent]) == "[removed]"


# ------------------------------------------------------------------------------------------------ the exceptions


def test_errors_become_plugin_exceptions_with_cause_assistance_and_data():
    with pytest.raises(HaloITSMError) as caught, plugin_exceptions():
        raise error_for(READ, empty(404))
    error = caught.value
    assert isinstance(error, PluginException) and not isinstance(error, UncertainWriteError)
    assert error.cause and error.assistance and error.data
    assert (error.kind, error.status) == ("not_found", 404)


def test_an_uncertain_write_becomes_one_of_the_plugin():
    with pytest.raises(UncertainWriteError) as caught, plugin_exceptions():
        raise UncertainWrite(kind="lost", cause="c", assistance="a", data="d", status=502, said="s")
    assert (caught.value.kind, caught.value.status, caught.value.said) == ("lost", 502, "s")


def test_the_same_error_speaks_of_steps_in_the_plugin_and_of_calls_elsewhere():
    error = error_for(READ, NoResponse(NoResponseKind.NAME))
    with pytest.raises(HaloITSMError) as caught, plugin_exceptions():
        raise error
    assert "the DNS of the orchestrator" in caught.value.assistance and "the DNS of this machine" in error.assistance
    assert "{" not in f"{error} {caught.value}"


@pytest.mark.parametrize("kind", NoResponseKind)
@pytest.mark.parametrize("request_", [READ, TOKEN], ids=["a read", "a token"])
def test_no_error_shows_a_name_in_braces(kind, request_):
    error = error_for(request_, NoResponse(kind))
    with pytest.raises(HaloITSMError) as caught, plugin_exceptions():
        raise error
    assert "{" not in f"{error} {caught.value.cause} {caught.value.assistance}"


def test_an_uncertain_write_is_a_halo_error():
    error = UncertainWrite(kind="lost", cause="c", assistance="a", data="d", status=502, said="s")
    assert isinstance(error, HaloError)
    assert (error.kind, error.status, error.said, error.data) == ("lost", 502, "s", "d")


def test_an_unknown_shape_names_the_request_and_what_was_expected():
    error = misunderstood(READ, "no list of tickets")
    assert error.kind == "unknown_shape" and "no list of tickets" in error.cause and READ.label in error.data


def test_a_missing_ticket_is_named():
    error = missing_ticket(4711)
    assert error.kind == "not_found" and "4711" in error.cause and error.status is None
    refusal = error_for(READ, Response(404, data="Record not found"))
    error = missing_ticket(4711, refusal)
    assert error.status == 404 and error.data == refusal.data
