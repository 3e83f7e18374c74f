"""The tables of weekly reports that are sent."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class WeeklyReport(models.Model):
    """The mail with the report of a week, as it was made, once for each week."""

    week = models.DateField(unique=True, db_comment="its Monday")
    made = models.DateTimeField(default=timezone.now)
    subject = models.TextField()
    text = models.TextField()
    html = models.TextField()


class WeeklyMessage(models.Model):
    """That mail to one recipient, until it is known what became of it."""

    report = models.ForeignKey(WeeklyReport, models.CASCADE, related_name="messages", db_index=False)
    recipient = models.TextField(db_comment="e-mail address")
    state = models.TextField(default="planned", db_comment="a State of domain.sending")
    tries = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0, db_comment="how many tries ended without an answer")
    due = models.DateTimeField(db_comment="when it is tried next")
    at = models.DateTimeField(null=True, db_comment="when its last try began, or ended")
    said = models.TextField(default="", db_comment="why it was not sent")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "recipient"], name="weekly_message_once")]
