"""JSON out of a response's body, with the faster orjson where it is installed."""

from __future__ import annotations

import json
from typing import Any

try:
    from orjson import loads as _fast
except ImportError:
    _fast = None  # type: ignore[assignment]  # the type of a function that is there

_DIGITS_AS_ZERO = bytes(ord("0") if ord("0") <= code <= ord("9") else code for code in range(256))
_LONG_NUMBER = b"0" * 19


def parse_json(body: bytes) -> tuple[Any, bool]:
    """The value in ``body``, and whether there is one."""
    if _fast is not None and not _has_long_number(body):
        try:
            return _fast(body), True
        except ValueError:
            # The standard library accepts more: other encodings, a byte order mark, NaN.
            pass
    try:
        return json.loads(body), True
    except (ValueError, RecursionError):
        return None, False


def _has_long_number(body: bytes) -> bool:
    """Whether a whole number may have more than 64 bits, which orjson would read as a float and so change.

    Digits become zeros first, because finding a fixed run of bytes takes a tenth of the time of any other search.
    """
    return _LONG_NUMBER in body.translate(_DIGITS_AS_ZERO)
