"""Guards dates: Halo's seven digits and "not set" are read; ISO 8601 in UTC, at most microseconds, is written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from komand_haloitsm.util.halo.values.dates import format_date, parse_date, parse_http_date

# Halo's text -> what goes out
_READ = {
    "seven digits and Z": ("2024-08-12T15:54:54.2199844Z", "2024-08-12T15:54:54.219984Z"),
    "seven digits without Z": ("2024-08-12T15:54:54.2199844", "2024-08-12T15:54:54.219984Z"),
    "five digits": ("2024-08-12T15:54:55.83952Z", "2024-08-12T15:54:55.83952Z"),
    "twelve digits": ("2024-08-12T15:54:55.123456789012Z", "2024-08-12T15:54:55.123456Z"),
    "one digit": ("2024-08-12T15:54:55.5Z", "2024-08-12T15:54:55.5Z"),
    "zeros only": ("2024-08-12T15:54:55.0000000Z", "2024-08-12T15:54:55Z"),
    "no fraction": ("2024-08-12T15:54:55Z", "2024-08-12T15:54:55Z"),
    "no seconds": ("2024-08-12T15:54Z", "2024-08-12T15:54:00Z"),
    "a day": ("2024-08-12", "2024-08-12T00:00:00Z"),
    "a space between": ("2024-08-12 15:54:55", "2024-08-12T15:54:55Z"),
    "an offset": ("2024-08-12T17:54:55+02:00", "2024-08-12T15:54:55Z"),
    "an offset without a colon": ("2024-08-12T10:24:55-0530", "2024-08-12T15:54:55Z"),
    "an offset of half an hour": ("2024-08-12T21:24:55.25+05:30", "2024-08-12T15:54:55.25Z"),
    "an offset over midnight": ("2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00Z"),
    "a small z": ("2024-08-12T15:54:55z", "2024-08-12T15:54:55Z"),
    "spaces around": (" 2024-08-12T15:54:55Z\n", "2024-08-12T15:54:55Z"),
    "a leap day": ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    "the first year that counts": ("1901-01-01T00:00:00Z", "1901-01-01T00:00:00Z"),
    "the far future": ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
}


@pytest.mark.parametrize("text, out", list(_READ.values()), ids=list(_READ))
def test_a_date_of_halo(text, out):
    moment = parse_date(text)
    assert moment is not None and moment.utcoffset() == timedelta(0)
    assert format_date(moment) == out
    assert parse_date(out) == moment


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00.0000000Z",
        "1899-12-30T00:00:00",
        "1899-12-30T00:00:00Z",
        "1900-01-01T00:00:00",
        "1900-01-01T00:00:00.000Z",
        "1900-01-01",
        "1900-01-01T01:00:00+01:00",
    ],
)
def test_what_stands_for_not_set_is_no_date(text):
    assert parse_date(text) is None


_NONE = {
    "null": None,
    "nothing": "",
    "a word": "yesterday",
    "a number": 1723477200,
    "true": True,
    "a list": ["2024-08-12"],
    "a month that does not exist": "2024-13-01T00:00:00Z",
    "a day that does not exist": "2023-02-29T00:00:00Z",
    "an hour that does not exist": "2024-01-01T25:00:00Z",
    "an American date": "08/12/2024",
    "a date with more behind it": "2024-08-12T15:54:55Z and more",
    "two dates": "2024-08-12/2024-08-13",
    "the first moment, east of Greenwich": "0001-01-01T00:00:00+05:00",
    "the last moment, west of Greenwich": "9999-12-31T23:59:59-05:00",
    "year zero": "0000-01-01T00:00:00Z",
    "five digits of a year": "20240-01-01T00:00:00Z",
    "a timestamp of the old Microsoft form": "/Date(1723477200000)/",
    "a very long text": "2" * 100_000,
}


@pytest.mark.parametrize("value", list(_NONE.values()), ids=list(_NONE))
def test_what_is_no_date_is_none_and_never_raises(value):
    assert parse_date(value) is None


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2024, 1, 2, 3, 4, 5, 678900, tzinfo=timezone.utc),
        datetime(2024, 1, 2, 3, 4, 5, 1, tzinfo=timezone(timedelta(hours=-7))),
        datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=14))),
        datetime(901, 1, 2, tzinfo=timezone.utc),
    ],
    ids=["UTC", "west", "east", "a year of three digits"],
)
def test_what_goes_out_is_utc_with_z_and_at_most_microseconds(moment):
    text = format_date(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text)
    assert datetime.fromisoformat(text) == moment


@pytest.mark.parametrize(
    "header, expected",
    [
        ("Sun, 01 Mar 2026 12:00:00 GMT", datetime(2026, 3, 1, 12, tzinfo=timezone.utc)),
        ("Sun, 01 Mar 2026 12:00:00", datetime(2026, 3, 1, 12, tzinfo=timezone.utc)),
        ("Sun, 01 Mar 2026 12:00:00 +0200", datetime(2026, 3, 1, 10, tzinfo=timezone.utc)),
        ("Sun, 01 Mar 2026 12:00:00 -0000", datetime(2026, 3, 1, 12, tzinfo=timezone.utc)),
        ("", None),
        ("now", None),
        ("17", None),
        ("Sun, 41 Mar 2026 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +9999", None),
    ],
    ids=[
        "GMT",
        "no zone",
        "an offset",
        "an unknown zone",
        "nothing",
        "a word",
        "a number",
        "no such day",
        "no such zone",
    ],
)
def test_a_date_header(header, expected):
    assert parse_http_date(header) == expected


@pytest.mark.parametrize(
    "header",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0500"],
    ids=["a year of twenty digits", "beyond the last year in UTC"],
)
def test_a_date_header_out_of_range_is_none(header):
    assert parse_http_date(header) is None
