"""The access to Cisco's openVuln, as an administrator enters it and takes it away."""

from __future__ import annotations

from django.db import transaction

from ...store import audit, models
from ...store.one_at_a_time import Lock, one_at_a_time
from ...store.secrets import seal
from ...store.versions import ChangedMeanwhile, change_version
from .reading import NAME

LONGEST = 1000


class Unfit(ValueError):
    """What was entered cannot be an access. The text is for a person."""


def typed_access(client_id: str, secret: str) -> models.Cisco:
    """An access that is not stored, with what was typed; where no secret was, with the one that is stored.

    Its requests count as those of the stored one. Raises Unfit and KeyTrouble.
    """
    known = models.Cisco.objects.order_by("pk").first()
    for text in (client_id, secret):
        if len(text) > LONGEST or not text.isprintable():
            raise Unfit("The client id or the secret has characters that neither has, or too many.")
    if not client_id:
        raise Unfit("Enter the client id that Cisco's API console shows.")
    if not secret and known is None:
        raise Unfit("Enter the client secret that belongs to the client id.")
    sealed = seal(secret) if secret else known.secret if known else ""
    return models.Cisco(pk=known.pk if known else None, client_id=client_id, secret=sealed)


@transaction.atomic
def store_access(client_id: str, secret: str, version: int | None, who: str) -> models.Cisco:
    """Store an access, over the one that is there. ``version``: which one its person has seen, None for none.

    What Cisco wanted to be waited for is of another access then, and so are the requests of its day. Raises Unfit,
    KeyTrouble and ChangedMeanwhile.
    """
    one_at_a_time(Lock.CISCO)
    typed = typed_access(client_id, secret)
    row = models.Cisco.objects.order_by("pk").first()
    if (row is None) is not (version is None):
        raise ChangedMeanwhile(row)
    before = row.client_id if row else ""
    if row is None or version is None:
        row = typed
        row.save()
    else:
        change_version(row, version, client_id=typed.client_id, secret=typed.secret)
        if before != typed.client_id:
            models.Cisco.objects.filter(pk=row.pk).update(spent=[], waits_until=None, next_at=None)
    models.Feed.objects.filter(name=NAME).update(due=None, error="")
    secret_changed = {"secret": ["", "stored"]} if secret else {}
    audit.record(who, "access to openVuln stored", changed={"client_id": [before, client_id], **secret_changed})
    return row


@transaction.atomic
def forget_access(who: str) -> bool:
    """Forget the access; whether there was one. What Cisco has told stays, with its dates."""
    one_at_a_time(Lock.CISCO)
    gone, _ = models.Cisco.objects.all().delete()
    if gone:
        models.Feed.objects.filter(name=NAME).update(error="", due=None)
        audit.record(who, "access to openVuln taken away")
    return bool(gone)
