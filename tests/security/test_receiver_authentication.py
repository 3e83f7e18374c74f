"""A webhook is authenticated before anything else is done with it, and in constant time."""

import ast
import base64
import hashlib
import hmac
import inspect
import io
import json
import logging

import pytest

from komand_haloitsm.util.events import receiver as receiver_module
from komand_haloitsm.util.events.receiver import Receiver
from komand_haloitsm.util.halo import webhook as webhook_module
from komand_haloitsm.util.halo.webhook import SIGNATURE_HEADERS, is_authentic

SECRET = "webhook-secret-of-a-test"
BODY = json.dumps({"event": "ticket updated", "object_id": 42}).encode()


def signature(body, secret=SECRET):
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def basic(password):
    return "Basic " + base64.b64encode(b"halo:" + password.encode()).decode()


class Compared:
    """hmac.compare_digest that counts its calls."""

    def __init__(self):
        self.pairs = []

    def __call__(self, one, other):
        self.pairs.append((one, other))
        return hmac.compare_digest(one, other)


@pytest.fixture(name="compared")
def _compared(monkeypatch):
    compared = Compared()

    class Hmac:
        new = staticmethod(hmac.new)
        compare_digest = staticmethod(compared)

    monkeypatch.setattr(webhook_module, "hmac", Hmac)
    return compared


@pytest.mark.parametrize(
    ("headers", "believed"),
    [
        ({}, False),
        ({"Token": signature(BODY)}, True),
        ({"Token": signature(BODY, "x")}, False),
        ({"X-Hub-Signature-256": "sha256=" + signature(BODY), "Token": "x"}, True),
        ({"Authorization": basic(SECRET)}, True),
        ({"Authorization": basic(SECRET[:-1])}, False),
        ({"Authorization": "Bearer x", "Token": "!"}, False),
    ],
)
def test_every_proof_is_compared_in_constant_time_whatever_the_first_one_says(compared, headers, believed):
    assert is_authentic(BODY, headers, SECRET) is believed
    assert len(compared.pairs) == len(SIGNATURE_HEADERS) + 1
    assert all(isinstance(one, bytes) and isinstance(other, bytes) for one, other in compared.pairs)


def test_a_proof_is_believed_only_because_compare_digest_says_so(monkeypatch):
    class Hmac:
        new = staticmethod(hmac.new)
        compare_digest = staticmethod(lambda one, other: False)

    monkeypatch.setattr(webhook_module, "hmac", Hmac)
    assert is_authentic(BODY, {"Token": signature(BODY), "Authorization": basic(SECRET)}, SECRET) is False


def test_nothing_in_the_authentication_compares_by_itself():
    function = ast.parse(inspect.getsource(is_authentic)).body[0]
    assert [node for node in ast.walk(function) if isinstance(node, ast.Compare)] == []
    short_cuts = [node for node in ast.walk(function) if isinstance(node, ast.BoolOp)]
    assert short_cuts == [], "and / or would leave out a comparison"


class Taken:
    """What a receiver hands over, and how it answers."""

    def __init__(self, monkeypatch):
        self.parsed, self.pending, self.statuses = [], [], []
        parse = receiver_module.notices
        monkeypatch.setattr(receiver_module, "notices", lambda body: self.parsed.append(body) or parse(body))
        self._receiver = Receiver(0, SECRET, self.pending.extend, logging.getLogger(__name__))

    def post(self, body, **headers):
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(body), **headers}
        told = b"".join(self._receiver.answer(environ, lambda status, fields: self.statuses.append(status)))
        return self.statuses[-1], told


@pytest.fixture(name="taken")
def _taken(monkeypatch):
    return Taken(monkeypatch)


HOSTILE = {
    "no JSON": b"{",
    "no object": b"5",
    "no UTF-8": b"\xff\xfe\xff",
    "deep": b"[" * 100_000,
    "empty": b"",
    "a number of a million digits": b"9" * 1_000_000,
    "good": BODY,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "proof", [{}, {"HTTP_TOKEN": "x"}, {"HTTP_AUTHORIZATION": basic("wrong")}], ids=["none", "bad", "wrong"]
)
def test_nothing_is_parsed_before_it_is_authentic(taken, body, proof):
    status, told = taken.post(body, **proof)
    assert status.startswith("401") and told == b"not authenticated\n"
    assert taken.parsed == [] and taken.pending == []


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_authentic_is_parsed_and_answered_without_repeating_it(taken, name):
    body = HOSTILE[name]
    status, told = taken.post(body, HTTP_TOKEN=signature(body))
    assert status.startswith("200" if name == "good" else "400") and taken.parsed == [body]
    assert [notice.ticket_id for notice in taken.pending] == ([42] if name == "good" else []) and len(told) < 60


def test_a_signature_under_an_empty_secret_opens_nothing(monkeypatch):
    open_door = Receiver(0, "", lambda ids: pytest.fail("it was let in"), logging.getLogger(__name__))
    for headers in ({}, {"HTTP_TOKEN": signature(BODY, "")}, {"HTTP_AUTHORIZATION": basic("")}):
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(BODY), **headers}
        statuses = []
        open_door.answer(environ, lambda status, fields: statuses.append(status))
        assert statuses[0].startswith("401")
