"""What the answers of all scanners have in common: a body that is bounded, a JSON object, a Date, a Retry-After."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from .errors import NotUnderstood, SourceError, TooMuch

# Seconds before a request is sent again. Rapid7's own plugin waits as long.
PAUSES = (5.0, 15.0, 30.0)
LATER = "The next run tries again."
# By status: the error, what happened and what to do. The first may hold {path}, which is what was asked for.
Meanings = Mapping[int, tuple[type[SourceError], str, str]]

# The most bytes of a JSON answer, and how long one may take to come in. An asset with its software has some 100 KB.
LARGEST_ANSWER = 64 << 20
LONGEST_ANSWER = 900.0
BLOCK = 1 << 16


def whole(response: requests.Response, largest: int | None = None) -> bytes:
    """The body of an answer, of at most so many bytes, LARGEST_ANSWER where it is not told. Raises TooMuch."""
    largest = LARGEST_ANSWER if largest is None else largest
    end = time.monotonic() + LONGEST_ANSWER
    content = bytearray()
    with response:
        # One read of the network at a time, so that an answer that drips is noticed.
        while block := response.raw.read1(BLOCK, decode_content=True):
            content += block
            if len(content) > largest or time.monotonic() > end:
                raise TooMuch(
                    f"An answer has more than {largest >> 20} MiB, or takes more than {LONGEST_ANSWER:.0f} seconds.",
                    "Check the address, and whether what answers there has too much to do.",
                )
    return bytes(content)


def json_object(content: bytes, of: str) -> dict[str, Any]:
    """The JSON object that a body is. Raises NotUnderstood, which names whose the address should be: ``of``."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise NotUnderstood("The answer is no JSON object.", f"Check that the address is {of}.")
    return answer


def skew_of(date: str) -> float | None:
    """By how many seconds the clock of a Date header is ahead of ours, to a second; None where it tells none."""
    now = datetime.now(timezone.utc)
    try:
        return (parsedate_to_datetime(date).astimezone(timezone.utc) - now).total_seconds()
    except (ValueError, OverflowError):
        return None


def time_of(date: str) -> datetime:
    """When, by a Date header; by our clock where it tells none."""
    try:
        return parsedate_to_datetime(date).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return datetime.now(timezone.utc)


def pause_told(response: requests.Response) -> float | None:
    """The seconds that the header Retry-After tells, as a number or as a time; None where it tells none."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    except ValueError:
        pass
    try:
        date = response.headers.get("Date", "")
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, OverflowError, TypeError):
        return None
