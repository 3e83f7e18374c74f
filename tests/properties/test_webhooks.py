"""Any delivery is read or refused, any proof is believed or not, and nothing else happens."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from komand_haloitsm.util.halo.values.ids import LARGEST_ID
from komand_haloitsm.util.halo.webhook import SIGNATURE_HEADERS, Notice, UnreadableWebhook, is_authentic, notices

from .values import ANY_JSON, IDS, TEXTS

_SUBJECTS = st.fixed_dictionaries({}, optional={"id": IDS | ANY_JSON, "summary": TEXTS}) | ANY_JSON
_NAMES = st.sampled_from(
    [
        "new ticket logged",
        "ticket status changed",
        "Ticket updated",
        "client updated",
        "asset changed",
        "SLA warning",
        "",
    ]
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event": _NAMES | ANY_JSON,
        "ticket": _SUBJECTS,
        "object": _SUBJECTS,
        "ticket_id": IDS | ANY_JSON,
        "object_id": IDS | ANY_JSON,
        "id": TEXTS,
        "agent_id": st.sampled_from([0, 1, 2, 3]) | ANY_JSON,
        "timestamp": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | ANY_JSON,
        "message": IDS.map("The asset of Ticket ID: 000{} has changed.".format) | ANY_JSON,
    },
)
# HTTP headers arrive as bytes, and at the application as Latin-1.
HEADERS = st.binary(max_size=90).map(lambda value: value.decode("latin-1")) | TEXTS
PROOFS = (
    HEADERS
    | st.binary(max_size=70).map(lambda value: base64.b64encode(value).decode())
    | st.binary(min_size=32, max_size=32).map(bytes.hex)
    | st.binary(max_size=40).map(lambda value: "Basic " + base64.b64encode(value).decode())
    | HEADERS.map(lambda value: "sha256=" + value)
    | HEADERS.map(lambda value: "Basic " + value)
)
SENT = st.dictionaries(st.sampled_from([*SIGNATURE_HEADERS, "Authorization", "Other"]), PROOFS, max_size=5)


def read(body):
    try:
        return notices(body)
    except UnreadableWebhook:
        return None


@given(EVENTS | st.lists(EVENTS | ANY_JSON, max_size=4) | ANY_JSON)
def test_any_json_is_read_or_refused(payload):
    found = read(json.dumps(payload).encode())
    wanted = isinstance(payload, dict) or (
        isinstance(payload, list) and all(isinstance(item, dict) for item in payload)
    )
    assert (found is not None) == wanted
    numbers = [notice.ticket_id for notice in found or []]
    agents = [notice.agent_id for notice in found or [] if notice.agent_id is not None]
    assert all(type(number) is int and 0 < number <= LARGEST_ID for number in (*numbers, *agents))
    assert len(set(numbers)) == len(numbers)
    assert all(notice.sent == "" or notice.sent.moment for notice in found or [])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    assert read(body) is None or json.loads(body) is not None


@given(st.lists(EVENTS, max_size=4))
def test_a_batch_says_what_its_events_say(events):
    alone = [notice for event in events for notice in notices(json.dumps(event).encode())]
    by_ticket = {notice.ticket_id: [one for one in alone if one.ticket_id == notice.ticket_id] for notice in alone}
    assert notices(json.dumps(events).encode()) == [
        Notice(
            ticket_id,
            max(one.sent for one in several) if all(one.sent for one in several) else "",
            several[0].agent_id if len({one.agent_id for one in several}) == 1 else None,
        )
        for ticket_id, several in by_ticket.items()
    ]


@given(st.binary(max_size=50), SENT, st.text(min_size=1, max_size=20))
def test_no_header_raises_and_none_that_is_made_up_is_believed(body, headers, secret):
    password = base64.b64encode(b":" + secret.encode()).decode()
    if not any(password.rstrip("=")[-6:] in value for value in headers.values()):
        assert is_authentic(body, headers, secret) is False
    assert is_authentic(body, headers, "") is False


@given(st.binary(max_size=50), SENT, st.text(min_size=1, max_size=20), st.sampled_from(SIGNATURE_HEADERS), st.data())
def test_the_right_signature_is_believed_whatever_stands_beside_it_and_only_for_its_body(
    body, others, secret, name, data
):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    proof = data.draw(st.sampled_from([digest.hex(), digest.hex().upper(), base64.b64encode(digest).decode()]))
    headers = {**others, name: data.draw(st.sampled_from(["", "sha256=", "SHA256=", " "])) + proof}
    assert is_authentic(body, headers, secret) is True
    assert is_authentic(body + b" ", {name: headers[name]}, secret) is False
    assert is_authentic(body, {name: headers[name]}, secret + "x") is False
    assert is_authentic(body, {name: headers[name][:-4]}, secret) is False


def test_a_secret_that_has_no_utf8_is_no_exception():
    assert is_authentic(b"{}", {}, "secret \ud83d") is False


def test_the_name_of_an_event_cannot_stop_the_trigger():
    script = (
        "from komand_haloitsm.util.halo.webhook import notices\n"
        "import json\n"
        "notices(json.dumps({'event': 'status' * 70_000, 'message': 'ticket' * 100_000, 'object_id': 5}).encode())"
    )
    # In a process of its own: in this one it could not be stopped.
    subprocess.run([sys.executable, "-c", script], check=True, timeout=3)
