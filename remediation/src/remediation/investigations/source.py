"""An organisation of InsightIDR as somebody adds it: its details, its settings, and the project that stands for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from ..domain.investigation_settings import InvestigationSettings
from ..domain.names import refused
from ..sources.authorities import file_of
from ..sources.scanner import Unfit, require_authority
from ..store import models
from ..store.json_keys import change_keys
from ..store.projects import create_project
from ..store.secrets import open_, seal
from ..store.versions import change_version
from .insightidr import InsightIdr, base_address

# Minutes between two looks.
USUAL_EVERY = 5
# For who waits at a page, in seconds.
PAGE_LIMITS = {"connect_timeout": 4.0, "read_timeout": 8.0, "longest": 20.0}
_HOW = "how"
# In a source's settings: when each kind of comments was switched on, where it was off before.
SINCE = "since"


@dataclass(frozen=True)
class Details:
    """``url`` is the address of the platform's region. ``every``: minutes between two looks. ``ca``: certificates in
    PEM form of an authority that is to be trusted instead of the usual ones, as a gateway's; empty: the usual ones."""

    name: str
    url: str
    every: int = USUAL_EVERY
    ca: str = ""


def address_of(region: str, url: str) -> str:
    """The address of a region, unless one is given. Raises Unfit."""
    if not region and not url:
        raise Unfit("region", "Give the region of the platform, as us or eu, or its address.")
    try:
        return base_address(url or region)
    except ValueError as error:
        raise Unfit("url" if url else "region", str(error)) from None


def settings_of(source: models.InvestigationSource) -> InvestigationSettings:
    """How its investigations and tickets stand for each other."""
    return InvestigationSettings.from_table(source.settings.get(_HOW) or {})


def client_of(source: models.InvestigationSource, **limits: Any) -> InsightIdr:
    """The client of a source; ``limits`` are InsightIdr's own. Raises KeyTrouble, and IdrError for a key that cannot be
    one."""
    trusted = file_of(source.settings.get("ca", ""))
    return InsightIdr(source.settings["url"], open_(source.secret), ca_file=trusted, **limits)


def store_source(
    details: Details,
    settings: InvestigationSettings,
    secret: str,
    known: models.InvestigationSource | None,
    connection: models.Connection | None = None,
    *,
    version: int | None = None,
    now: Callable[[], datetime] = timezone.now,
) -> models.InvestigationSource:
    """Store a new source whose tickets are made by ``connection``, or other details of the one that is ``known``.

    A new one's project is paused until somebody has seen its first plan. An empty ``secret`` keeps the stored one,
    which is for the same address only. ``version`` is the one that the person has seen.

    Raises Unfit, NotMade, ChangedMeanwhile, and KeyTrouble where nothing can be sealed.
    """
    _require_fit(details)
    require_secret(details, secret, known)
    table = {**_place_of(details), _HOW: settings.to_table()}
    if known is not None:
        if known.settings["url"] != details.url and known.investigations.exists():
            raise Unfit("url", "Investigations of another organisation are another source. Add it under another name.")
        table[SINCE] = {**known.settings.get(SINCE, {}), **_switched_on(settings_of(known), settings, now())}
        with transaction.atomic():
            change_version(
                known,
                known.version if version is None else version,
                **({"secret": seal(secret)} if secret else {}),
            )
            change_keys(known, "settings", table)
        return known
    if connection is None:
        raise Unfit("connection", "Choose the HaloITSM connection of its tickets.")
    if models.InvestigationSource.objects.filter(name=details.name).exists():
        raise Unfit("name", "There is a source of investigations of that name already.")
    with transaction.atomic():
        project = create_project(f"Investigations of {details.name}", connection, None, {"parent": False}, paused=True)
        return models.InvestigationSource.objects.create(
            name=details.name, project=project, settings=table, secret=seal(secret)
        )


def require_secret(details: Details, secret: str, known: models.InvestigationSource | None) -> None:
    """Raises Unfit where a key has to be given: for a new source, and for another address."""
    if not secret and (known is None or known.settings["url"] != details.url):
        raise Unfit("secret", "Give the API key. A stored one is sent to no other address than it was given for.")


def typed(details: Details, secret: str, known: models.InvestigationSource | None) -> models.InvestigationSource:
    """A source that is not stored, with what somebody typed in, to be tried. Raises Unfit like ``require_secret``."""
    require_secret(details, secret, known)
    sealed = seal(secret) if secret or known is None else known.secret
    return models.InvestigationSource(name=details.name, settings=_place_of(details), secret=sealed)


def _switched_on(before: InvestigationSettings, after: InvestigationSettings, now: datetime) -> dict[str, str]:
    """The kinds of comments that are carried from now on, with this moment."""
    kinds = ("comments", "comments_back")
    return {kind: now.isoformat() for kind in kinds if getattr(after, kind) and not getattr(before, kind)}


def _place_of(details: Details) -> dict[str, Any]:
    return {"url": details.url, "every": details.every, "ca": details.ca}


def _require_fit(details: Details) -> None:
    if why := refused(details.name):
        raise Unfit("name", f"This cannot be a name: {why}.")
    address_of("", details.url)
    if details.every < 1:
        raise Unfit("every", "A look every minute is the most that there is.")
    require_authority(details.ca)
