"""A store with vulnerabilities, a mail server, a webhook and an emulated HaloITSM, for rules to tell them of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from django.utils import timezone as clock

from halo_emulator import HaloEmulator
from remediation.domain.alerting import Rule
from remediation.jobs.alert_round import alert_all
from remediation.jobs.alert_rule import WebhookSecret, add_rule
from remediation.store import models
from remediation.store.intake import take_in
from stand_ins.api_trigger import ApiTrigger
from stand_ins.mailbox import Mailbox

from ..store.scans import scan

ANNA, BERT = "anna@corp.example", "bert@corp.example"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass
class Scene:
    """``now`` goes on by each round. Messages are counted by what they carry to stay one: Message-ID, key, reference."""

    mailbox: Mailbox
    trigger: ApiTrigger
    halo: HaloEmulator
    connection: models.Connection
    source: models.Source
    now: datetime = field(default_factory=clock.now)
    scans: int = 0
    log: list[dict[str, int]] = field(default_factory=list)

    def rule(self, name: str = "rule", past: bool = False, **table: Any) -> models.AlertRule:
        """A rule that tells Anna, unless its table says otherwise, a minute after the last time."""
        known = {"mails": (ANNA,), "every": 1, **table}
        secret = WebhookSecret(self.trigger.address, self.trigger.key) if known.get("webhook") else WebhookSecret()
        return add_rule(name, Rule(**known), secret, self.now, "admin", past=past)

    def everywhere(self) -> dict[str, Any]:
        """The recipients of a rule that tells all of them."""
        return {"webhook": "127.0.0.1", "connection": self.connection.pk}

    def scan(self, *names: str) -> None:
        """The source sees these vulnerabilities on one device, and no others any more."""
        self.scans += 1
        taken = datetime(2026, 11, 1, tzinfo=timezone.utc) + self.scans * timedelta(hours=1)
        take_in(self.source, scan({"web": names}, taken))

    def round(self, times: int = 1, by: timedelta = MINUTE) -> None:
        """Minutes go by, and a round is made after each."""
        for _ in range(times):
            self.now += by
            self.log.append(alert_all(self.now))

    def mails(self, to: str = ANNA) -> dict[str, str]:
        """The texts of what somebody got, by Message-ID: what came twice is the same."""
        found: dict[str, str] = {}
        for one in self.mailbox.messages:
            if one.recipient == to:
                identity = str(one.message["Message-ID"])
                assert found.setdefault(identity, one.text) == one.text
        return found

    def tickets(self) -> list[dict[str, Any]]:
        """The tickets that tell of alerts."""
        rows = self.halo.tickets.values()
        return [one for one in rows if str(one.get("third_party_id_string") or "").startswith("remediation-alert:")]

    def told(self, texts: Sequence[str]) -> Counter[str]:
        """How often each vulnerability is told in texts."""
        words = [line[2:].split(":")[0] for text in texts for line in text.splitlines() if line.startswith("- ")]
        return Counter(words)
