"""What is an alert, once, and when a message may go."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.alert_text import MOST, Line, Message, cut
from remediation.domain.alerting import (
    Kind,
    Known,
    Rule,
    changes,
    escalated,
    has_risen,
    in_trouble,
    key_of,
    may_begin,
    rises,
)
from remediation.domain.sending import LONGEST_PAUSE, OF_ALERTS, Outcome, State, after, pause

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def test_what_begins_is_told_once_and_again_after_it_was_gone() -> None:
    known: dict[str, Known] = {}
    told = []
    for day, now in enumerate([{"a"}, {"a", "b"}, {"a", "b"}, {"b"}, set(), {"a"}, {"a", "b"}]):
        changed = changes(known, now, NOW + day * DAY, silently=False)
        known |= changed.rows
        told.append(sorted(key_of(Kind.NEW, subject, number) for subject, number in changed.alerts.items()))
    assert told == [["new:a:1"], ["new:b:1"], [], [], [], ["new:a:2"], ["new:b:2"]]


def test_what_was_there_before_the_rule_is_no_news() -> None:
    first = changes({}, {"a"}, NOW, silently=True)
    assert not first.alerts and first.rows["a"] == Known(1, True, False, NOW)
    assert not changes(first.rows, {"a"}, NOW, silently=False).alerts
    assert changes({"a": Known(1, False)}, {"a"}, NOW, silently=False).alerts == {"a": 2}


@given(st.lists(st.sets(st.sampled_from("abc")), max_size=12))
def test_each_beginning_is_one_alert(days: list[set[str]]) -> None:
    known: dict[str, Known] = {}
    keys: list[str] = []
    for now in days:
        changed = changes(known, now, NOW, silently=False)
        known |= changed.rows
        keys += [key_of(Kind.KEV, *one) for one in changed.alerts.items()]
        # A look that nothing came between finds nothing.
        assert changes(known, now, NOW, silently=False).rows == {}
    begun = sum(
        one in today and one not in before for before, today in zip([set(), *days], days, strict=False) for one in today
    )
    assert len(keys) == len(set(keys)) == begun


@pytest.mark.parametrize(
    "before, now, passes, rise, risen",
    [
        (0.49, 0.5, 0.5, None, True),
        (0.5, 0.9, 0.5, None, False),
        (0.1, 0.4, 0.5, None, False),
        (0.9, 0.1, 0.5, 0.2, False),
        (0.1, 0.3, None, 0.2, True),
        (0.1, 0.29, None, 0.2, False),
        (0.6, 0.9, 0.5, 0.3, True),
        (0.1, 0.9, None, None, False),
    ],
)
def test_a_score_that_rises(before: float, now: float, passes: float | None, rise: float | None, risen: bool) -> None:
    assert has_risen(before, now, Rule(epss_from=passes, epss_rise=rise)) is risen


def test_scores_are_compared_with_the_last_that_was_told_or_the_lowest_since() -> None:
    rule = Rule(epss_from=0.5, epss_rise=0.2)
    known: dict[str, Known] = {}
    told = []
    for score in (0.9, 0.9, 0.4, 0.45, 0.5, 0.55, 0.69, 0.71, 0.3, 0.49, 0.51):
        changed = rises(known, {"a": score}, rule, NOW, silently=False)
        known |= changed.rows
        told.append(changed.alerts.get("a", 0))
    #               0.9 is the first; 0.5 passes; 0.71 is 0.2 above 0.5; 0.51 is above 0.3 and passes
    assert told == [0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3]


def test_a_small_rise_adds_up() -> None:
    rule, known, told = Rule(epss_from=None, epss_rise=0.1), {"a": Known(value=0.1)}, []
    for step in range(1, 25):
        changed = rises(known, {"a": 0.1 + step * 0.02}, rule, NOW, silently=False)
        known |= changed.rows
        told += [step] * len(changed.alerts)
    assert told == [5, 10, 15, 20]


def test_escalation() -> None:
    rule = Rule(escalation=((2, "b@x.example"), (5, "c@x.example")))
    told = Known(1, True, True, NOW)
    assert escalated({"a": told}, rule, NOW + DAY) == {}
    assert escalated({"a": told}, rule, NOW + 2 * DAY) == {"a": ["mail:b@x.example"]}
    assert escalated({"a": told}, rule, NOW + 6 * DAY) == {"a": ["mail:b@x.example", "mail:c@x.example"]}
    for other in (Known(1, False, True, NOW), Known(1, True, False, NOW), Known(1, True, True)):
        assert escalated({"a": other}, rule, NOW + 6 * DAY) == {}


@pytest.mark.parametrize(
    "last, quiet, hour, may",
    [
        (None, "", 12, True),
        (NOW - timedelta(minutes=59), "", 12, False),
        (NOW - timedelta(minutes=60), "", 12, True),
        (NOW + timedelta(minutes=5), "", 12, True),
        (None, "20-6", 21, False),
        (None, "20-6", 5, False),
        (None, "20-6", 6, True),
        (None, "8-10", 9, False),
        (None, "8-10", 10, True),
    ],
)
def test_when_a_message_may_begin(last: datetime | None, quiet: str, hour: int, may: bool) -> None:
    assert may_begin(Rule(quiet=quiet, every=60), last, NOW, hour) is may


@pytest.mark.parametrize(
    "outcomes, trouble",
    [
        ([], False),
        (["failed"], False),
        (["failed", "failed"], True),
        (["done", "failed", "failed"], False),
        (["failed", "done"], False),
        (["held", "failed"], False),
        (["refused", "done"], True),
        (["failed", "refused"], True),
        (["done", "refused"], False),
    ],
)
def test_trouble(outcomes: list[str], trouble: bool) -> None:
    assert in_trouble(outcomes, 2) is trouble


@pytest.mark.parametrize(
    "table",
    [
        {"kinds": ["nonsense"]},
        {"severity": "urgent"},
        {"quiet": "25-3"},
        {"escalation": [[0, "a@x.example"]]},
    ],
)
def test_what_is_no_rule(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Rule.from_table(table)


def test_a_rule_is_what_it_was_stored_as() -> None:
    rule = Rule(kinds=("kev", "due"), mails=("a@x.example",), escalation=((2, "b@x.example"),), connection=3)
    assert Rule.from_table(rule.to_table()) == rule
    assert Rule.from_table({}) == Rule()
    assert rule.recipients == ("mail:a@x.example", "halo") and "mail:b@x.example" in rule.everybody
    assert rule.selects_as(Rule(kinds=("kev", "due"), every=5)) and not rule.selects_as(Rule(kinds=("kev",)))


@pytest.mark.parametrize(
    "outcome, way, unknown, age, state",
    [
        (Outcome.DONE, "mail", 0, 0, State.DONE),
        (Outcome.FINAL, "mail", 0, 0, State.FAILED),
        (Outcome.LATER, "mail", 0, 0, State.PLANNED),
        (Outcome.LATER, "mail", 0, 8, State.FAILED),
        (Outcome.UNKNOWN, "mail", 1, 0, State.PLANNED),
        (Outcome.UNKNOWN, "mail", 2, 0, State.FAILED),
        (Outcome.UNKNOWN, "webhook", 20, 0, State.PLANNED),
        (Outcome.UNKNOWN, "halo", 20, 0, State.PLANNED),
        (Outcome.UNKNOWN, "webhook", 20, 8, State.FAILED),
    ],
)
def test_what_follows_from_a_try(outcome: Outcome, way: str, unknown: int, age: int, state: State) -> None:
    assert after(outcome, way, 3, unknown, NOW - age * DAY, NOW).state is state


def test_pauses_grow_to_a_limit() -> None:
    pauses = [pause(tries) for tries in range(1, 100)]
    assert pauses == sorted(pauses) and pauses[0] == timedelta(minutes=1) and pauses[-1] == LONGEST_PAUSE
    assert LONGEST_PAUSE < OF_ALERTS.given_up_after


HOSTILE = '<script>alert(1)</script>"&\r\nBcc: eve@evil.example\0$X =cmd()' + "x" * 10_000


def test_hostile_titles_are_only_text() -> None:
    message = Message.of(HOSTILE, [Line("new", "k", HOSTILE, HOSTILE, "critical", "/vulnerabilities/1/")], "https://r")
    assert "\n" not in message.subject and "\r" not in message.subject and len(message.subject) <= 200
    assert "<script" not in message.html() and "&lt;script" in message.html()
    assert "\nBcc" not in message.text() and len(message.text()) < 2000 and len(message.html()) < 5000
    assert "\0" not in message.text() + message.html()
    assert Message.from_table(message.to_table()) == message


def test_a_message_is_capped_and_counts_the_rest() -> None:
    lines = [Line("kev", f"k{number}", f"title {number}") for number in range(262)]
    message = Message.of("rule", lines, "")
    assert len(message.lines) == MOST and message.subject == "rule: 262 alerts"
    assert message.more == "... and 212 more." and message.more in message.text() and message.more in message.html()
    assert message.payload("i")["count"] == 262 and len(message.payload("i")["alerts"]) == MOST
    assert "http" not in message.text()
    one = Message.of("rule", lines[:1], "https://r.example")
    assert one.subject.endswith("title 0") and one.more == "" and "https://r.example/alerts/" in one.text()


def test_a_cut_text_is_one_line() -> None:
    assert cut("a\n b\t\u2028c", 10) == "a b c" and cut("abcdefgh", 6) == "abc..."
