"""Brings the stored investigations of a source up to date by InsightIDR, in as few requests as that takes.

InsightIDR has no way to ask what changed. A look reads the list of all that are not closed, and each one by itself
that has a ticket and is not in that list: at most MOST_READS at a look, those first that were read longest ago. What
went from A to B and back to A between two looks was never seen.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from ..domain.investigation import Investigation, State
from ..domain.investigation_settings import InvestigationSettings
from ..store import models
from .errors import IdrAway, IdrError
from .insightidr import InsightIdr

MOST_READS = 100
# A closed investigation with a closed ticket is looked at this often, and one that InsightIDR does not show.
SETTLED_EVERY = timedelta(days=1)


def look(
    source: models.InvestigationSource, settings: InvestigationSettings, idr: InsightIdr, now: datetime
) -> dict[str, str]:
    """Read what there is and store it. Nothing is stored of an incomplete list. Raises IdrError.

    Returns why some investigations could not be read, by their RRNs: these hold up no other.
    """
    states = {state for state in State if state is not State.CLOSED or state.value in settings.rule.states}
    since = now - timedelta(days=settings.days)
    listed = {one.rrn: one for one in idr.listed(states, since, now)}
    tracked = models.Investigation.objects.filter(source=source).exclude(ticket=None, asked_by="")
    settled = Q(state=State.CLOSED.value, agreed_state=State.CLOSED.value, seen__gt=now - SETTLED_EVERY)
    lost = Q(gone__isnull=False, seen__gt=now - SETTLED_EVERY)
    others = tracked.exclude(rrn__in=listed).exclude(settled).exclude(lost).order_by("seen")
    read, unread = dict[str, Investigation | None](), dict[str, str]()
    for row in others[:MOST_READS]:
        try:
            read[row.rrn] = idr.read(row.rrn)
        except IdrAway:
            raise
        except IdrError as error:
            unread[row.rrn] = str(error)
    with transaction.atomic():
        for one in (*listed.values(), *filter(None, read.values())):
            _keep(source, one, now)
        absent = models.Investigation.objects.filter(source=source, rrn__in=[rrn for rrn in read if read[rrn] is None])
        absent.filter(gone=None).update(gone=now)
        absent.update(seen=now)
        # What nobody tracks and the list does not have is closed or too old to be of interest.
        untracked = models.Investigation.objects.filter(source=source, ticket=None, asked_by="")
        untracked.exclude(rrn__in=listed).delete()
        models.InvestigationSource.objects.filter(pk=source.pk).update(looked=now)
    return unread


def _keep(source: models.InvestigationSource, one: Investigation, now: datetime) -> None:
    models.Investigation.objects.update_or_create(
        source=source,
        rrn=one.rrn,
        defaults={
            "title": one.title,
            "state": one.state_word,
            "priority": one.priority,
            "disposition": one.disposition,
            "origin": one.source,
            "assignee": one.assignee,
            "tags": list(one.tags),
            "created": one.created,
            "responsibility": one.responsibility,
            "seen": now,
            "gone": None,
        },
    )


def stored(row: models.Investigation) -> Investigation:
    """An investigation as it was read last."""
    known = {state.value: state for state in State}
    return Investigation(
        rrn=row.rrn,
        title=row.title,
        state=known.get(row.state),
        state_word=row.state,
        priority=row.priority,
        disposition=row.disposition,
        source=row.origin,
        assignee=row.assignee,
        tags=tuple(row.tags),
        created=row.created,
        responsibility=row.responsibility,
    )
