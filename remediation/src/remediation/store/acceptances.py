"""Acceptances of risks: given, renewed and withdrawn by people. What they cover counts as open no more, and again.

Each change is kept with who made it. What counts as open changes with it: ``recount`` is to be called after the change.
It reads all findings of the source, and waits for who writes them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from ..domain.acceptance import Acceptance
from . import audit, models
from .copy import lock
from .counts import count_devices, count_source
from .one_at_a_time import Lock, one_at_a_time
from .versions import change_version


def holding(sources: Collection[int], today: date) -> list[models.RiskAcceptance]:
    """The acceptances of sources that hold on a day."""
    rows = models.RiskAcceptance.objects.filter(source__in=list(sources), expires__gte=today, withdrawn__isnull=True)
    return list(rows.order_by("pk"))


def as_known(row: models.RiskAcceptance) -> Acceptance:
    """The domain's acceptance of a stored one."""
    return Acceptance(row.expires, row.asset, row.solution, row.vulnerability)


@transaction.atomic
def accept(
    source: models.Source,
    *,
    asset: str | None,
    solution: str | None,
    vulnerability: str | None,
    reason: str,
    until: date,
    by: str,
) -> models.RiskAcceptance:
    """Accept the risk of what all that is given have in common, up to and on a day. At least one is given.

    What the same person has accepted in the same words already, and not withdrawn, is not accepted once more: a form
    that is sent twice would leave one that still holds when the other is withdrawn.
    """
    given: dict[str, Any] = {
        "source": source,
        "asset": asset or None,
        "solution": solution or None,
        "vulnerability": vulnerability or None,
        "reason": reason,
        "approver": by,
        "expires": until,
    }
    one_at_a_time(Lock.ACCEPTANCES)
    same = models.RiskAcceptance.objects.filter(**given, withdrawn=None).first()
    if same is not None:
        return same
    row = models.RiskAcceptance.objects.create(**given)
    day = until.isoformat()
    audit.record(by, "risk accepted", subject_of(row), acceptance=row.pk, source=source.name, until=day, reason=reason)
    return row


@transaction.atomic
def renew(row: models.RiskAcceptance, until: date, by: str, version: int | None = None) -> None:
    """Let an acceptance hold until another day. Raises ChangedMeanwhile where its ``version`` is another by now."""
    before = row.expires
    change_version(row, row.version if version is None else version, expires=until, approver=by)
    days = [before.isoformat(), until.isoformat()]
    audit.record(by, "acceptance renewed", subject_of(row), acceptance=row.pk, until=days)


@transaction.atomic
def withdraw(row: models.RiskAcceptance, by: str, version: int | None = None) -> None:
    """End an acceptance before its time. Raises ChangedMeanwhile where its ``version`` is another by now."""
    change_version(row, row.version if version is None else version, withdrawn=timezone.now())
    audit.record(by, "acceptance withdrawn", subject_of(row), acceptance=row.pk)


def recount(source_id: int, today: date) -> None:
    """Count what is open of a source, and on all devices."""
    with transaction.atomic():
        lock(source_id)
        count_source(source_id, today)
    # Devices are of all sources, and are counted when this one is let go of.
    count_devices()


def subject_of(row: models.RiskAcceptance) -> str:
    """What is accepted, in words."""
    given = {name: getattr(row, name) for name in ("asset", "solution", "vulnerability")}
    return " and ".join(f"{name} {value}" for name, value in given.items() if value)
