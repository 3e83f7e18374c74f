"""Whatever Halo answers, the error says something, and nothing that is private."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.error_texts import error_for, halo_says
from komand_haloitsm.util.halo.http.messages import NoResponse, NoResponseKind, Request, Response
from komand_haloitsm.util.halo.http.redaction import redact

from .values import ANY_JSON, TEXTS

REQUESTS = st.sampled_from(
    [
        Request("GET", "/Tickets/7", {"includedetails": "true"}),
        Request("POST", "/Tickets", body=[{"summary": "A private summary of somebody"}], repeatable=False),
        Request("POST", "/Actions", body=[{"ticket_id": 7, "note_html": "A private note of somebody"}]),
        Request("GET", "/Team"),
        Request("POST", "", form={"client_id": "i", "client_secret": "s"}),
    ]
)
STATUSES = st.integers(200, 599) | st.sampled_from([200, 201, 301, 400, 401, 403, 404, 429, 500, 503])
KEYS = st.sampled_from(
    "error_description Message message ExceptionMessage detail title error errors ClassName [0].status_id".split()
)
# The shapes of Halo's errors, filled with anything.
BODIES = st.recursive(
    ANY_JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
PAGES = st.builds("<html><title{}>{}</title>{}".format, TEXTS, TEXTS, TEXTS) | TEXTS
SECRETS = st.text(string.ascii_letters + string.digits + "+/=&-", min_size=12, max_size=40)


def answers(status, body, page, readable, html):
    return Response(
        status, data=body if readable else None, readable=readable, text="" if readable else page, html=html
    )


ANSWERS = st.builds(answers, STATUSES, BODIES, PAGES, st.booleans(), st.booleans())


def shown(error):
    return "\n".join(map(str, (error, error.cause, error.assistance, error.data, error.said, repr(error))))


@given(REQUESTS, ANSWERS, st.integers(1, 9), st.floats(0) | st.just(0.0))
def test_any_answer_makes_an_error_that_says_what_to_do(request, answer, attempts, wanted):
    error = error_for(request, answer, attempts=attempts, wanted=wanted)
    assert isinstance(error, HaloError)
    assert error.kind and error.cause.strip() and error.assistance.strip() and str(answer.status) in error.data
    assert error.status == answer.status and len(error.said) <= 400 and error.said.isprintable()
    assert request.label in error.data and "{" not in error.cause + error.assistance


@given(REQUESTS, st.sampled_from(NoResponseKind), TEXTS)
def test_any_failure_makes_an_error_that_says_what_to_do(request, kind, detail):
    error = error_for(request, NoResponse(kind, detail))
    assert error.cause.strip() and error.assistance.strip() and error.status is None
    assert "{" not in error.cause + error.assistance


@given(ANSWERS)
def test_halos_words_are_one_printable_line(answer):
    said = halo_says(answer)
    assert len(said) <= 800 and said.isprintable() and said == " ".join(said.split())


@st.composite
def echoes(draw):
    """A secret, and an answer that repeats it, or a part of it, somewhere."""
    secret = draw(SECRETS)
    start, end = draw(st.sampled_from([(0, None), (0, 9), (3, None), (2, 11)]))
    said = draw(TEXTS) + secret[start:end] + draw(TEXTS)
    where = draw(st.sampled_from(["value", "key", "text", "title", "list", "deep", "late"]))
    status = draw(STATUSES)
    if where == "text":
        return secret, Response(status, readable=False, text=said)
    if where == "title":
        return secret, Response(status, readable=False, html=True, text=f"<title>{said}</title>")
    if where == "late":
        return secret, Response(status, data="x" * draw(st.integers(340, 810)) + secret)
    key = draw(KEYS)
    inner = {"value": {key: said}, "key": {said: ["not valid"]}, "list": [said, said], "deep": {"error": {key: [said]}}}
    return secret, Response(status, data=inner[where])


@given(REQUESTS, echoes())
def test_no_stretch_of_a_secret_is_told(request, echo):
    secret, answer = echo
    told = shown(error_for(request, answer, secrets=("another-secret-there", secret)))
    assert not any(secret[start : start + 8] in told for start in range(len(secret) - 7))


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=20, max_size=60), TEXTS)
def test_no_sent_text_is_told(private, around):
    request = Request("POST", "/Tickets", body=[{"summary": "s", "customfields": [{"value": private}]}])
    told = shown(error_for(request, Response(400, data={"message": f"{around} {private} {around}"})))
    assert " ".join(private.split()) not in told


@given(TEXTS, st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_redaction_only_takes_away(text, secrets, sent):
    left = redact(text, secrets, sent)
    assert not any(part in left.replace("[removed]", "\0") for part in secrets if part)
    assert redact(text, [], []) == text


@pytest.mark.parametrize("location", ["https://{}.example.com/login", "https://{}/", "https://user:{}@example.com/"])
def test_a_secret_in_a_redirect_is_not_told(location):
    secret = "s3cr3tS3cr3tS3cr3t"
    answer = Response(302, readable=False, location=location.format(secret))
    assert secret not in shown(error_for(Request("POST", "", form={}), answer, secrets=(secret,)))


def test_of_a_redirect_the_host_is_told_and_not_the_password_before_it():
    answer = Response(302, readable=False, location="https://proxyuser:hunter22@login.example.com/")
    told = shown(error_for(Request("GET", "/Tickets"), answer))
    assert "login.example.com" in told and "hunter22" not in told


def test_a_secret_is_not_told_as_the_form_spelled_it():
    secret, spelled = "aB3+dE6/gH9=kL2&nO5", "aB3%2BdE6%2FgH9%3DkL2%26nO5"
    answer = Response(400, data=f"Request blocked: grant_type=client_credentials&client_secret={spelled}&scope=all")
    assert spelled not in shown(error_for(Request("POST", "", form={}), answer, secrets=(secret,)))
