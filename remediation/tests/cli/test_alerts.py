"""Alerts on the command line."""

from __future__ import annotations

import pytest
from django.utils import timezone

from remediation.domain.alerting import Rule
from remediation.jobs.alert_rule import WebhookSecret, add_rule
from remediation.jobs.alert_round import alert_all
from remediation.mail_server import from_environment
from remediation.store import models
from stand_ins.mailbox import Mailbox

from .conftest import Line


def test_rules_are_listed_with_what_could_not_be_sent(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no rule yet" in line("alerts", "list").out
    rule = Rule(kinds=("trouble",), mails=("anna@corp.example",), failures=1)
    add_rule("watch", rule, WebhookSecret(), timezone.now(), "admin", past=False)
    source = models.Source.objects.create(name="files", kind="insightvm-report")
    models.Run.objects.create(source=source, kind="read", finished=timezone.now(), outcome="failed")
    alert_all(timezone.now())
    shown = line("alerts", "list")
    assert "watch: trouble; 0 waiting, 0 messages sent" in shown.out and "no mail server" in shown.out
    assert line("alerts", "list", "--json").json["not_sent"][0]["to"] == "mail:anna@corp.example"
    status = line("status")
    assert status.code == 3 and "alerts of watch to mail:anna@corp.example" in status.out
    assert line("alerts", "send-test", "bert@corp.example").code == 4
    with Mailbox() as box:
        variables = {
            "REMEDIATION_MAIL": f"smtp+plain://localhost:{box.port}",
            "REMEDIATION_MAIL_FROM": "a@corp.example",
        }
        monkeypatch.setattr("django.conf.settings.MAIL", from_environment(variables))
        assert line("alerts", "send-test", "bert@corp.example").code == 0
        assert [one.recipient for one in box.messages] == ["bert@corp.example"]
