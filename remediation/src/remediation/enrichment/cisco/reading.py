"""Asks Cisco's openVuln what is worth knowing of our devices and their vulnerabilities, a part at a time.

First what has changed since the last time, then what was never asked or is too old. Each answer is kept as it comes, so
that the next time goes on where this one ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings

from ...domain.cisco_software import systems_named
from ...sources.errors import CutOff, NotTaken, NotUnderstood, TooMuch
from ...store import advisories, models
from ...store.secrets import open_
from .advisory import Advisory
from .allowance import Allowance
from .api import Addresses, OpenVuln

NAME, TITLE = "cisco", "Cisco's advisories (openVuln)"
# So many answers are asked for at a time. At the allowed pace that takes some seven minutes.
MOST = 200
EVERY, SOON = timedelta(days=1), timedelta(minutes=10)
# What is not understood is asked again after so long.
AGAIN = timedelta(days=1)
# After so many answers in a row that are not understood, it is the address that is wrong.
MOST_STRANGE = 3
_STRANGE = (NotUnderstood, CutOff, TooMuch)


@dataclass(frozen=True)
class Asked:
    """How many answers were ``kept`` and how many were ``refused``; how many are ``left`` for the next time. How many
    known ones had ``changed``."""

    kept: int
    refused: int
    left: int
    changed: int


def access() -> models.Cisco | None:
    """The access that an administrator has given, None where there is none, or where the environment says off."""
    row = models.Cisco.objects.order_by("pk").first() if settings.CISCO["api"] else None
    return row if row is not None and row.client_id and row.secret else None


def api_of(row: models.Cisco, now: Callable[[], datetime], sleep: Callable[[float], None]) -> OpenVuln:
    """The API by an access. Raises KeyTrouble."""
    addresses = Addresses(settings.CISCO["token"], settings.CISCO["api"])
    return OpenVuln(addresses, row.client_id, open_(row.secret), Allowance(row, now, sleep), sleep)


def read_cisco(
    row: models.Cisco, now: Callable[[], datetime], sleep: Callable[[float], None], most: int = MOST
) -> Asked:
    """Ask, and keep what is answered. Raises SourceError and KeyTrouble; what was kept before that stays."""
    api = api_of(row, now, sleep)
    changed = _read_changes(api, row, now())
    keys = advisories.due(advisories.wanted(), now())
    refused = strange = 0
    for key in keys[:most]:
        try:
            _ask(api, key, now)
            strange = 0
        except NotTaken as error:
            refused += 1
            advisories.keep_refusal(key, error.cause, now() + advisories.KEEP)
        except _STRANGE as error:
            refused, strange = refused + 1, strange + 1
            advisories.keep_refusal(key, error.cause, now() + AGAIN)
            if strange >= MOST_STRANGE:
                raise
    asked = keys[:most]
    _keep_end(now(), left=len(keys) - len(asked))
    return Asked(len(asked) - refused, refused, len(keys) - len(asked), changed)


def keep_failure(error: str, due: datetime) -> None:
    """Keep why a try failed, and when the next one is due."""
    models.Feed.objects.update_or_create(name=NAME, defaults={"error": error, "due": due})


def _keep_end(now: datetime, left: int) -> None:
    models.Feed.objects.update_or_create(
        name=NAME,
        defaults={
            "address": settings.CISCO["api"],
            "day": now.date(),
            "rows": models.Advisory.objects.count(),
            "read": now,
            "due": now + (SOON if left else EVERY),
            "error": "",
        },
    )


def _read_changes(api: OpenVuln, row: models.Cisco, now: datetime) -> int:
    """Have asked again what was changed since the last time. Returns how many answers that are."""
    today, count = now.date(), 0
    known = row.known_until
    if known is not None and known < today:
        # A day more than needed: it is not told when a day of theirs ends.
        for told in api.changed(max(known, today - advisories.KEEP) - timedelta(days=1), today):
            systems = systems_named(" ".join((told.title, *told.products)))
            count += advisories.keep_change(_row(told, now), systems, now)
    if known is None or known < today:
        _known_until(row, today)
    return count


def _known_until(row: models.Cisco, day: date) -> None:
    models.Cisco.objects.filter(pk=row.pk).update(known_until=day)
    row.known_until = day


def _ask(api: OpenVuln, key: str, now: Callable[[], datetime]) -> None:
    """Raises SourceError."""
    kind, _, of = key.partition(" ")
    if kind == advisories.CVE:
        found = api.of_cve(of)
    elif kind == advisories.ADVISORY:
        found = api.of_id(of)
    else:
        found = api.of_release(*of.split(" ", 1))
    moment = now()
    fixed = {one.advisory: list(one.fixed) for one in found if one.fixed}
    advisories.keep_answer(key, [_row(one, moment) for one in found], fixed, moment)


def _row(told: Advisory, now: datetime) -> models.Advisory:
    return models.Advisory(
        advisory=told.advisory,
        title=told.title,
        cves=list(told.cves),
        sir=told.sir,
        cvss=told.cvss,
        published=told.published,
        updated=told.updated,
        url=told.url,
        read=now,
    )
