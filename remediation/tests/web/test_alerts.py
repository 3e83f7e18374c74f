"""The pages of alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.utils import timezone as clock

from remediation.domain.alerting import Rule
from remediation.jobs import alert_rule
from remediation.jobs.alert_rule import WebhookSecret
from remediation.jobs.alert_round import alert_all
from remediation.settings import networks
from remediation.store import models
from remediation.store.intake import take_in

from ..store.scans import scan
from .form_in_page import fields_of

HOOK, KEY = "https://127.0.0.1/connect/v1/a-secret-path", "a-secret-key"
TABLE = {
    "name": "Night watch",
    "kinds": ["new", "overdue"],
    "severity": "high",
    "due_days": "3",
    "overdue_days": "0",
    "failures": "3",
    "silent_days": "2",
    "epss_from": "50",
    "mails": "anna@corp.example\nbert@corp.example\n",
    "escalation": "3 head@corp.example",
    "every": "60",
    "quiet": "20-6",
    "webhook_header": "X-API-Key",
    "do": "save",
}
MESSAGES = "/alerts/sent"


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.NETWORKS", networks("127.0.0.0/8"))


def scanned(*names: str) -> None:
    source, _ = models.Source.objects.get_or_create(name="files", kind="insightvm-report")
    taken = datetime(2026, 11, 1, tzinfo=timezone.utc) + timedelta(hours=models.SnapshotRecord.objects.count())
    take_in(source, scan({"web": names}, taken))


def made(client: Client, **changes: Any) -> models.AlertRule:
    answer = client.post("/alerts/new", {**TABLE, **changes})
    assert answer.status_code == 302, answer.content.decode()
    row = models.AlertRule.objects.get(name=changes.get("name", TABLE["name"]))
    assert answer.headers["Location"] == f"/alerts/{row.pk}/"
    return row


def test_a_rule_is_made_changed_paused_and_removed(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    row = made(admin, webhook=HOOK, webhook_key=KEY)
    rule = Rule.from_table(row.settings)
    assert rule.mails == ("anna@corp.example", "bert@corp.example") and rule.escalation == ((3, "head@corp.example"),)
    assert (rule.epss_from, rule.epss_rise, rule.webhook, rule.severity) == (0.5, None, "127.0.0.1", "high")
    assert WebhookSecret.of(row) == WebhookSecret(HOOK, KEY) and KEY not in row.secret
    audited = str(list(models.AuditEntry.objects.values_list("what", "detail")))
    for address in ("/alerts/", f"/alerts/{row.pk}/", f"/alerts/{row.pk}/edit", MESSAGES):
        page = admin.get(address).content.decode()
        assert "a-secret" not in page and (address == MESSAGES or "Night watch" in page)
    assert "a-secret" not in audited and "alert rule added" in audited
    # As a browser sends it back: nothing of it changes, and the secret stays.
    sent = fields_of(admin.get(f"/alerts/{row.pk}/edit").content.decode())
    assert admin.post(f"/alerts/{row.pk}/edit", {**sent, "do": "save"}).status_code == 302
    same = models.AlertRule.objects.get()
    assert (same.settings, same.version, WebhookSecret.of(same)) == (row.settings, 2, WebhookSecret(HOOK, KEY))
    # Another one has seen version 1 as well.
    late = admin.post(f"/alerts/{row.pk}/edit", {**sent, "version": "1", "name": "Mine", "do": "save"})
    assert late.status_code == 409 and models.AlertRule.objects.get().name == "Night watch"
    # Another address does not get the key of the one before; one that stays keeps it.
    elsewhere = {**sent, "version": "2", "webhook": "https://127.0.0.2/x", "do": "save"}
    assert admin.post(f"/alerts/{row.pk}/edit", elsewhere).status_code == 302
    assert WebhookSecret.of(models.AlertRule.objects.get()) == WebhookSecret("https://127.0.0.2/x", "")
    off = {**sent, "version": "3", "webhook_off": "on", "do": "save"}
    assert admin.post(f"/alerts/{row.pk}/edit", off).status_code == 302
    stored = models.AlertRule.objects.get()
    assert not stored.secret and not stored.settings["webhook"]
    for paused in ("yes", "yes", "no"):
        admin.post(f"/alerts/{row.pk}/pause", {"paused": paused})
        assert models.AlertRule.objects.get().paused is (paused == "yes")
    assert admin.post(f"/alerts/{row.pk}/remove").status_code == 302
    assert not models.AlertRule.objects.exists()
    assert admin.post(f"/alerts/{row.pk}/remove").status_code == 404
    what = list(models.AuditEntry.objects.order_by("pk").values_list("what", flat=True))
    assert what[-3:] == ["alert rule paused", "alert rule resumed", "alert rule removed"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"kinds": []}, "kinds"),
    ({"kinds": ["weather"]}, "kinds"),
    ({"mails": "anna"}, "mails"),
    ({"mails": "a@corp.example, b@corp.example"}, "mails"),
    ({"mails": "\n".join(f"a{one}@corp.example" for one in range(51))}, "mails"),
    ({"mails": ""}, "__all__"),
    ({"escalation": "soon head@corp.example"}, "escalation"),
    ({"escalation": "0 head@corp.example"}, "escalation"),
    ({"escalation": "99999 head@corp.example"}, "escalation"),
    ({"escalation": "3"}, "escalation"),
    ({"quiet": "25-3"}, "__all__"),
    ({"every": "0"}, "every"),
    ({"every": "x"}, "every"),
    ({"epss_from": "nan"}, "epss_from"),
    ({"epss_from": "101"}, "epss_from"),
    ({"webhook": "https://169.254.169.254/x"}, "webhook"),
    ({"webhook": "http://198.51.100.9/x"}, "webhook"),
    ({"webhook": "nonsense"}, "webhook"),
    ({"webhook": HOOK, "webhook_header": "Host"}, "webhook"),
    ({"webhook": HOOK, "webhook_header": "X: y"}, "webhook"),
    ({"webhook_key": KEY}, "webhook_key"),
    ({"source": "77"}, "source"),
    ({"connection": "77"}, "connection"),
]


def test_what_is_no_rule_is_refused(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    for changes, field in REFUSED:
        answer = admin.post("/alerts/new", {**TABLE, **changes})
        assert answer.status_code == 400 and not models.AlertRule.objects.exists(), changes
        where = 'class="errorlist nonfield"' if field == "__all__" else f'id="id_{field}_error"'
        # A NUL is refused before any form.
        assert where in answer.content.decode() or "\0" in changes.get("name", ""), changes
        assert KEY.encode() not in answer.content and HOOK.encode() not in answer.content


def test_two_rules_of_one_name(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    made(admin)
    answer = admin.post("/alerts/new", TABLE)
    assert answer.status_code == 400 and b"of that name already" in answer.content


def test_the_preview_tells_what_would_be_sent_now(as_role: Callable[[str], Client]) -> None:
    scanned("critical-1", "high-1", *(f"high-{one}" for one in range(2, 30)), "low-1")
    admin = as_role("admin")
    page = admin.post("/alerts/new", {**TABLE, "do": "preview"})
    assert page.status_code == 200 and not models.AlertRule.objects.exists()
    with database.cursor() as cursor:  # the same question, asked of the findings
        cursor.execute(
            "SELECT count(DISTINCT vulnerability) FROM store_finding WHERE state = 'open' "
            "AND (vulnerability LIKE 'critical%' OR vulnerability LIKE 'high%')"
        )
        (number,) = cursor.fetchone()
    text = page.content.decode()
    assert number == 30 and f"{number} now, {number} of them new" in text and "... and 10 more" in text
    assert f"Night watch: {number} alerts" in text
    row = made(admin)
    page = admin.get(f"/alerts/{row.pk}/")
    assert b"30 now, 0 of them new" in page.content and b"Nothing is new" in page.content
    scanned("critical-1", "high-1", "high-<b>77</b>")
    page = admin.get(f"/alerts/{row.pk}/")
    assert b"3 now, 1 of them new" in page.content
    assert b"Night watch: New vulnerability: high-&lt;b&gt;77" in page.content
    assert b"<b>77" not in page.content and not models.Alert.objects.exists(), "nothing was stored"


def test_what_could_not_be_sent_is_shown_and_sent_again(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    row = made(admin, quiet="", mails="anna@corp.example", escalation="")
    scanned("critical-1")
    alert_all(clock.now())
    for address in ("/", "/alerts/", f"/alerts/{row.pk}/", MESSAGES):
        assert b"There is no mail server" in as_role("viewer").get(address).content, address
    message = models.AlertMessage.objects.get()
    again = f"/alerts/messages/{message.pk}/again"
    assert as_role("approver").post(again).status_code == 403
    assert admin.post(again).status_code == 302
    message.refresh_from_db()
    assert message.state == "planned" and message.tries == 1, "it was not given up"
    models.AlertMessage.objects.update(state="failed", due=clock.now() + timedelta(days=1))
    assert b"Send again" in admin.get(f"/alerts/{row.pk}/").content
    assert b"Send again" not in as_role("viewer").get(f"/alerts/{row.pk}/").content
    assert admin.post(again).status_code == 302 and admin.post(again).status_code == 302
    message.refresh_from_db()
    assert message.state == "planned" and message.due <= clock.now()
    assert models.AuditEntry.objects.filter(what="alerts sent again").count() == 1


def test_the_log_counts_what_the_database_has(as_role: Callable[[str], Client]) -> None:
    row = made(as_role("admin"))
    for number in range(7):
        models.AlertMessage.objects.create(
            rule=row,
            recipient="webhook" if number % 2 else "mail:<b>@corp.example",
            identity=str(number),
            content={},
            count=number,
            state="done" if number < 3 else "failed",
            made=clock.now(),
            due=clock.now(),
            said="<script>",
        )
    page = as_role("viewer").get(MESSAGES, {"state": "failed"})
    number = models.AlertMessage.objects.filter(state="failed").count()
    assert page.status_code == 200 and page.content.count(b"&lt;script&gt;") == number == 4
    assert b"<script>" not in page.content and b"<b>@" not in page.content
    assert as_role("viewer").get(MESSAGES, {"rule": row.pk}).content.count(b"&lt;script&gt;") == 7


def test_a_secret_that_no_key_opens(as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.fernet import Fernet

    admin = as_role("admin")
    row = made(admin, webhook=HOOK, webhook_key=KEY)
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    page = admin.get(f"/alerts/{row.pk}/edit")
    assert page.status_code == 200 and b"sealed with another key" in page.content
    sent = fields_of(page.content.decode())
    stored = admin.post(f"/alerts/{row.pk}/edit", {**sent, "webhook": HOOK, "webhook_key": KEY, "do": "save"})
    assert stored.status_code == 302 and WebhookSecret.of(models.AlertRule.objects.get()).key == KEY


def test_add_rule_is_one_transaction(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> int:
        raise RuntimeError

    monkeypatch.setattr(alert_rule, "look", breaks)
    with pytest.raises(RuntimeError):
        alert_rule.add_rule("n", Rule(mails=("a@x.example",)), WebhookSecret(), clock.now(), "admin", past=False)
    assert not models.AlertRule.objects.exists() and not models.AuditEntry.objects.exists()
