"""The day by which the service decides: when something is due, and whether an accepted risk still holds."""

from __future__ import annotations

from datetime import date

from django.utils import timezone


def service_day() -> date:
    """Today in the service's own time zone, for every reader: a page that took the reader's would show another due date
    than the ticket gets."""
    return timezone.localdate(timezone=timezone.get_default_timezone())
