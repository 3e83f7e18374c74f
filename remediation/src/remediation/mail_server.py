"""The server by which the service sends mail, as the environment names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_OWN = ("localhost", "127.0.0.1", "::1")
_AS_A_URL = (
    "Write it as smtp://user:password@host:587, as smtps://user:password@host:465 or as smtp+plain://host:25, and in "
    "the password %40 for @, %2F for /, %3A for :, %23 for #, %3F for ? and %25 for %."
)


@dataclass(frozen=True)
class MailServer:
    """``way`` is smtp (by STARTTLS, never without), smtps (TLS from the beginning) or smtp+plain (in the open).

    ``sender`` is the address in From, with or without a name before it, and ``sender_address`` the address alone.
    """

    way: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str
    sender_address: str

    @property
    def domain(self) -> str:
        """The sender's own, which Message-IDs end with."""
        return self.sender_address.rpartition("@")[2]

    def __str__(self) -> str:
        return f"{self.way}://{self.host}:{self.port}"


def from_environment(variables: Mapping[str, str]) -> MailServer | None:
    """The server; None where neither REMEDIATION_MAIL nor REMEDIATION_MAIL_FILE is set.

    Raises ImproperlyConfigured. It quotes nothing of the address: a part of the password may stand anywhere in it.
    """
    address, file = (variables.get(name, "").strip() for name in ("REMEDIATION_MAIL", "REMEDIATION_MAIL_FILE"))
    sender = variables.get("REMEDIATION_MAIL_FROM", "").strip()
    if not address and not file:
        return None
    if address and file:
        raise ImproperlyConfigured("Set either REMEDIATION_MAIL or REMEDIATION_MAIL_FILE.")
    parts = _parts(address or _text_of(file))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    host = parts.hostname or ""
    if password and parts.scheme == "smtp+plain" and host not in _OWN:
        raise ImproperlyConfigured(
            "REMEDIATION_MAIL would send a password in the open. Use smtp:// or smtps://, or no password."
        )
    if not (user + password).isascii():
        raise ImproperlyConfigured("User and password in REMEDIATION_MAIL have to be of ASCII characters.")
    port = parts.port or _PORTS[parts.scheme]
    return MailServer(parts.scheme, host, port, user, password, sender, _address_in(sender))


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ImproperlyConfigured(f"REMEDIATION_MAIL cannot be understood. {_AS_A_URL}") from None
    is_whole = is_whole and parts.path in ("", "/") and not parts.query and not parts.fragment
    if not is_whole or parts.netloc.count("@") > 1 or not address.isprintable():
        raise ImproperlyConfigured(f"REMEDIATION_MAIL cannot be understood. {_AS_A_URL}")
    if bool(parts.username) is not bool(parts.password):
        raise ImproperlyConfigured(f"REMEDIATION_MAIL needs both a user and a password, or neither. {_AS_A_URL}")
    return parts


def _address_in(sender: str) -> str:
    address = parseaddr(sender)[1]
    try:
        if not sender.isprintable() or not address.isascii():
            raise ValidationError("")
        validate_email(address)
    except ValidationError:
        raise ImproperlyConfigured(
            "REMEDIATION_MAIL is set, and REMEDIATION_MAIL_FROM is no address. Write it as alerts@example.com, or as "
            "Remediation <alerts@example.com>."
        ) from None
    return address


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ImproperlyConfigured(f"REMEDIATION_MAIL_FILE cannot be read: {reason}.") from None
