"""The tables of alerts: what people want to be told of, and what they were."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from .fields import key_text, version


class AlertRule(models.Model):
    """What somebody wants to be told of, and how: ``settings`` are those of domain.alerting.Rule."""

    name = models.TextField(unique=True)
    settings = models.JSONField(default=dict)
    secret = models.TextField(default="", db_comment="sealed by store.secrets")
    paused = models.BooleanField(default=False, db_default=False)
    looked = models.JSONField(default=dict, db_comment="the kinds it has looked at (known), and the marks of that")
    created = models.DateTimeField(default=timezone.now)
    version = version()

    def __str__(self) -> str:
        return self.name


class AlertSubject(models.Model):
    """What a rule knows of a thing that it may tell of: domain.alerting.Known."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="subjects", db_index=False)
    kind = models.TextField()
    subject = key_text(db_comment="the number of a vulnerability, a ticket with its date, ...")
    generation = models.IntegerField(default=0)
    present = models.BooleanField(default=False)
    told = models.BooleanField(default=False, db_comment="whether an alert was made of it, or it was there before")
    since = models.DateTimeField(null=True)
    value = models.FloatField(null=True, db_comment="the EPSS score that the next is compared with")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "kind", "subject"], name="alert_subject_once")]


class AlertMessage(models.Model):
    """A message with alerts to one recipient, from its making until it is known what became of it."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="messages", db_index=False)
    recipient = models.TextField(db_comment="mail:ADDRESS, webhook or halo")
    identity = models.TextField(unique=True, db_comment="in Message-ID, header or reference: the same at each try")
    content = models.JSONField(db_comment="as domain.alert_text has it")
    count = models.IntegerField(db_comment="how many alerts it is about")
    state = models.TextField(default="planned", db_comment="a State of domain.sending")
    tries = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0, db_comment="how many tries ended without an answer")
    made = models.DateTimeField()
    due = models.DateTimeField(db_comment="when it is tried next, or, while a try lasts, when that has ended")
    at = models.DateTimeField(null=True, db_comment="when its last try began, or ended")
    said = models.TextField(default="", db_comment="why it was not sent, or what was made of it")

    class Meta:
        indexes = [
            models.Index(fields=["rule", "recipient", "made"], name="alert_message_last"),
            models.Index(fields=["due"], condition=models.Q(state__in=["planned", "about"]), name="alert_message_due"),
        ]


class Alert(models.Model):
    """One alert to one recipient. Without a message it waits for the next one."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="alerts", db_index=False)
    key = key_text(db_comment="kind, subject and generation: domain.alerting.key_of")
    recipient = models.TextField(db_comment="as in AlertMessage")
    line = models.JSONField(db_comment="a Line of domain.alert_text")
    rank = models.SmallIntegerField(default=0, db_comment="by which the first stand in a message: 4 for critical")
    made = models.DateTimeField()
    message = models.ForeignKey(AlertMessage, models.CASCADE, null=True, related_name="alerts")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "key", "recipient"], name="alert_once")]
        indexes = [models.Index(fields=["rule", "recipient"], condition=models.Q(message=None), name="alert_waiting")]
