"""The weekly report as mail: made once for each week, and sent to each recipient once, whoever does it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from .. import mail
from ..domain.sending import LASTS, OF_WEEKLY_REPORTS, Outcome, State, after
from ..domain.week import READING_LASTS, Schedule, Week, due_week
from ..domain.weekly import html, subject, text
from ..store import models
from ..store.weekly import weekly

SETTING = "weekly"


def schedule() -> Schedule:
    """As an administrator has set it; off where nobody has."""
    row = models.Setting.objects.filter(name=SETTING).first()
    return Schedule.of(row.value if row else {})


def make_due(now: datetime) -> models.WeeklyReport | None:
    """Make the report that is due and was not made; None where there is none, or where its figures are not complete."""
    known = schedule()
    week = due_week(known, now)
    if week is None or not mail.is_set_up():
        return None
    if models.WeeklyReport.objects.filter(week=week.first).exists() or is_being_read(now):
        return None
    made = weekly(week)
    address = address_of(week)
    with transaction.atomic():
        # Of two workers, one makes it: the other finds it there.
        report, is_new = models.WeeklyReport.objects.get_or_create(
            week=week.first,
            defaults={
                "made": now,
                "subject": subject(made),
                "text": text(made, address),
                "html": html(made, address),
            },
        )
        if not is_new:
            return None
        rows = [models.WeeklyMessage(report=report, recipient=one, due=now) for one in known.recipients]
        models.WeeklyMessage.objects.bulk_create(rows)
    return report


def is_being_read(now: datetime) -> bool:
    """Whether a source is being read: what it says may be of the week."""
    begun = models.Run.objects.filter(source__isnull=False, finished=None, started__gt=now - READING_LASTS)
    return begun.exclude(started__gt=now).exists()


def address_of(week: Week) -> str:
    """That of the report's page, "" where nobody has said how people reach the pages."""
    return f"{settings.PUBLIC_URL}/weekly/?week={week.first.isoformat()}" if settings.PUBLIC_URL else ""


def waiting(now: datetime) -> bool:
    """Whether a message is to be sent, or was left behind by a process that is gone."""
    return _due(now).exists()


def send_due(clock: Callable[[], datetime]) -> list[str]:
    """Send what is due, each message once; the states that they came to."""
    return [_send(number, clock) for number in list(_due(clock()).order_by("pk").values_list("pk", flat=True))]


def _due(now: datetime) -> QuerySet[models.WeeklyMessage]:
    left = Q(state=State.ABOUT.value, at__lt=now - LASTS)
    return models.WeeklyMessage.objects.filter(Q(state=State.PLANNED.value, due__lte=now) | left)


def _send(number: int, clock: Callable[[], datetime]) -> str:
    now = clock()
    left = models.WeeklyMessage.objects.filter(pk=number, state=State.ABOUT.value, at__lt=now - LASTS)
    if left.exists():
        # Its process ended while it was at it: the server may have it.
        return _ended(number, Outcome.UNKNOWN, "The process that sent it ended before it was done.", now)
    # Of two workers, one has it.
    mine = models.WeeklyMessage.objects.filter(pk=number, state=State.PLANNED.value, due__lte=now)
    if not mine.update(state=State.ABOUT.value, at=now, tries=F("tries") + 1):
        return ""
    row = models.WeeklyMessage.objects.select_related("report").get(pk=number)
    report = row.report
    try:
        identity = mail.message_id_of("weekly", report.week.isoformat(), report.made.isoformat(), row.recipient)
        mail.send(row.recipient, report.subject, report.text, report.html, message_id=identity)
    except mail.MailError as error:
        outcome = Outcome.FINAL if error.is_final else Outcome.UNKNOWN if error.is_unknown else Outcome.LATER
        return _ended(number, outcome, f"{error.cause} {error.assistance}", clock())
    return _ended(number, Outcome.DONE, "", clock())


@transaction.atomic
def _ended(number: int, outcome: Outcome, said: str, now: datetime) -> str:
    """Keep how a try ended, unless somebody else has: "" then."""
    rows = models.WeeklyMessage.objects.select_for_update(of=("self",)).select_related("report")
    row = rows.filter(pk=number, state=State.ABOUT.value).first()
    if row is None:
        return ""
    row.unknown += outcome is Outcome.UNKNOWN
    becomes = after(outcome, "mail", row.tries, row.unknown, row.report.made, now, OF_WEEKLY_REPORTS)
    row.state, row.due, row.at, row.said = becomes.state.value, becomes.due, now, f"{said} {becomes.said}".strip()
    row.save(update_fields=["state", "due", "at", "said", "unknown"])
    return becomes.state.value
