"""The weekly report by mail: each week once, to each recipient once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import pytest
from django.db import connection

from remediation.domain.sending import LASTS
from remediation.jobs import weekly
from remediation.jobs.message_tasks import look_for_due_weekly, send_weekly
from remediation.mail_server import from_environment
from remediation.store import models
from remediation.store.intake import take_in
from stand_ins.mailbox import Mailbox

from ..store.scans import scan
from .conftest import waiting_jobs

MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=timezone.utc)
SET = {"weekday": 0, "hour": 7, "recipients": ["a@x.example", "b@x.example"], "on_since": "2026-11-01T00:00:00+00:00"}


@pytest.fixture
def mailbox(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    source = models.Source.objects.create(name="console <b>", kind="insightvm", created=MONDAY - timedelta(days=30))
    models.Source.objects.create(name="quiet", kind="insightvm", created=MONDAY - timedelta(days=30))
    take_in(source, scan({"web": ["high-1", "low-1"]}, MONDAY - timedelta(days=4)))
    models.Setting.objects.create(name="weekly", value=SET)
    with Mailbox() as running:
        address = {"REMEDIATION_MAIL": f"smtp+plain://localhost:{running.port}", "REMEDIATION_MAIL_FROM": "r@x.example"}
        monkeypatch.setattr("django.conf.settings.MAIL", from_environment(address))
        monkeypatch.setattr("django.conf.settings.PUBLIC_URL", "https://r.example")
        yield running


def made_at(now: datetime) -> bool:
    return weekly.make_due(now) is not None


def send(now: datetime = MONDAY) -> list[str]:
    return weekly.send_due(lambda: now)


def test_it_is_made_and_sent_once(mailbox: Mailbox) -> None:
    assert made_at(MONDAY) and not made_at(MONDAY) and not made_at(MONDAY + timedelta(days=6, hours=12))
    assert weekly.waiting(MONDAY) and send() == ["done", "done"] and send() == [] and not weekly.waiting(MONDAY)
    assert sorted(one.recipient for one in mailbox.messages) == ["a@x.example", "b@x.example"]
    message = mailbox.messages[0]
    assert (
        message.message["Subject"] == "Weekly report, week 47 of 2026, 2026-11-16 to 2026-11-22: 2 came, 0 went, 0 late"
    )
    assert "console <b>  2  0  -  2" in message.text and "console &lt;b&gt;" in message.html
    assert "Not read in this week, so nothing of it is in these numbers: quiet." in message.text
    assert "https://r.example/weekly/?week=2026-11-16" in message.text
    assert len({one.message["Message-ID"] for one in mailbox.messages}) == 2
    assert made_at(MONDAY + timedelta(days=7)), "the next week has its own"
    assert [one.week for one in models.WeeklyReport.objects.order_by("week")] == [
        date(2026, 11, 16),
        date(2026, 11, 23),
    ]


def test_two_workers_make_one_and_send_one(mailbox: Mailbox) -> None:
    begin = threading.Barrier(2)
    made: list[bool] = []

    def work() -> None:
        try:
            begin.wait()
            made.append(made_at(MONDAY))
            send()
        finally:
            connection.close()

    both = [threading.Thread(target=work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    send()
    assert sorted(made) == [False, True] and len(mailbox.messages) == 2
    assert models.WeeklyReport.objects.count() == 1


def test_it_waits_for_a_reading_and_for_mail(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    run = models.Run.objects.create(source=models.Source.objects.all()[0], kind="read", started=MONDAY)
    assert not made_at(MONDAY + timedelta(hours=1))
    assert made_at(MONDAY + timedelta(hours=7)), "one that never ended is not waited for"
    models.WeeklyReport.objects.all().delete()
    run.finished, run.outcome = MONDAY, "done"
    run.save()
    with monkeypatch.context() as without:
        without.setattr("django.conf.settings.MAIL", None)
        assert not made_at(MONDAY)
    assert made_at(MONDAY)


def test_a_server_that_is_away_or_refuses(mailbox: Mailbox) -> None:
    made_at(MONDAY)
    mailbox.answers["RCPT"] = "450 later"
    assert send() == ["planned", "planned"] and send() == []
    row = models.WeeklyMessage.objects.all()[0]
    assert row.due == MONDAY + timedelta(minutes=10) and "450" in row.said
    mailbox.answers["RCPT"] = "550 who"
    assert send(MONDAY + timedelta(minutes=10)) == ["failed", "failed"]
    assert send(MONDAY + timedelta(days=1)) == [] and not mailbox.messages


def test_an_unknown_outcome_is_tried_once_more_with_the_same_identity(mailbox: Mailbox) -> None:
    models.Setting.objects.update(value={**SET, "recipients": ["a@x.example"]})
    made_at(MONDAY)
    mailbox.drops = "DATA."
    assert send() == ["planned"]
    assert send(MONDAY + timedelta(hours=1)) == ["failed"] and send(MONDAY + timedelta(days=1)) == []
    assert len(mailbox.messages) == 2
    assert len({one.message["Message-ID"] for one in mailbox.messages}) == 1
    assert "not sent a third time" in models.WeeklyMessage.objects.get().said


def test_what_a_process_left_behind(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    models.Setting.objects.update(value={**SET, "recipients": ["a@x.example"]})
    made_at(MONDAY)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("remediation.mail.send", dies)
        with pytest.raises(KeyboardInterrupt):
            send()
    assert models.WeeklyMessage.objects.get().state == "about" and send() == [], "its process may be at it"
    later = MONDAY + LASTS + timedelta(minutes=1)
    assert weekly.waiting(later) and send(later) == ["planned"]
    assert send(later + timedelta(hours=1)) == ["done"] and len(mailbox.messages) == 1


def test_the_queue_asks_for_it(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediation.jobs.message_tasks.timezone.now", lambda: MONDAY)
    look_for_due_weekly(0)
    look_for_due_weekly(0)
    assert waiting_jobs() == ["weekly"]
    send_weekly()
    assert len(mailbox.messages) == 2
    models.Setting.objects.all().delete()
    models.WeeklyReport.objects.all().delete()
    look_for_due_weekly(0)
    assert not models.WeeklyReport.objects.exists(), "it is off where nobody turned it on"
