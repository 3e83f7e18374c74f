"""Weeks, and when the report of one is due."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from remediation.domain.sending import OF_WEEKLY_REPORTS, Outcome, State, after
from remediation.domain.week import Schedule, Week, due_week, week_of
from remediation.domain.weekly import LateTicket, Line, SourceLine, Weekly, html, subject, text

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)  # a Wednesday
LAST = Week(date(2026, 11, 16))
ON = Schedule(weekday=0, hour=7, recipients=("a@x.example",), on_since=NOW - timedelta(days=60))


@pytest.mark.parametrize(("day", "first"), [(16, 16), (19, 16), (22, 16), (23, 23)])
def test_the_week_of_a_day(day: int, first: int) -> None:
    week = week_of(date(2026, 11, day))
    assert week.first == date(2026, 11, first) and week.last - week.first == timedelta(days=6)
    assert week.since.isoformat() == f"2026-11-{first}T00:00:00+00:00" and week.until - week.since == timedelta(days=7)


def test_a_week_at_the_turn_of_a_year() -> None:
    assert str(week_of(date(2027, 1, 1))) == "week 53 of 2026, 2026-12-28 to 2027-01-03"


@pytest.mark.parametrize(
    ("changes", "now", "week"),
    [
        ({}, NOW, LAST),
        ({}, datetime(2026, 11, 23, 7, tzinfo=timezone.utc), LAST),
        ({}, datetime(2026, 11, 23, 6, 59, tzinfo=timezone.utc), LAST.before),
        ({"weekday": 4}, NOW, LAST.before),
        ({"weekday": 2, "hour": 12}, NOW, LAST),
        ({"weekday": 6, "hour": 23}, NOW, LAST.before),
        ({"recipients": ()}, NOW, None),
        ({"on_since": None}, NOW, None),
        # Turned on after the moment of the newest: it begins with the next.
        ({"on_since": NOW - timedelta(hours=1)}, NOW, None),
        ({"on_since": NOW - timedelta(hours=1)}, NOW + timedelta(days=7), Week(date(2026, 11, 23))),
        # Another zone's clock is the same moment.
        ({}, datetime(2026, 11, 23, 8, 59, tzinfo=timezone(timedelta(hours=2))), LAST.before),
    ],
)
def test_which_report_is_due(changes: dict[str, object], now: datetime, week: Week | None) -> None:
    assert due_week(Schedule(**{**vars(ON), **changes}), now) == week  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "tries", "unknown", "age", "state", "pause"),
    [
        (Outcome.DONE, 1, 0, 0, State.DONE, 0),
        (Outcome.FINAL, 1, 0, 0, State.FAILED, 0),
        (Outcome.LATER, 1, 0, 0, State.PLANNED, 10),
        (Outcome.LATER, 3, 0, 0, State.PLANNED, 40),
        (Outcome.LATER, 99, 0, 0, State.PLANNED, 360),
        (Outcome.LATER, 99, 0, 7, State.FAILED, 0),
        (Outcome.UNKNOWN, 1, 1, 0, State.PLANNED, 10),
        (Outcome.UNKNOWN, 2, 2, 0, State.FAILED, 0),
    ],
)
def test_what_becomes_of_a_message(
    outcome: Outcome, tries: int, unknown: int, age: int, state: State, pause: int
) -> None:
    found = after(outcome, "mail", tries, unknown, NOW - timedelta(days=age), NOW, OF_WEEKLY_REPORTS)
    assert found.state is state and (state is not State.PLANNED or found.due == NOW + timedelta(minutes=pause))
    assert OF_WEEKLY_REPORTS.given_up_after < timedelta(days=7), "the next report comes then"


def test_a_mail_runs_nothing_and_loads_nothing() -> None:
    nasty = "<script>x</script>\r\nBcc: a@b.example =cmd()"
    made = Weekly(
        LAST,
        (SourceLine(1, nasty, 2, 1, None, 5, True), SourceLine(2, "<b>other", 0, 0, 1, 1, False)),
        (Line("high", 2, 1),),
        (Line(nasty, 2, 1),),
        tuple(LateTicket(number, 2107, nasty, LAST.first, nasty, nasty) for number in range(60)),
        70,
        ((nasty, 70),),
    )
    page = html(made, "https://r.example/weekly/?a=1&b=2")
    assert "<script" not in page and "<b>" not in page and "src=" not in page and "&amp;b=2" in page
    plain = text(made, "")
    assert "\nBcc:" not in plain and "... and 20 more late tickets." in plain and "70 tickets" in plain
    assert "Not read in this week, so nothing of it is in these numbers: <b>other." in plain
    assert "script" not in subject(made) and "2 came, 1 went, 70 late" in subject(made)
