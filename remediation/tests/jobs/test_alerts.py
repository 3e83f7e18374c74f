"""Alerts, from what is new in the store to those who are told of it: over sockets, once each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection as database

from halo_emulator import Fault, HaloEmulator
from remediation import mail
from remediation.domain.alerting import Rule
from remediation.jobs import alert_rule, alert_sending, alert_webhook, alerts, message_tasks
from remediation.jobs.alert_failures import not_sent
from remediation.jobs.alert_rule import WebhookSecret
from remediation.jobs.status import status
from remediation.mail_server import from_environment
from remediation.settings import networks
from remediation.store import alert_subjects, models
from remediation.store.advisories import keep_answer
from remediation.tickets import alert_ticket
from remediation.tickets.instance import Instance
from remediation.tickets.lease import Lease
from stand_ins.api_trigger import ApiTrigger
from stand_ins.mailbox import Mailbox
from tests.sudden_end import Death, dying

from ..store.scans import tell
from .alert_scene import ANNA, BERT, DAY, MINUTE, Scene
from .conftest import connected

KEY = "the-key-of-the-webhook"


@pytest.fixture
def scene(store: str, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    monkeypatch.setattr("django.conf.settings.NETWORKS", networks("127.0.0.0/8"))
    with Mailbox() as mailbox, ApiTrigger(KEY) as trigger:
        variables = {
            "REMEDIATION_MAIL": f"smtp+plain://localhost:{mailbox.port}",
            "REMEDIATION_MAIL_FROM": "alerts@corp.example",
        }
        monkeypatch.setattr("django.conf.settings.MAIL", from_environment(variables))
        source = models.Source.objects.create(name="files", kind="insightvm-report")
        yield Scene(mailbox, trigger, halo, connected(halo), source)


def test_what_is_new_is_told_once_and_what_was_there_is_not(scene: Scene) -> None:
    scene.scan("critical-1")
    scene.rule()
    scene.round(3)
    assert not scene.mailbox.messages
    scene.scan("critical-1", "critical-2", "high-1")
    scene.round(3)
    assert scene.told(list(scene.mails().values())) == {"critical-2": 1}
    scene.scan("critical-1", "high-1")
    scene.round(2)
    scene.scan("critical-1", "critical-2")
    scene.round(2)
    assert scene.told(list(scene.mails().values())) == {"critical-2": 2}, "what comes back is a new one"
    assert len(scene.mailbox.messages) == len(scene.mails()) == 2


def test_the_past_is_told_where_it_is_chosen(scene: Scene) -> None:
    scene.scan("critical-1", "critical-2")
    scene.rule(past=True)
    scene.round(2)
    assert scene.told(list(scene.mails().values())) == {"critical-1": 1, "critical-2": 1}
    assert len(scene.mails()) == 1, "in one message"


def test_messages_come_in_batches_and_not_in_quiet_hours(scene: Scene) -> None:
    scene.now = scene.now.replace(hour=12, minute=0)
    scene.rule(every=60, quiet="20-6")
    for number in range(1, 6):
        scene.scan(*(f"critical-{one}" for one in range(1, number + 1)))
        scene.round(by=10 * MINUTE)
    assert len(scene.mails()) == 1
    scene.round(by=20 * MINUTE)
    first, second = scene.mails().values()
    assert scene.told([first]) == {"critical-1": 1}
    assert scene.told([second]) == {f"critical-{one}": 1 for one in range(2, 6)}
    scene.now = scene.now.replace(hour=21)
    scene.scan("critical-9")
    scene.round(5, by=60 * MINUTE)
    assert len(scene.mails()) == 2
    scene.round(5, by=60 * MINUTE)
    assert len(scene.mails()) == 3


def test_more_than_a_message_holds_is_counted(scene: Scene) -> None:
    scene.rule(severity="none")
    scene.scan(*(f"low-{one}" for one in range(100)), *(f"critical-{one}" for one in range(30)))
    scene.round()
    (text,) = scene.mails().values()
    told = scene.told([text])
    assert len(told) == 50 and "... and 80 more." in text
    assert sum(name.startswith("critical") for name in told) == 30, "the worst come first"
    assert models.AlertMessage.objects.get().count == 130 == models.Alert.objects.exclude(message=None).count()


def test_a_new_advisory_of_ciscos_is_told_once(scene: Scene) -> None:
    def answered(*sirs: str) -> None:
        """About a release here, Cisco tells of advisories with these words for how bad they are."""
        rows = [
            models.Advisory(
                advisory=f"cisco-sa-{sir}", title=f"Flaw {sir}", sir=sir, cves=["CVE-2026-1"], read=scene.now
            )
            for sir in sirs
        ]
        keep_answer("release iosxe 17.9.1", rows, {}, scene.now)

    answered("Critical")
    scene.rule(kinds=("advisory",), severity="high")
    scene.rule("of one source", kinds=("advisory",), severity="none", source=scene.source.pk, past=True)
    scene.round(2)
    assert not scene.mailbox.messages
    answered("Critical", "High", "Medium", "Informational", "")
    scene.round(3)
    assert scene.told(list(scene.mails().values())) == {"Flaw High": 1}
    assert "cisco-sa-High, CVE-2026-1" in next(iter(scene.mails().values()))


def test_kev_and_epss(scene: Scene) -> None:
    scene.scan("low-1", "low-2", "low-3")
    scene.rule(kinds=("kev", "epss"), severity="none", epss_from=0.5)
    tell("low-1", kev=True, kev_due=date(2026, 12, 1))
    tell("low-2", feed_epss=0.4)
    tell("low-3", epss=float("nan"))
    scene.round()
    (text,) = scene.mails().values()
    assert scene.told([text]) == {"low-1": 1} and "KEV due 2026-12-01" in text
    tell("low-2", feed_epss=0.6)
    scene.round(2)
    text = list(scene.mails().values())[-1]
    assert scene.told([text]) == {"low-2": 1} and "EPSS 60%" in text and len(scene.mails()) == 2


def test_filters(scene: Scene) -> None:
    other = models.Source.objects.create(name="other", kind="insightvm-report")
    project = models.Project.objects.create(
        name="project", slug="project", connection=scene.connection, source=scene.source
    )
    for number, table in enumerate(
        ({"source": other.pk}, {"owner": "team-a"}, {"project": project.pk}, {"severity": "high"})
    ):
        scene.rule(f"rule {number}", mails=(f"r{number}@corp.example",), **table)
    scene.scan("critical-1", "critical-2", "high-1", "medium-1")
    models.Asset.objects.update(owner_tags=["team-b"])
    models.Ticket.objects.create(
        project=project, key="k", reference="r", halo_id=1, vulnerabilities=["critical-2"], assets=["web"]
    )
    scene.round()
    told = [scene.told(list(scene.mails(f"r{number}@corp.example").values())) for number in range(4)]
    assert told == [{}, {}, {"critical-2": 1}, {"critical-1": 1, "critical-2": 1, "high-1": 1}]
    models.Asset.objects.update(owner_tags=["team-a", "team-b"])
    scene.round(by=15 * MINUTE)
    assert scene.told(list(scene.mails("r1@corp.example").values())) == {"critical-1": 1, "critical-2": 1}


def test_tickets_that_are_due_and_late_and_escalation(scene: Scene) -> None:
    project = models.Project.objects.create(
        name="project", slug="project", connection=scene.connection, source=scene.source
    )
    scene.now = scene.now.replace(hour=1)
    today = scene.now.date()
    scene.rule(kinds=("due", "overdue"), due_days=3, overdue_days=1, escalation=((2, BERT),))

    def ticket(name: str, due: date | None, **more: Any) -> models.Ticket:
        return models.Ticket.objects.create(
            project=project, key=name, reference=name, title=name, **{"halo_id": 7, "due": due, **more}
        )

    row = ticket("soon", today + 3 * DAY)
    ticket("later", today + 4 * DAY)
    ticket("closed", today, status="Remediated")
    ticket("settled", today, settled=True)
    ticket("not made", today, halo_id=None)
    ticket("parent", today, kind="parent")
    ticket("detached", today, note={"detached": "anna"})
    ticket("without", None)
    ticket("a day late", today - DAY)
    ticket("two days late", today - 2 * DAY)
    scene.round()
    (text,) = scene.mails().values()
    assert scene.told([text]) == {"soon": 1, "two days late": 1}
    with database.cursor() as cursor:  # the same question, asked otherwise
        cursor.execute(
            "SELECT count(*) FROM store_ticket WHERE halo_id > 0 AND kind = 'child' AND NOT settled AND status = '' "
            "AND note = '{}' AND (due BETWEEN %s AND %s OR due < %s)",
            [today, today + 3 * DAY, today - DAY],
        )
        assert cursor.fetchone() == (2,)
    models.Ticket.objects.filter(pk=row.pk).update(due=today + 2 * DAY)
    scene.round()
    assert scene.told([list(scene.mails().values())[-1]]) == {"soon": 1}, "another day is another alert"
    assert not scene.mails(BERT)
    models.Ticket.objects.filter(pk=row.pk).update(status="Remediated")
    scene.round(by=2 * DAY)
    scene.round(5)
    (text,) = scene.mails(BERT).values()
    assert "two days late" in text and "told first on" in text and "soon" not in text


def test_trouble(scene: Scene) -> None:
    console = models.Source.objects.create(name="console", kind="insightvm", created=scene.now)
    project = models.Project.objects.create(name="proj", slug="proj", connection=scene.connection, source=console)
    scene.rule(kinds=("trouble",), failures=2, silent_days=2)

    def ran(outcome: str, **of: Any) -> None:
        models.Run.objects.create(started=scene.now, finished=scene.now, outcome=outcome, detail={"text": "why"}, **of)

    ran("failed", kind="read", source=console)
    scene.round()
    assert not scene.mails()
    ran("failed", kind="read", source=console)
    ran("refused", kind="project", project=project)
    models.Plan.objects.create(project=project, held=True)
    scene.round(2)
    (text,) = scene.mails().values()
    assert set(scene.told([text])) == {
        "console cannot be read",
        "proj cannot be run with HaloITSM halo",
        "proj waits for an approver",
    }
    ran("done", kind="read", source=console)
    scene.round()
    scene.round(by=3 * DAY)
    assert "console was not read" in list(scene.mails().values())[-1] and len(scene.mails()) == 2


def test_all_ways_carry_the_same(scene: Scene) -> None:
    scene.rule(**scene.everywhere())
    scene.scan("critical-1")
    scene.round(3)
    assert len(scene.mails()) == len(scene.trigger.calls) == len(scene.tickets()) == 1
    (call,) = scene.trigger.calls
    assert call.headers["x-api-key"] == KEY and call.headers["idempotency-key"] == call.content["id"]
    assert [one["title"] for one in call.content["alerts"]] == ["critical-1"] and call.content["count"] == 1
    (ticket,) = scene.tickets()
    assert "critical-1" in ticket["details"] and ticket["summary"] == "rule: New vulnerability: critical-1"
    assert {one.state for one in models.AlertMessage.objects.all()} == {"done"}


def test_hostile_titles(scene: Scene) -> None:
    scene.rule(**scene.everywhere())
    scene.scan("critical-<script>alert(1)</script>\r\nBcc: eve@evil.example =cmd() $X " + "y" * 10_000)
    scene.round()
    (got,) = scene.mailbox.messages
    assert got.message["Bcc"] is None and got.recipient == ANNA
    assert "<script" not in got.html and "&lt;script&gt;" in got.html and len(got.content) < 10_000
    assert len(json.dumps(scene.trigger.calls[0].content)) < 5_000
    assert len(scene.tickets()) == 1


@pytest.mark.parametrize("way", ["mail", "webhook", "halo"])
def test_an_outage_is_waited_for_and_shown(scene: Scene, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(alert_ticket.LIMITS, "max_wait", 0.1)
    scene.rule(**{"mail": {}, "webhook": {"mails": (), "webhook": "x"}, "halo": {"mails": (), "connection": scene.connection.pk}}[way])  # fmt: skip
    scene.scan("critical-1")
    if way == "mail":
        scene.mailbox.stop()
    elif way == "webhook":
        scene.trigger.status = 503
    else:
        scene.halo.inject(Fault("status", status=503, times=None))
    scene.round(2)
    (wrong,) = not_sent()
    assert wrong["wrong"] and wrong["alerts"] == 1 and not status()["ok"] and KEY not in json.dumps(wrong)
    scene.scan("critical-1", "critical-2")
    scene.round(3)
    tries = models.AlertMessage.objects.get().tries
    assert 2 <= tries <= 4, "not each minute"
    if way == "mail":
        scene.mailbox.start()
    elif way == "webhook":
        scene.trigger.status = 200
    else:
        scene.halo.clear_faults()
    scene.round(3, by=20 * MINUTE)
    texts = {
        "mail": lambda: list(scene.mails().values()),
        "webhook": lambda: [
            "- " + line["title"] + ":" for one in scene.trigger.calls for line in one.content["alerts"]
        ],
        "halo": lambda: [one["details"] for one in scene.tickets()],
    }[way]()
    assert scene.told(texts) == {"critical-1": 1, "critical-2": 1}
    assert not not_sent()


def test_mail_of_unknown_outcome_is_sent_once_more_and_no_third_time(scene: Scene) -> None:
    scene.rule()
    scene.mailbox.drops = "DATA."
    scene.scan("critical-1")
    scene.round(10, by=10 * MINUTE)
    assert len(scene.mailbox.messages) == 2 and len(scene.mails()) == 1
    row = models.AlertMessage.objects.get()
    assert row.state == "failed" and "third time" in row.said
    scene.mailbox.drops = ""
    assert alert_rule.send_again(row, scene.now, "admin") and not alert_rule.send_again(row, scene.now, "admin")
    scene.round(5)
    row.refresh_from_db()
    assert row.state == "done" and len(scene.mailbox.messages) == 3 and len(scene.mails()) == 1


def test_a_webhook_without_an_answer_gets_the_same_again(scene: Scene) -> None:
    scene.rule(mails=(), webhook="x")
    scene.trigger.drops = True
    scene.scan("critical-1")
    scene.round(5, by=20 * MINUTE)
    assert len(scene.trigger.calls) > 2
    scene.trigger.drops = False
    scene.round(2, by=7 * 60 * MINUTE)
    count = len(scene.trigger.calls)
    scene.round(5, by=60 * MINUTE)
    assert len(scene.trigger.calls) == count
    assert len({one.headers["idempotency-key"] for one in scene.trigger.calls}) == 1
    assert len({json.dumps(one.content) for one in scene.trigger.calls}) == 1


def test_a_refusal_and_a_wrong_key(scene: Scene) -> None:
    scene.rule(mails=("nobody@corp.example",), webhook="x")
    scene.mailbox.answers = {"RCPT": "550 no such person"}
    scene.trigger.key = "another"
    scene.scan("critical-1")
    scene.round(2)
    by_way = {one.recipient: one for one in models.AlertMessage.objects.all()}
    assert by_way["mail:nobody@corp.example"].state == "failed" and "550" in by_way["mail:nobody@corp.example"].said
    assert by_way["webhook"].state == "planned" and "Correct the key" in by_way["webhook"].said
    assert KEY not in by_way["webhook"].said and scene.trigger.address not in by_way["webhook"].said


def test_a_redirect_is_not_followed_with_the_key(scene: Scene) -> None:
    with ApiTrigger(KEY) as other:
        scene.trigger.elsewhere = other.address
        scene.rule(mails=(), webhook="x")
        scene.scan("critical-1")
        scene.round(3)
        assert not other.requests and models.AlertMessage.objects.get().state == "planned"


def test_a_webhook_that_never_ends_its_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_webhook, "LONGEST", 0.2)
    monkeypatch.setattr(alert_webhook, "_posted", lambda *_: __import__("time").sleep(1))
    outcome, said = alert_webhook.post(scene.trigger.address, "X-API-Key", KEY, "i", {})
    assert outcome.value == "unknown" and "127.0.0.1" in said and KEY not in said


@pytest.mark.parametrize(
    "url",
    ["http://198.51.100.7/x", "https://169.254.169.254/x", "https://10.0.0.1/x", "ftp://x", "https://u:p@x.example"],
)
def test_where_no_webhook_may_be(store: str, url: str) -> None:
    with pytest.raises(alert_webhook.NotReachable):
        alert_webhook.require_webhook(url, "X-API-Key")


def test_a_recipient_who_was_taken_out_gets_nothing_more(scene: Scene) -> None:
    row = scene.rule(mails=(ANNA, BERT))
    scene.mailbox.stop()
    scene.scan("critical-1")
    scene.round()
    scene.mailbox.start()
    alert_rule.change_rule(row, 1, row.name, Rule(mails=(BERT,), every=1), WebhookSecret(), scene.now, "admin")
    scene.round(10)
    assert not scene.mails(ANNA) and len(scene.mails(BERT)) == 1


def test_a_rule_that_is_to_be_about_more_tells_only_what_is_new_then(scene: Scene) -> None:
    row = scene.rule()
    scene.scan("critical-1", "high-1")
    wider = Rule(mails=(ANNA,), every=1, severity="high")
    alert_rule.change_rule(row, 1, row.name, wider, WebhookSecret(), scene.now, "admin")
    scene.round(2)
    assert scene.told(list(scene.mails().values())) == {"critical-1": 1}, "found by the rule as it was"
    scene.scan("critical-1", "high-1", "high-2")
    scene.round(2)
    assert scene.told(list(scene.mails().values())) == {"critical-1": 1, "high-2": 1}


def test_a_paused_rule_tells_later(scene: Scene) -> None:
    row = scene.rule()
    alert_rule.pause_rule(row, True, "admin")
    scene.scan("critical-1")
    scene.round(3)
    assert not scene.mailbox.messages and not models.Alert.objects.exists()
    alert_rule.pause_rule(row, False, "admin")
    scene.round()
    assert scene.told(list(scene.mails().values())) == {"critical-1": 1}


def test_one_rule_that_fails_stops_no_other(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    broken = scene.rule("broken")
    scene.rule("whole")
    models.AlertRule.objects.filter(pk=broken.pk).update(settings={"kinds": ["s3cret"]})
    scene.scan("critical-1")
    scene.round()
    assert len(scene.mails()) == 1 and "s3cret" not in caplog.text and f"Alert rule {broken.pk}" in caplog.text


def test_the_task_does_it(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    scene.rule()
    scene.scan("critical-1")
    message_tasks.look_for_alerts(0)
    assert len(scene.mails()) == 1 and "1 sent" in caplog.text
    assert "critical-1" not in caplog.text and ANNA not in caplog.text


# All that a process may end at: writes of alerts and messages, and what goes over a socket.
CALLS = (
    (alerts, "_insert"),
    (alert_subjects, "keep_subjects"),
    (alerts, "_message"),
    (alert_sending, "_begin"),
    (alert_sending, "_end"),
    (mail, "send"),
    (alert_sending, "post"),
    (models.AlertRule, "save"),
    (models.Journal, "save"),
    (Instance, "references"),
    (Instance, "create"),
    (Lease, "release"),
)


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_death_at_each_point(scene: Scene, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    scene.rule(**scene.everywhere())
    names: list[str] = []
    for number in range(1, 60):
        names.append(f"critical-{number}")
        scene.scan(*names)
        died = False
        with monkeypatch.context() as patch:
            dying(patch, CALLS, number, after=after)  # type: ignore[arg-type]  # modules have functions as well
            try:
                scene.round()
            except Death:
                died = True
        scene.round(2, by=16 * MINUTE)
        mails = list(scene.mails().values())
        calls = {one.content["id"]: one.content for one in scene.trigger.calls}
        hooked = ["- " + line["title"] + ":" for one in calls.values() for line in one["alerts"]]
        for texts in (mails, hooked, [one["details"] for one in scene.tickets()]):
            assert scene.told(texts) == Counter(dict.fromkeys(names, 1)), (number, after)
        assert not models.AlertMessage.objects.exclude(state="done").exists()
        if not died:
            assert number > 15
            return
    raise AssertionError("it never ended")
