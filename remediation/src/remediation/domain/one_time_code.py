"""One-time codes of an authenticator app (TOTP, RFC 6238): six digits, and others every 30 seconds.

A secret is a text in base 32, which is how people type it into an app.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECONDS = 30
DIGITS = 6
# So many periods a clock may be ahead or behind.
TOLERANCE = 1


def secret_of(random: bytes) -> str:
    """The secret that 20 random bytes are."""
    return base64.b32encode(random).decode("ascii")


def app_address(secret: str, name: str) -> str:
    """What an app reads out of a QR code: an otpauth URL, with the name under which it shows the codes."""
    return _codes(secret).get_provisioning_uri(name, "Remediation")


def period_of(secret: str, code: str, now: datetime, after: int) -> int | None:
    """The period whose code this is, in units of 30 seconds since 1970; None where it is that of none.

    Only the present period and those beside it count, and of these only what comes after ``after``.
    """
    codes, present = _codes(secret), int(now.timestamp()) // SECONDS
    for period in range(max(present - TOLERANCE, after + 1), present + TOLERANCE + 1):
        if hmac.compare_digest(codes.generate(period * SECONDS), code.encode()):
            return period
    return None


def _codes(secret: str) -> TOTP:
    # Authenticator apps know SHA-1 only. In an HMAC it is not broken.
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), SECONDS)  # nosec B303
