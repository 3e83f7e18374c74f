"""Halo's webhook deliveries: which ones are authentic, and which tickets they name, whatever their shape."""

import base64
import hashlib
import hmac
import json
import random
import string

import pytest

from komand_haloitsm.util.halo.webhook import Notice, UnreadableWebhook, is_authentic, notices

SECRET = "s3cret:with:colons/+="
UNICODE = "Schlüssel-鍵-🔑"
BODY = b'{"event":"ticket status changed","object_id":4242}'
HEADERS = ("Token", "X-Halo-Signature", "X-Hub-Signature-256")


def ticket_ids(body: bytes) -> list[int]:
    return [notice.ticket_id for notice in notices(body)]


def digest(secret: str = SECRET, body: bytes = BODY) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def in_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def basic(password: str, user: str = "halo", kind: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{kind} {in_base64(f'{user}:{password}'.encode())}"}


SPELLINGS = {
    "base64": in_base64,
    "hex": bytes.hex,
    "upper-case hex": lambda raw: raw.hex().upper(),
    "prefixed hex": lambda raw: "sha256=" + raw.hex(),
    "prefixed base64": lambda raw: "sha256=" + in_base64(raw),
    "upper-case prefix": lambda raw: "SHA256=" + raw.hex(),
    "spaces around": lambda raw: f"  {in_base64(raw)} ",
}


@pytest.mark.parametrize("secret", [SECRET, UNICODE, "x", "k" * 300])
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_signature_of_the_raw_body_is_believed(header, spelling, secret):
    assert is_authentic(BODY, {header: SPELLINGS[spelling](digest(secret))}, secret) is True


WRONG = {
    "another secret": in_base64(digest("other")),
    "another body": in_base64(digest(body=BODY + b" ")),
    "no body": in_base64(digest(body=b"")),
    "plain sha256": in_base64(hashlib.sha256(BODY).digest()),
    "sha1": in_base64(hmac.new(SECRET.encode(), BODY, hashlib.sha1).digest()),
    "truncated bytes": in_base64(digest()[:16]),
    "truncated hex": digest().hex()[:-2],
    "truncated base64": in_base64(digest())[:-4],
    "half a base64 group": in_base64(digest())[:-1],
    "too long": in_base64(digest() + b"\0"),
    "twice": in_base64(digest()) * 2,
    "two, by commas": f"{in_base64(digest('other'))}, {in_base64(digest())}",
    "lower-case base64": in_base64(digest()).lower(),
    "another prefix": "sha1=" + digest().hex(),
    "only the prefix": "sha256=",
    "the secret": SECRET,
    "not base64": "%%%",
    "not ASCII": "é" * 44,
    "64 that are not hex": "z" * 64,
    "64 spaces": " " * 64,
    "empty": "",
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("proof", WRONG)
def test_a_wrong_signature_is_not_believed(header, proof):
    assert is_authentic(BODY, {header: WRONG[proof]}, SECRET) is False


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (basic(SECRET), True),
        (basic(SECRET, user=""), True),
        (basic(SECRET, user="someone else"), True),
        (basic(SECRET, kind="basic"), True),
        (basic(SECRET, kind="BASIC"), True),
        (basic("wrong"), False),
        (basic(""), False),
        (basic(SECRET + "x"), False),
        (basic(SECRET[:-1]), False),
        (basic(SECRET.upper()), False),
        (basic(SECRET, kind="Bearer"), False),
        (basic("x", user=SECRET), False),
        ({"Authorization": "Basic"}, False),
        ({"Authorization": "Basic !!!"}, False),
        ({"Authorization": f"Basic {SECRET}"}, False),
        ({"Authorization": f"Basic {in_base64(SECRET.encode())}"}, False),
        ({"Authorization": f"Bearer {SECRET}"}, False),
        ({"Authorization": SECRET}, False),
        ({"Authorization": "Basic é"}, False),
        ({"Authorization": ""}, False),
        ({}, False),
    ],
)
def test_basic_credentials(headers, expected):
    assert is_authentic(BODY, headers, SECRET) is expected


def test_a_basic_password_may_be_any_text():
    assert is_authentic(BODY, basic(UNICODE), UNICODE) is True
    assert is_authentic(BODY, basic(UNICODE + "x"), UNICODE) is False


@pytest.mark.parametrize("good", [*HEADERS, "Authorization"])
def test_one_proof_of_several_is_enough_wherever_it_stands(good):
    headers = {name: in_base64(digest("other")) for name in HEADERS} | basic("wrong")
    assert is_authentic(BODY, headers, SECRET) is False
    proof = basic(SECRET)["Authorization"] if good == "Authorization" else in_base64(digest())
    assert is_authentic(BODY, headers | {good: proof}, SECRET) is True


@pytest.mark.parametrize(
    "headers", [{}, basic(""), basic("", user=""), {"Token": in_base64(digest(""))}, {"Token": ""}]
)
def test_an_empty_secret_proves_nothing(headers):
    assert is_authentic(BODY, headers, "") is False


@pytest.mark.parametrize("body", [b"", b"\0" * 1000, b"\xff\xfe", "ü".encode(), b"x" * 1_000_000])
def test_the_signature_is_over_the_bytes_whatever_they_are(body):
    assert is_authentic(body, {"Token": in_base64(digest(body=body))}, SECRET) is True
    assert is_authentic(body + b"x", {"Token": in_base64(digest(body=body))}, SECRET) is False


def test_any_header_makes_an_answer_and_no_exception():
    dice = random.Random(3)
    for _ in range(2000):
        text = "".join(dice.choice(string.printable + "é\x80ÿ=") for _ in range(dice.choice((0, 3, 44, 64, 71))))
        headers = {name: dice.choice(("", "sha256=", "Basic ", "basic")) + text for name in (*HEADERS, "Authorization")}
        assert is_authentic(BODY, headers, SECRET) is False


# -- payloads -------------------------------------------------------------------------------------------------------

FULL = {
    "id": "8e25bc7b-e07e-4102-9398-5d6647e1e79d",
    "webhook_id": "53232637-7724-4a19-b126-3c7267a292aa",
    "notification_id": 41,
    "escmsg_id": "a726ee11-acb8-f111-8260-02725cb0e102",
    "event": "ticket status changed",
    "message": "The status has been changed for Ticket ID: 0004242.",
    "object_id": 4242,
    "agent_id": 3,
    "timestamp": "2026-09-25T06:41:08.7895915Z",
    "ticket": {"id": 4242, "summary": "x", "status_id": 9, "tickettype_id": 25, "customfields": []},
}
EVENT_ONLY = {name: value for name, value in FULL.items() if name != "ticket"}


def named(event, number=7, **more):
    return {"id": "a-guid", "event": event, "object_id": number, **more}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (FULL, [4242]),
        (EVENT_ONLY, [4242]),
        ([FULL], [4242]),
        ([EVENT_ONLY, named("ticket updated", 8), FULL], [4242, 8]),
        ([named("ticket updated", number) for number in (5, 3, 5, 4, 3)], [5, 3, 4]),
        ([], []),
        ({}, []),
        ([{}, {}], []),
        ({"event": "ticket updated", "ticket_id": 9}, [9]),
        ({"event": "ticket updated", "object": {"id": 9}}, [9]),
        ({"event": "ticket updated", "ticket": {"id": 9}}, [9]),
        ({"ticket": {"id": 9}, "object_id": 3}, [9]),
        ({"event": "ticket updated", "ticket": None, "object_id": 9}, [9]),
        ({"event": "ticket updated", "ticket": [], "object_id": 9}, [9]),
        ({"event": "ticket updated", "ticket": {}, "object_id": 9}, [9]),
        ({"event": "ticket updated", "ticket": "9", "object_id": 9}, [9]),
        ({"event": "ticket updated", "object": "thing"}, []),
        ({"object_id": 9}, [9]),
        ({"event": None, "object_id": 9}, [9]),
        ({"event": "", "object_id": 9}, [9]),
        ({"event": 61, "object_id": 9}, [9]),
        ({"id": "only a guid", "event": "ticket updated"}, []),
        ({"id": 17, "event": "ticket updated"}, []),
    ],
)
def test_shapes(payload, expected):
    assert ticket_ids(json.dumps(payload).encode()) == expected


@pytest.mark.parametrize(
    ("event", "about_a_ticket"),
    [
        ("new ticket logged", True),
        ("ticket status changed", True),
        ("ticket closed", True),
        ("ticket deleted", True),
        ("Ticket Updated (fields)", True),
        ("TICKET  UPDATED BY USER", True),
        ("new-ticket-logged", True),
        ("Status has changed", True),
        ("re-assigned", True),
        ("Reassigned to another agent", True),
        ("Action added", True),
        ("SLA 75% reached", True),
        ("Deadline reached", True),
        ("Ticket linked to asset", True),
        ("client updated", False),
        ("New customer logged", False),
        ("asset updated", False),
        ("invoice closed", False),
        ("contract updated", False),
        ("appointment updated", False),
        ("user updated", False),
        ("opportunity status changed", False),
        ("article updated", False),
        ("site updated", False),
        ("password reset", True),
        ("Escalation to night shift", True),
        ("Updated by user", True),
        ("Reply from customer", True),
        ("VIP client waits for a response", True),
        ("User replied", True),
        ("Website is down", True),
        ("Incident of a user logged", True),
        ("", True),
        ("通知", True),
        ("Halo: asset changed", False),
        ("CRM opportunities won", False),
        ("Invoices overdue", False),
        ("New user", False),
        ("Supplier added", False),
    ],
)
def test_events_by_name(event, about_a_ticket):
    assert ticket_ids(json.dumps(named(event)).encode()) == ([7] if about_a_ticket else [])


def test_an_event_with_its_ticket_counts_whatever_its_name():
    assert ticket_ids(json.dumps(named("asset updated", 3, ticket={"id": 9})).encode()) == [9]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (named("asset updated", 3, ticket_id="9"), [9]),
        (named("asset updated", 3, message="Laptop 12 was linked to Ticket ID: 0004242."), [4242]),
        (named("Escalation to night shift", 4242, message="Ticket ID: 0004242 waits."), [4242]),
        (named("Escalation to night shift", 3, message="Ticket ID: 0004242 waits."), [3, 4242]),
        (named("ticket updated", 3, message="Its parent is Ticket #17."), [3, 17]),
        (named("ticket updated", 3, message="Ticket ID: 5 and Ticket ID: 6"), [3, 5]),
        (named("ticket updated", 3, ticket={"id": 3}, message="Ticket ID: 5"), [3]),
        (named("asset updated", 3, message="Ticket Number 12"), [12]),
        (named("asset updated", 3, message="TICKET-ID 12"), [12]),
        (named("asset updated", 3, message="The ticket 12 is closed"), []),
        (named("asset updated", 3, message="Asset ID: 12"), []),
        (named("asset updated", 3, message="Ticket ID: 0"), []),
        (named("asset updated", 3, message="Ticket ID: 12345678901234567890"), []),
        (named("asset updated", 3, message=" " * 2000 + "Ticket ID: 12"), []),
        (named("asset updated", 3, message=["Ticket ID: 12"]), []),
        ({"event": "asset updated", "object": {"id": 3}}, []),
    ],
)
def test_what_names_a_ticket_beside_the_name_of_the_event(event, expected):
    assert ticket_ids(json.dumps(event).encode()) == expected


SENT = "2026-09-25T06:41:08.789591500"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([FULL], [Notice(4242, SENT, 3)]),
        ([EVENT_ONLY], [Notice(4242, SENT, 3)]),
        ([{"ticket_id": 7}], [Notice(7)]),
        ([{"ticket_id": 7, "agent_id": "3", "timestamp": "2026-09-25T06:41:08"}], [Notice(7, SENT[:20] + "0" * 9, 3)]),
        # 0 and -1 are no agents, a ticket's agent is not who changed it, and these are no moments.
        ([{"ticket_id": 7, "agent_id": 0, "timestamp": ""}], [Notice(7)]),
        ([{"ticket_id": 7, "agent_id": -1, "timestamp": 1790318468}], [Notice(7)]),
        ([{"ticket_id": 7, "agent_id": True, "timestamp": "1900-01-01T00:00:00Z"}], [Notice(7)]),
        ([{"ticket_id": 7, "agent_id": [3], "timestamp": ["now"]}], [Notice(7)]),
        ([{"ticket": {"id": 7, "agent_id": 3, "timestamp": "2026-09-25T06:41:08Z"}}], [Notice(7)]),
        # Several events about one ticket.
        ([FULL, {**FULL, "timestamp": "2026-09-25T06:41:08.7895916Z"}], [Notice(4242, SENT[:-3] + "600", 3)]),
        ([FULL, {**FULL, "timestamp": "2026-09-25T06:41:08.7895914Z"}], [Notice(4242, SENT, 3)]),
        ([FULL, {**FULL, "timestamp": None}], [Notice(4242, "", 3)]),
        ([{**FULL, "timestamp": None}, FULL, FULL], [Notice(4242, "", 3)]),
        ([FULL, {**FULL, "agent_id": 4}], [Notice(4242, SENT, None)]),
        ([FULL, {**FULL, "agent_id": 4}, FULL], [Notice(4242, SENT, None)]),
        ([FULL, {"ticket_id": 4242, "timestamp": FULL["timestamp"]}], [Notice(4242, SENT, None)]),
        ([{"ticket_id": 7}, FULL, {"ticket_id": 7}], [Notice(7), Notice(4242, SENT, 3)]),
        ([named("asset updated", 3, message="Ticket ID: 5", agent_id=3)], [Notice(5, "", 3)]),
    ],
)
def test_when_it_was_sent_and_who_made_the_change(events, expected):
    assert notices(json.dumps(events).encode()) == expected
    assert len(events) > 1 or notices(json.dumps(events[0]).encode()) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("18", [18]),
        ("18.0", [18]),
        ("18.0e0", [18]),
        ('"18"', [18]),
        ('"18.0"', [18]),
        ('" 18 "', [18]),
        ("18.5", []),
        ("0", []),
        ("-1", []),
        ('"-18"', []),
        ("true", []),
        ("false", []),
        ("null", []),
        ('""', []),
        ('"eighteen"', []),
        ("[18]", []),
        ('{"id":18}', []),
        ("NaN", []),
        ("Infinity", []),
        ("-Infinity", []),
        ("1e400", []),
        ('"1e400"', []),
        ('"nan"', []),
        (str(2**31 - 1), [2**31 - 1]),
    ],
)
@pytest.mark.parametrize("name", ["object_id", "ticket_id"])
def test_numbers(name, number, expected):
    assert ticket_ids(f'{{"event":"ticket updated","{name}":{number}}}'.encode()) == expected
    assert ticket_ids(f'{{"event":"ticket updated","ticket":{{"id":{number}}}}}'.encode()) == expected


@pytest.mark.parametrize("number", [str(2**63), str(10**30), "1e300", '"1e300"', "9" * 4000])
def test_a_number_that_no_database_can_hold_is_no_ticket(number):
    assert ticket_ids(f'{{"event":"ticket updated","object_id":{number}}}'.encode()) == []


def test_an_unusable_number_does_not_hide_a_usable_one():
    payload = {
        "event": "ticket updated",
        "ticket": {"id": True},
        "ticket_id": "x",
        "object_id": 0,
        "object": {"id": "7"},
    }
    assert ticket_ids(json.dumps(payload).encode()) == [7]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"event=ticket",
        b"<xml/>",
        b"null",
        b"true",
        b"18",
        b'"ticket 18"',
        b"[1]",
        b"[{}, null]",
        b"[[{}]]",
        b"\xff",
        b'{"event": "\xff"}',
        b'{"object_id": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"\x1f\x8b\x08\x00gzip",
    ],
    ids=lambda body: f"{body[:12]!r} {len(body)}",
)
def test_what_is_no_json_object_is_unreadable(body):
    with pytest.raises(UnreadableWebhook) as caught:
        ticket_ids(body)
    assert body.decode("latin-1")[:12] not in str(caught.value) or not body.strip()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_any_of_its_encodings(encoding):
    assert ticket_ids(json.dumps({"ticket_id": 7, "message": "Zürich"}, ensure_ascii=False).encode(encoding)) == [7]


def test_a_huge_batch_is_bounded():
    body = json.dumps([{"ticket_id": number} for number in range(1, 30_001)]).encode()
    assert 1000 <= len(ticket_ids(body)) <= 30_000


KEYS = ("event", "object_id", "ticket_id", "ticket", "object", "id", "")
SCALARS = (None, True, 0, -1, 7, 18.0, "18", 1e400, float("nan"), "\ud800", "ticket", "asset", "", "é", 10**20)


def anything(dice, depth=0):
    kind = dice.random()
    if depth > 3 or kind < 0.4:
        return dice.choice(SCALARS)
    if kind < 0.6:
        return [anything(dice, depth + 1) for _ in range(dice.randrange(3))]
    return {dice.choice(KEYS): anything(dice, depth + 1) for _ in range(dice.randrange(5))}


def test_any_json_is_read_or_refused():
    dice, read = random.Random(11), 0
    for _ in range(5000):
        body = json.dumps(anything(dice)).encode()
        try:
            found = ticket_ids(body)
        except UnreadableWebhook:
            continue
        read += bool(found)
        assert all(type(number) is int and number > 0 for number in found) and len(set(found)) == len(found)
    assert read > 50


def test_any_damage_to_a_delivery_is_read_or_refused():
    dice, whole = random.Random(12), json.dumps([FULL, EVENT_ONLY]).encode()
    for _ in range(3000):
        body = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        try:
            assert all(number > 0 for number in ticket_ids(bytes(body[: dice.randrange(1, len(body) + 1)])))
        except UnreadableWebhook:
            continue
