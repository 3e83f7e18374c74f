"""One-time codes: those of RFC 6238, and which of them count when."""

from __future__ import annotations

from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from remediation.domain.one_time_code import app_address, period_of, secret_of

# The secret and the last six digits of the codes for SHA-1 in RFC 6238, appendix B.
SECRET = secret_of(b"12345678901234567890")
NOW = 1_111_111_109  # in the period 37037036, whose code is 081804
PERIOD = 37_037_036


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (NOW, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"), (2_000_000_000, "279037")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert period_of(SECRET, code, at(seconds), after=0) == seconds // 30


@pytest.mark.parametrize(
    ("now", "after", "found"),
    [
        (NOW, PERIOD - 1, PERIOD),
        (NOW, PERIOD, None),
        (NOW, PERIOD + 5, None),
        (NOW + 30, 0, PERIOD),
        (NOW - 30, 0, PERIOD),
        (NOW + 60, 0, None),
        (NOW - 60, 0, None),
    ],
    ids=["now", "used", "an older one", "a slow clock", "a fast clock", "too old", "too early"],
)
def test_a_code_counts_around_its_time_and_once(now: int, after: int, found: int | None) -> None:
    assert period_of(SECRET, "081804", at(now), after) == found


@pytest.mark.parametrize("code", ["", "81804", "0818040", "081805", "٠٨١٨٠٤", "\0"])
def test_what_is_no_code(code: str) -> None:
    assert period_of(SECRET, code, at(NOW), after=0) is None


def test_an_app_is_told_the_secret_and_a_name() -> None:
    parts = urlsplit(app_address(SECRET, "zoë@example"))
    told = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert told["secret"] == [SECRET] and told["issuer"] == ["Remediation"] and told["digits"] == ["6"]
