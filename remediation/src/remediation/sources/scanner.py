"""A scanner as somebody adds it: which of its details fit together, and how they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from ..domain.names import refused
from ..store import models
from ..store.json_keys import change_keys
from ..store.secrets import seal
from ..store.versions import change_version
from .authorities import require_certificates
from .insightvm_cloud import region_url
from .reading import CLOUD, CONSOLE, KINDS, TENABLE

NAMES = {CONSOLE: "InsightVM, a console", CLOUD: "InsightVM, in the cloud", TENABLE: "Tenable Vulnerability Management"}
TENABLE_URL = "https://cloud.tenable.com"


class Unfit(ValueError):
    """A detail that does not fit. ``field`` is the name of the detail; the text is for the person who gave it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Details:
    """``user`` is the access key of Tenable, and empty for the cloud. ``mode`` is sql or rest, for a console.
    ``every``: minutes between two readings, 0 for each round. ``ca``: certificates in PEM form of the authority that
    signed the scanner's; empty where the usual ones are to be trusted."""

    name: str
    kind: str
    url: str
    user: str = ""
    mode: str = "sql"
    every: int = 0
    ca: str = ""

    def settings(self) -> dict[str, Any]:
        """As a source keeps them."""
        return {"url": self.url, "user": self.user, "mode": self.mode, "every": self.every, "ca": self.ca}


def usual_url(kind: str, region: str) -> str:
    """The address of a scanner for which none was given. Raises Unfit."""
    if kind == TENABLE:
        return TENABLE_URL
    if kind != CLOUD:
        raise Unfit("url", "Give the address of the console, as in https://console:3780.")
    if not region:
        raise Unfit("region", "Give the region of the cloud, or its address.")
    try:
        return region_url(region)
    except ValueError as error:
        raise Unfit("region", str(error)) from None


def require_fit(details: Details) -> None:
    """Raises Unfit for the first detail that cannot be."""
    if why := refused(details.name):
        raise Unfit("name", f"This cannot be a name: {why}.")
    if details.kind not in KINDS:
        raise Unfit("kind", f"{details.kind!r} is no kind of scanner that can be read.")
    _refuse_url(details.url)
    if bool(details.user) == (details.kind == CLOUD):
        raise Unfit(
            "user", "A key of InsightVM's cloud has no user." if details.user else "Give its user, or access key."
        )
    require_authority(details.ca)


def require_authority(certificates: str) -> None:
    """Raises Unfit where certificates are given and are none."""
    try:
        if certificates:
            require_certificates(certificates)
    except ValueError as error:
        raise Unfit("ca", str(error)) from None


def store_scanner(
    details: Details, secret: str, known: models.Source | None, *, moved: bool = False, version: int | None = None
) -> models.Source:
    """Store a new scanner, or other details of the one that is ``known``.

    An empty ``secret`` keeps the stored one, which is for the same place and user only. ``moved``: it is the same
    scanner at a new address. ``version`` is the one that the person has seen, where changes of somebody else are not to
    be written over.

    Raises Unfit, ChangedMeanwhile, and KeyTrouble where nothing can be sealed.
    """
    require_fit(details)
    if known is not None and known.kind != details.kind:
        what = "a scanner of another kind" if known.kind in KINDS else "a series of files"
        raise Unfit("name", f"The source {known.name!r} is {what}. Give the scanner another name.")
    require_secret(details, secret, known)
    if known is None:
        try:
            with transaction.atomic():
                return models.Source.objects.create(
                    name=details.name, kind=details.kind, settings=details.settings(), secret=seal(secret)
                )
        except IntegrityError:
            raise Unfit("name", "There is a source of that name already.") from None
    if not moved:
        _refuse_other_scanner(known, details.url)
    # Another key may see what the one before did not.
    forgotten = ["ca_file"] if known.settings.get("user") == details.user else ["ca_file", "since"]
    with transaction.atomic():
        # The stored secret is not written again: it may be sealed anew meanwhile.
        change_version(
            known, known.version if version is None else version, **({"secret": seal(secret)} if secret else {})
        )
        # What readings and other commands have set stays.
        change_keys(known, "settings", details.settings(), without=forgotten)
    return known


def require_secret(details: Details, secret: str, known: models.Source | None) -> None:
    """Raises Unfit where a secret has to be given: for a new scanner, and for another address or user."""
    if secret:
        return
    if known is None:
        raise Unfit("secret", "Give the password or key.")
    if not _is_same_place(known.settings, details):
        raise Unfit(
            "secret",
            "Give the password or key again: the stored one was given for another address or user, and is sent nowhere "
            "else.",
        )


def _is_same_place(settings: Mapping[str, Any], details: Details) -> bool:
    """Whether details name the address and the user that a source's settings have, and no secret that went over HTTPS
    would go in the open."""
    known = str(settings.get("url") or "")
    if not known or (urlsplit(known).scheme == "https" and urlsplit(details.url).scheme != "https"):
        return False
    return _place(known) == _place(details.url) and settings.get("user", "") == details.user


def _refuse_url(url: str) -> None:
    # It is not quoted: people put passwords into addresses, also into such as are none.
    try:
        parts = urlsplit(url)
        if parts.username is not None:
            raise Unfit("url", "The address holds a user. Give user and password apart from it.")
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise Unfit("url", "This is no address of a scanner. Write it as https://console:3780.")
        _place(url)
    except Unfit:
        raise
    except ValueError:
        raise Unfit("url", "The address has a port or host that is none. Write it as https://console:3780.") from None


def _place(url: str) -> tuple[str, int]:
    """Host and port. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return (parts.hostname or "").removesuffix("."), parts.port or (80 if parts.scheme == "http" else 443)


def _refuse_other_scanner(known: models.Source, url: str) -> None:
    """Consoles number their assets from 1: those of another one would be taken for assets that are known."""
    if _place(known.settings["url"]) != _place(url) and known.snapshots.exists():
        raise Unfit(
            "url",
            f"The source {known.name!r} was read from {known.settings['url']}, and what it said is kept. Give another "
            "scanner another name. If it is the same one at a new address, say so.",
        )
