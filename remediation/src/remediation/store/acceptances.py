"""Acceptances of risks: given, renewed and withdrawn by people. What they cover counts as open no more, and again."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils import timezone

from . import audit, models
from .copy import lock
from .counts import count_devices, count_source


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
    """Accept the risk of what all that is given have in common, up to and on a day. At least one is given."""
    row = models.RiskAcceptance.objects.create(
        source=source,
        asset=asset or None,
        solution=solution or None,
        vulnerability=vulnerability or None,
        reason=reason,
        approver=by,
        expires=until,
    )
    audit.record(by, "risk accepted", subject_of(row), source=source.name, until=until.isoformat(), reason=reason)
    _count(source.pk)
    return row


@transaction.atomic
def renew(row: models.RiskAcceptance, until: date, by: str) -> None:
    """Let an acceptance hold until another day."""
    audit.record(by, "acceptance renewed", subject_of(row), until=[row.expires.isoformat(), until.isoformat()])
    row.expires, row.approver = until, by
    row.save(update_fields=["expires", "approver"])
    _count(row.source_id)


@transaction.atomic
def withdraw(row: models.RiskAcceptance, by: str) -> None:
    """End an acceptance before its time."""
    audit.record(by, "acceptance withdrawn", subject_of(row))
    row.withdrawn = timezone.now()
    row.save(update_fields=["withdrawn"])
    _count(row.source_id)


def subject_of(row: models.RiskAcceptance) -> str:
    """What is accepted, in words."""
    given = {name: getattr(row, name) for name in ("asset", "solution", "vulnerability")}
    return " and ".join(f"{name} {value}" for name, value in given.items() if value)


def _count(source_id: int) -> None:
    lock(source_id)
    count_source(source_id, timezone.localdate())
    # Devices are of all sources, and are counted when this one is let go of.
    transaction.on_commit(count_devices)
