"""Drafts of connections: what is entered on the pages and not in use yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from . import audit, models
from .projects import DEFAULTS, NotMade
from .versions import ChangedMeanwhile, change_version

# The key of a draft's ``seen`` that holds the settings that it began with.
BASE = "base"


def begin(who: str, entered: Mapping[str, Any], connection: models.Connection | None = None) -> models.ConnectionDraft:
    """A new draft, or the one that there is of a connection already. ``entered`` is by step."""
    if connection is None:
        return models.ConnectionDraft.objects.create(entered=dict(entered), who=who)
    first = {
        "based_on": connection.version,
        "name": connection.name,
        "entered": dict(entered),
        "seen": {BASE: {"name": connection.name, **connection.settings}},
        "secret": connection.secret,
        "who": who,
    }
    return models.ConnectionDraft.objects.get_or_create(connection=connection, defaults=first)[0]


def keep(draft: models.ConnectionDraft, version: int, who: str, **fields: Any) -> None:
    """Store what somebody entered. Raises ChangedMeanwhile."""
    change_version(draft, version, who=who, at=timezone.now(), **fields)


def note(draft: models.ConnectionDraft, **seen: Any) -> None:
    """Store what HaloITSM told. It is nobody's entry, so the version stays."""
    draft.seen = {**draft.seen, **seen}
    models.ConnectionDraft.objects.filter(pk=draft.pk).update(seen=draft.seen)


def discard(draft: models.ConnectionDraft, version: int) -> None:
    """Remove a draft. Raises ChangedMeanwhile."""
    if not models.ConnectionDraft.objects.filter(pk=draft.pk, version=version).delete()[0]:
        raise ChangedMeanwhile(models.ConnectionDraft.objects.filter(pk=draft.pk).first())


@transaction.atomic
def put_in_place(
    draft: models.ConnectionDraft, version: int, based_on: int, name: str, settings: Mapping[str, Any], who: str
) -> models.Connection:
    """Make the connection of a draft, or change the one that it is of; the draft is gone then.

    ``based_on`` is the version of the connection that the person has seen. Of the settings, only what the draft changes
    is written: what somebody else changed meanwhile stays, and so does what the service keeps there for itself.

    Raises ChangedMeanwhile with the draft or the connection as it is, and NotMade for a name that is taken.
    """
    now = models.ConnectionDraft.objects.select_for_update().filter(pk=draft.pk).first()
    if now is None or now.version != version:
        raise ChangedMeanwhile(now)
    if models.Connection.objects.filter(name=name).exclude(pk=now.connection_id or 0).exists():
        raise NotMade(f"There is a connection named {name!r} already.")
    if now.connection_id is None:
        row = models.Connection.objects.create(name=name, settings=dict(settings), secret=now.secret)
        audit.record(who, "connection made", name, settings=dict(settings))
    else:
        row = models.Connection.objects.select_for_update().get(pk=now.connection_id)
        whole = merged(now.seen.get(BASE) or {}, settings, row.settings)
        before = {"name": row.name, **row.settings}
        secret_is_new = row.secret != now.secret
        change_version(row, based_on, name=name, settings=whole, secret=now.secret)
        changed = audit.changes(before, {"name": name, **whole})
        audit.record(who, "connection changed", name, changes=changed, secret_is_new=secret_is_new)
    now.delete()
    return row


def merged(base: Mapping[str, Any], mine: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, with what ``mine`` has otherwise than ``base``."""
    whole = {**stored, **{key: value for key, value in mine.items() if key not in base or value != base[key]}}
    parts = [table.get(DEFAULTS) or {} for table in (base, mine, stored)]
    if any(parts):
        begun, wanted, there = parts
        own = {key: value for key, value in wanted.items() if key not in begun or value != begun[key]}
        whole[DEFAULTS] = {**there, **own}
    return whole
