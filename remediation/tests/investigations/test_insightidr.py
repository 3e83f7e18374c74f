"""InsightIDR over HTTP, against the stand-in."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask

from remediation.domain.investigation import State
from remediation.investigations.errors import UNKNOWN_USER, IdrAway, IdrError, WriteUnknown
from remediation.investigations.insightidr import InsightIdr, base_address
from remediation.investigations.insightidr_http import Answer, Next, after
from stand_ins.insightidr import Fault, Idr
from stand_ins.loopback import Loopback

ALIVE = (State.OPEN, State.INVESTIGATING, State.WAITING)
LISTS, COMMENTS = "/idr/v2/investigations", "/idr/v1/comments"
TEXT = "The mail was removed from all mailboxes."


@pytest.fixture
def idr() -> Iterator[Idr]:
    with Idr() as running:
        running.seed_demo()
        yield running


class Time:
    """A clock that moves by sleeping only."""

    def __init__(self) -> None:
        self.moment = datetime.now(timezone.utc)
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(idr: Idr, time: Time) -> Iterator[Callable[..., InsightIdr]]:
    made: list[InsightIdr] = []

    def client(where: str = idr.url, api_key: str = idr.api_key, **options: Any) -> InsightIdr:
        made.append(InsightIdr(where, api_key, **{"sleep": time.sleep, "now": time.now, **options}))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def client(make: Callable[..., InsightIdr]) -> InsightIdr:
    return make()


def rrn(idr: Idr, begins: str) -> str:
    return next(one.rrn for one in idr.investigations.values() if one.title.startswith(begins))


def a_month(client: InsightIdr, idr: Idr, states: tuple[State, ...] = ALIVE) -> list[str]:
    """The titles of what is listed."""
    return [one.title for one in client.listed(states, idr.now - timedelta(days=30), idr.now)]


def many(idr: Idr, number: int, apart: timedelta = timedelta(minutes=1)) -> list[str]:
    """Make so many investigations, the oldest first; their RRNs."""
    begin = idr.now - timedelta(days=20)
    return [idr.investigate(f"Many {n}", created=begin + n * apart) for n in range(number)]


# Reading


def test_an_investigation_as_it_is_told(client: InsightIdr, idr: Idr) -> None:
    name = rrn(idr, "Phishing")
    one = client.read(name)
    assert one is not None
    assert (one.rrn, one.title, one.state, one.state_word) == (
        *(name, "Phishing mail opened by three users"),
        *(State.INVESTIGATING, "INVESTIGATING"),
    )
    assert (one.priority, one.disposition, one.source) == ("HIGH", "UNDECIDED", "ALERT")
    assert (one.assignee, one.tags, one.responsibility) == ("priya.raman@halo.example", ("Phishing",), "CUSTOMER")
    assert one.created == idr.investigations[name].created.replace(microsecond=one.created.microsecond)
    # The colons of an RRN are no part of a path.
    assert idr.requests == [("GET", f"{LISTS}/{name.replace(':', '%3A')}")]
    nobody = client.read(rrn(idr, "USB"))
    assert nobody is not None and (nobody.assignee, nobody.tags, nobody.responsibility) == ("", (), "")


def test_one_that_is_not_there(client: InsightIdr) -> None:
    assert client.read("rrn:investigation:us:x:investigation:NONE") is None
    with pytest.raises(ValueError, match="rrn:"):
        client.read("..")


class Says(Loopback):
    """Answers everything with the same."""

    def __init__(self, content: str | dict[str, str], status: int) -> None:
        super().__init__()
        self.now = datetime.now(timezone.utc)
        self._answer = content, status

    def app(self) -> Flask:
        app = Flask(__name__)
        app.register_error_handler(404, lambda _: self._answer)
        return app


def test_a_404_of_a_proxy_is_not_believed() -> None:
    with Says("<html>Not found</html>", 404) as proxy, pytest.raises(IdrError, match="does not know") as raised:
        InsightIdr(proxy.url, "key").read("rrn:x")
    assert (raised.value.status, raised.value.said) == (404, "")


@pytest.mark.parametrize("word, state", [("waiting", State.WAITING), ("ESCALATED", None)])
def test_words_for_states(client: InsightIdr, idr: Idr, word: str, state: State | None) -> None:
    name = rrn(idr, "Phishing")
    idr.investigations[name].status = word
    one = client.read(name)
    assert one is not None and (one.state, one.state_word) == (state, word)


def test_investigations_are_listed_by_state_and_creation(client: InsightIdr, idr: Idr) -> None:
    assert len(a_month(client, idr)) == 9
    assert a_month(client, idr, (State.WAITING,)) == [
        "Mail forwarding rule to an outside address",
        "Brute force against a local account on DB01",
    ]
    idr.requests.clear()
    assert a_month(client, idr, ()) == [] == idr.requests
    since = idr.investigations[rrn(idr, "Ransomware")].created
    just = since.replace(microsecond=since.microsecond // 1000 * 1000)
    titles = [one.title for one in client.listed(ALIVE, just, idr.now)]
    assert titles == ["Ransomware - Shadow copies deleted on FILE01"]
    assert client.listed(ALIVE, just + timedelta(milliseconds=1), idr.now) == []
    # What has just been created is listed at once.
    idr.investigate("Just now")
    assert a_month(client, idr)[-1] == "Just now"


def test_what_a_list_asks_for(client: InsightIdr, idr: Idr) -> None:
    since, now = datetime(2026, 11, 1, 12, 0, 0, 500000, timezone.utc), datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
    client.listed((State.CLOSED, State.OPEN), since, now)
    ((method, path),) = idr.requests
    assert method == "GET" and {name: value for name, (value,) in parse_qs(path.partition("?")[2]).items()} == {
        **{"statuses": "OPEN,CLOSED", "sort": "created_time,ASC", "index": "0", "size": "100"},
        **{"start_time": "2026-11-01T11:59:59Z", "end_time": "2026-11-28T12:00:01Z"},
    }


def test_a_filter_that_is_ignored_lets_nothing_else_in(client: InsightIdr, idr: Idr) -> None:
    everything = (
        b'{"data":[{"rrn":"rrn:1","status":"CLOSED","title":"Closed","created_time":"2026-11-20T00:00:00Z"},'
        b'{"rrn":"rrn:2","status":"OPEN","title":"Old","created_time":"2020-11-20T00:00:00Z"},'
        b'{"rrn":"rrn:3","status":"ODD","title":"Odd","created_time":"2026-11-20T00:00:00Z"}],'
        b'"metadata":{"total_data":3}}'
    )
    idr.answers = {LISTS: everything}
    since = datetime(2026, 11, 1, tzinfo=timezone.utc)
    (odd,) = client.listed(ALIVE, since, since + timedelta(days=28))
    assert (odd.rrn, odd.state) == ("rrn:3", None)


@pytest.mark.parametrize(
    "number, apart, requests",
    [
        (100, timedelta(minutes=1), 1),
        (101, timedelta(minutes=1), 2),
        (250, timedelta(minutes=1), 3),
        # More than a page in a moment: twice with the times, then two readings by the numbers.
        (250, timedelta(0), 2 + 2 * 3),
    ],
)
def test_all_pages_are_read(client: InsightIdr, idr: Idr, number: int, apart: timedelta, requests: int) -> None:
    idr.investigations.clear()
    rrns = many(idr, number, apart)
    idr.requests.clear()
    listed = client.listed(ALIVE, idr.now - timedelta(days=28), idr.now)
    assert sorted(one.rrn for one in listed) == sorted(rrns) and len(idr.requests) == requests


def test_nothing_is_lost_while_a_list_moves(client: InsightIdr, idr: Idr) -> None:
    idr.investigations.clear()
    rrns = many(idr, 250)
    entering = idr.investigate("Reopened", status="CLOSED", created=idr.now - timedelta(days=25))

    def move(method: str, path: str) -> None:
        """After the first page its first one leaves, and one enters: by number, the second page would lack one."""
        idr.after_answer = None
        idr.set_status(rrns[0], "CLOSED")
        idr.set_status(entering, "OPEN")

    idr.after_answer = move
    listed = [one.rrn for one in client.listed(ALIVE, idr.now - timedelta(days=28), idr.now)]
    assert idr.after_answer is None and listed == rrns


def test_a_page_that_lacks_or_repeats_something_is_read_again(client: InsightIdr, idr: Idr) -> None:
    idr.investigations.clear()
    rrns = many(idr, 250, timedelta(0))
    for fault in ("leaving_out", "repeating"):
        setattr(idr, fault, 1)
        listed = client.listed(ALIVE, idr.now - timedelta(days=28), idr.now)
        assert sorted(one.rrn for one in listed) == sorted(rrns) and getattr(idr, fault) == 0


def test_a_list_that_stays_incomplete_is_refused(client: InsightIdr, idr: Idr) -> None:
    idr.surplus = 1
    idr.requests.clear()
    with pytest.raises(IdrAway, match="another each time"):
        a_month(client, idr)
    assert len(idr.requests) == 4


def test_a_list_that_is_not_in_order_is_refused(client: InsightIdr, idr: Idr) -> None:
    one = '{"rrn":"rrn:%d","status":"OPEN","created_time":"2026-11-20T00:00:%02dZ"}'
    rows = ",".join(one % (number, 59 - number // 2) for number in range(100))
    idr.answers = {LISTS: f'{{"data":[{rows}],"metadata":{{"total_data":101}}}}'.encode()}
    with pytest.raises(IdrError, match="order"):
        a_month(client, idr)


def test_alerts(client: InsightIdr, idr: Idr) -> None:
    alerts = client.alerts(rrn(idr, "Phishing"))
    assert [one.title for one in alerts] == [
        "Link to a domain registered yesterday",
        *["Password entered on an unknown site"] * 2,
    ]
    assert (alerts[1].type, alerts[1].source) == ("Harvested Credentials", "User Behavior Analytics")
    assert alerts[0].created is not None and alerts[0].created < idr.now
    assert client.alerts(rrn(idr, "USB")) == []
    with pytest.raises(IdrError) as raised:
        client.alerts("rrn:none")
    assert raised.value.status == 404


def test_an_alert_without_a_time(client: InsightIdr, idr: Idr) -> None:
    idr.answers = {".*/alerts": b'{"data":[{"id":"1"},{"id":"2","created_time":"2026-11-20T00:00:00.5Z"}],"metadata":'
                   b'{"total_data":2}}'}  # fmt: skip
    first, last = client.alerts("rrn:x")
    assert first.created is not None and (last.created, last.title) == (None, "")


@pytest.mark.parametrize("newest_first", [False, True])
def test_comments_come_oldest_first(client: InsightIdr, idr: Idr, newest_first: bool) -> None:
    idr.newest_comment_first = newest_first
    name = rrn(idr, "Phishing")
    idr.comment(rrn(idr, "USB"), "On another one")
    idr.clock_offset += 1
    for number in range(250):
        idr.comment(name, f"Number {number}")
        idr.clock_offset += 1
    comments = client.comments(name)
    assert [one.body for one in comments[1:]] == [f"Number {number}" for number in range(250)]
    assert (comments[0].who, comments[0].rrn) == ("Ellen Example", idr.comments(name)[0].rrn)
    assert client.comments(rrn(idr, "Ransomware")) == []


def test_comments_that_move_are_read_again(client: InsightIdr, idr: Idr) -> None:
    name = rrn(idr, "USB")
    rrns = [idr.comment(name, f"Number {number}") for number in range(250)]

    def move(method: str, path: str) -> None:
        """One goes and another comes, after the first page: the number of all stays."""
        if path.endswith("index=0&size=100"):
            idr.after_answer = None
            idr.delete_comment(rrns.pop(0))
            rrns.append(idr.comment(name, "Last"))

    idr.after_answer = move
    idr.requests.clear()
    assert sorted(one.rrn for one in client.comments(name)) == sorted(rrns)
    # Three readings of three pages: the first missed one, and only the other two agree.
    assert len(idr.requests) == 9


@pytest.mark.parametrize("fault", ["surplus", "leaving_out", "repeating"])
def test_comments_that_stay_incomplete_are_refused(client: InsightIdr, idr: Idr, fault: str) -> None:
    name = rrn(idr, "USB")
    for number in range(150):
        idr.comment(name, f"Number {number}")
    setattr(idr, fault, 100)
    with pytest.raises(IdrAway, match="another each time"):
        client.comments(name)


def test_comments_on_something_else_are_refused(client: InsightIdr, idr: Idr) -> None:
    theirs = b'{"rrn":"rrn:c","target":"rrn:other","body":"x","creator":{},"created_time":"2026-11-20T00:00:00Z"}'
    idr.answers = {COMMENTS: b'{"data":[' + theirs + b'],"metadata":{"total_data":1}}'}
    with pytest.raises(IdrError, match="something else"):
        client.comments(rrn(idr, "USB"))


def test_the_check_is_one_request(client: InsightIdr, idr: Idr, make: Callable[..., InsightIdr]) -> None:
    client.check()
    assert idr.requests == [("GET", f"{LISTS}?index=0&size=1")]
    with pytest.raises(IdrError, match="refuses the API key") as raised:
        make(api_key="another-key").check()
    assert (raised.value.status, raised.value.said) == (401, "Unauthorized")
    idr.forbidden = True
    with pytest.raises(IdrError, match="may not do this"):
        client.check()


# Writing


def test_states_are_set(client: InsightIdr, idr: Idr) -> None:
    name = rrn(idr, "Phishing")
    for state, disposition in ((State.WAITING, ""), (State.CLOSED, "MALICIOUS"), (State.CLOSED, "MALICIOUS")):
        idr.requests.clear()
        told = client.set_state(name, state, disposition)
        assert told.state is state and told.disposition == (disposition or "UNDECIDED")
        assert [method for method, _ in idr.requests] == ["PATCH"]
        assert idr.investigations[name].status == state.value
    with pytest.raises(IdrError, match="does not accept") as raised:
        client.set_state(name, State.OPEN, "FINE")
    assert raised.value.status == 400 and "Expected one of" in raised.value.said


def test_a_state_that_does_not_show_is_an_error(client: InsightIdr, idr: Idr) -> None:
    name = rrn(idr, "Phishing")
    same = f'{{"rrn":"{name}","status":"OPEN","created_time":"2026-11-20T00:00:00Z"}}'
    idr.answers = {f"{LISTS}/.*": same.encode()}
    with pytest.raises(IdrError, match="another status") as raised:
        client.set_state(name, State.CLOSED)
    assert not isinstance(raised.value, WriteUnknown)
    with pytest.raises(IdrError, match="another assignee"):
        client.assign(name, "ellen@corp.example")
    with pytest.raises(WriteUnknown, match="another investigation"):
        client.set_state(rrn(idr, "USB"), State.CLOSED)
    with pytest.raises(IdrError, match="another investigation"):
        client.read(rrn(idr, "USB"))


def test_users_are_assigned(client: InsightIdr, idr: Idr) -> None:
    name = rrn(idr, "USB")
    assert client.assign(name, "Ellen@corp.example").assignee == "ellen@corp.example"
    assert idr.investigations[name].assignee == "ellen@corp.example"
    with pytest.raises(IdrError, match="does not assign") as raised:
        client.assign(name, "nobody@corp.example")
    assert (raised.value.kind, raised.value.said) == (UNKNOWN_USER, "The user does not exist.")
    with pytest.raises(IdrError) as gone:
        client.assign("rrn:none", "ellen@corp.example")
    assert (gone.value.kind, gone.value.status) == ("", 404)


def test_comments_are_made(client: InsightIdr, idr: Idr) -> None:
    name = rrn(idr, "USB")
    made = client.comment(name, TEXT)
    assert (made.body, made.who) == (TEXT, "HaloITSM Sync") and client.comments(name) == [made]
    with pytest.raises(IdrError, match="does not know") as raised:
        client.comment("rrn:none", TEXT)
    assert not isinstance(raised.value, (WriteUnknown, IdrAway))


# What goes wrong


@pytest.mark.parametrize(
    "answer, read, written",
    [
        (Answer(200), Next.TAKE, Next.TAKE),
        (Answer(204), Next.TAKE, Next.TAKE),
        (Answer(302), Next.GIVE_UP, Next.GIVE_UP),
        (Answer(400), Next.GIVE_UP, Next.GIVE_UP),
        (Answer(401), Next.GIVE_UP, Next.GIVE_UP),
        (Answer(404), Next.GIVE_UP, Next.GIVE_UP),
        (Answer(408), Next.ASK_AGAIN, Next.LOOK_UP),
        (Answer(429), Next.ASK_AGAIN, Next.ASK_AGAIN),
        (Answer(500), Next.ASK_AGAIN, Next.LOOK_UP),
        (Answer(503), Next.ASK_AGAIN, Next.LOOK_UP),
        (Answer(0), Next.ASK_AGAIN, Next.LOOK_UP),
        (Answer(0, arrived=False), Next.ASK_AGAIN, Next.ASK_AGAIN),
    ],
)
def test_what_follows_an_answer(answer: Answer, read: Next, written: Next) -> None:
    assert (after(answer, writes=False), after(answer, writes=True)) == (read, written)


PASSING = (Fault.BUSY, Fault.BUSY_UNTOLD, Fault.FAILS, Fault.FAILS_AFTER, Fault.UNHEARD, Fault.CUT_OFF, Fault.CUT_SHORT)


def test_reading_does_not_wait_for_ever(make: Callable[..., InsightIdr], idr: Idr, time: Time) -> None:
    idr.faults, idr.hang = [Fault.SLOW], 60
    assert len(a_month(make(read_timeout=0.5), idr)) == 9
    assert time.pauses[0] == 5.0


@pytest.mark.parametrize("fault", PASSING)
def test_reading_is_repeated(client: InsightIdr, idr: Idr, time: Time, fault: Fault) -> None:
    idr.faults = [fault]
    assert len(a_month(client, idr)) == 9
    assert time.pauses == [7.0 if fault is Fault.BUSY else 5.0]
    # And not for ever.
    time.pauses.clear()
    idr.faults = [fault] * 9
    with pytest.raises(IdrAway) as raised:
        client.read(rrn(idr, "USB"))
    assert time.pauses == ([7.0] * 3 if fault is Fault.BUSY else [5.0, 15.0, 30.0]) and len(idr.faults) == 5
    assert "The next run tries again." in str(raised.value) and "GET /idr/v2/investigations/rrn" in str(raised.value)


@pytest.mark.parametrize("fault", [Fault.HTML, Fault.HTML_AFTER, Fault.REDIRECT])
def test_what_is_not_understood_is_refused(client: InsightIdr, idr: Idr, time: Time, fault: Fault) -> None:
    idr.faults = [fault]
    with pytest.raises(IdrError, match="Check that the address is InsightIDR's") as raised:
        client.check()
    assert not isinstance(raised.value, IdrAway) and time.pauses == []
    assert [path for _, path in idr.requests] == [f"{LISTS}?index=0&size=1"]


DONE = (Fault.FAILS_AFTER, Fault.CUT_OFF, Fault.CUT_SHORT, Fault.SLOW, Fault.HTML_AFTER)


@pytest.mark.parametrize("fault", [*DONE, Fault.FAILS, Fault.UNHEARD, Fault.HTML])
@pytest.mark.parametrize("what", ["comment", "state", "assignee"])
def test_what_may_have_been_written_is_not_written_again(
    make: Callable[..., InsightIdr], idr: Idr, time: Time, fault: Fault, what: str
) -> None:
    client, name = make(read_timeout=0.5 if fault is Fault.SLOW else 60), rrn(idr, "USB")
    idr.faults, idr.hang = [fault], 60
    write: dict[str, Callable[[], object]] = {
        "comment": lambda: client.comment(name, TEXT),
        "state": lambda: client.set_state(name, State.WAITING),
        "assignee": lambda: client.assign(name, "ellen@corp.example"),
    }
    with pytest.raises(WriteUnknown) as raised:
        write[what]()
    assert len(idr.requests) == 1 and time.pauses == [] and TEXT not in str(raised.value)
    one = idr.investigations[name]
    done = {"comment": bool(idr.comments(name)), "state": one.status == "WAITING", "assignee": bool(one.assignee)}
    assert done[what] == (fault in DONE)


@pytest.mark.parametrize("fault, pause", [(Fault.BUSY, 7.0), (Fault.BUSY_UNTOLD, 5.0)])
def test_what_was_not_done_is_sent_again(client: InsightIdr, idr: Idr, time: Time, fault: Fault, pause: float) -> None:
    name = rrn(idr, "USB")
    idr.faults = [fault]
    client.comment(name, TEXT)
    assert len(idr.comments(name)) == 1 and time.pauses == [pause]
    idr.faults = [fault] * 9
    with pytest.raises(IdrAway, match="too many requests"):
        client.comment(name, TEXT)
    assert len(idr.comments(name)) == 1


def test_no_pause_is_longer_than_it_may_be(client: InsightIdr, idr: Idr, time: Time) -> None:
    idr.faults, idr.retry_after = [Fault.BUSY] * 9, "61"
    with pytest.raises(IdrAway, match="after 61 seconds"):
        client.check()
    assert time.pauses == []


def test_a_call_ends_in_time(make: Callable[..., InsightIdr], idr: Idr, time: Time) -> None:
    client = make(longest=19.0)
    idr.faults = [Fault.FAILS] * 9
    with pytest.raises(IdrAway, match="fails"):
        client.check()
    assert time.pauses == [5.0]
    idr.faults.clear()
    many(idr, 250)

    def wait(method: str, path: str) -> None:
        time.moment += timedelta(seconds=20)

    idr.after_answer = wait
    with pytest.raises(IdrAway, match="takes too long"):
        a_month(client, idr)


def test_nobody_listens(make: Callable[..., InsightIdr], time: Time) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = make(f"http://127.0.0.1:{unused.getsockname()[1]}")
        # Nothing was sent, so a comment was not made either.
        for ask in (client.check, lambda: client.comment("rrn:x", TEXT)):
            with pytest.raises(IdrAway, match="no answer .NewConnectionError") as raised:
                ask()
            assert raised.value.status == 0
    assert time.pauses == [5.0, 15.0, 30.0] * 2


def test_answers_are_bounded(client: InsightIdr, idr: Idr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediation.investigations.insightidr_http.LARGEST_ANSWER", 100)
    with pytest.raises(IdrError, match="more than 0 MiB"):
        client.check()
    with pytest.raises(WriteUnknown):
        client.comment(rrn(idr, "USB"), TEXT)


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{",
        b'{"data":[]}',
        b'{"data":{},"metadata":{"total_data":0}}',
        b'{"data":[{"rrn":"rrn:1","created_time":"2026-11-20T00:00:00Z"}],"metadata":{"total_data":1}}',
        b'{"data":[{"rrn":"rrn:1","status":"OPEN"}],"metadata":{"total_data":1}}',
        b'{"data":[{"rrn":"rrn:1","status":"OPEN","created_time":"soon"}],"metadata":{"total_data":1}}',
        b'{"data":[{"rrn":"","status":"OPEN","created_time":"2026-11-20T00:00:00Z"}],"metadata":{"total_data":1}}',
        b'{"data":[{"rrn":"rrn:1","status":"OPEN","created_time":"2026-11-20T00:00:00Z","assignee":"x"}],'
        b'"metadata":{"total_data":1}}',
    ],
)
def test_an_answer_of_another_form_is_refused(client: InsightIdr, idr: Idr, answer: bytes) -> None:
    idr.answers = {LISTS: answer}
    with pytest.raises(IdrError) as raised:
        client.check()
    assert not isinstance(raised.value, (IdrAway, WriteUnknown)) and raised.value.status == 200


# Keys and addresses


def test_no_error_and_no_log_line_has_the_key_or_a_text(caplog: pytest.LogCaptureFixture) -> None:
    key, text = "0f6e9d1c-key", TEXT + "\n" + TEXT
    echo = Says({"message": f"Not accepted:\n{text} with {key} {'and more ' * 100}"}, 400)
    with echo, caplog.at_level(logging.DEBUG), pytest.raises(IdrError) as raised:
        InsightIdr(echo.url, key).comment("rrn:x", text)
    assert raised.value.said.startswith("Not accepted: *** with *** and more") and len(raised.value.said) < 210
    for told in (str(raised.value), repr(raised.value), caplog.text):
        assert key not in told and TEXT not in told


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "ä"])
def test_what_no_key_can_be(key: str) -> None:
    with pytest.raises(IdrError, match="Copy the key again"):
        InsightIdr("eu", key)


@pytest.mark.parametrize(
    "where, address",
    [
        ("eu", "https://eu.api.insight.rapid7.com"),
        (" us3 ", "https://us3.api.insight.rapid7.com"),
        ("https://gateway.example:8443/idr/", "https://gateway.example:8443/idr"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_addresses(where: str, address: str) -> None:
    assert base_address(where) == address


@pytest.mark.parametrize(
    "where",
    [
        *("", "moon", "http://idr.example.com", "https://", "https://user:pass@idr.example", "ftp://idr.example"),
        *("https://idr.example?x=1", "https://idr.example#x", "https://[idr", "https://idr.example:port"),
    ],
)
def test_what_no_address_can_be(where: str) -> None:
    with pytest.raises(ValueError, match="in one of the regions us, us2, us3, eu, ca, au, ap, or at an address"):
        InsightIdr(where, "key")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=idr"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run(command + files, check=True, capture_output=True)
    return cert, key


def test_certificates(
    certificate: tuple[str, str], make: Callable[..., InsightIdr], time: Time, tmp_path: Path
) -> None:
    class Safe(Idr):
        """Listens with TLS."""

        def certificate(self) -> tuple[str, str]:
            return certificate

    with Safe() as safe:
        url = safe.url.replace("http:", "https:")
        make(url, safe.api_key, ca_file=certificate[0]).check()
        with pytest.raises(IdrError, match="certificate of InsightIDR is not trusted") as raised:
            make(url, safe.api_key).comment("rrn:x", TEXT)
        assert not isinstance(raised.value, (IdrAway, WriteUnknown)) and time.pauses == []
        with pytest.raises(IdrError, match="file of trusted certificates cannot be read"):
            make(url, safe.api_key, ca_file=tmp_path / "none.pem").check()


def test_trouble_with_tls_after_a_comment_was_sent(
    certificate: tuple[str, str], make: Callable[..., InsightIdr]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    read: list[bytes] = []

    def listen() -> None:
        with context.wrap_socket(server.accept()[0], server_side=True) as connection:
            while TEXT.encode() not in b"".join(read):
                read.append(connection.recv(65536))
            os.write(connection.fileno(), b"no TLS at all")

    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = threading.Thread(target=listen)
        listener.start()
        client = make(f"https://127.0.0.1:{server.getsockname()[1]}", ca_file=certificate[0])
        with pytest.raises(WriteUnknown, match="no answer .SSLError"):
            client.comment("rrn:x", TEXT)
        listener.join()
