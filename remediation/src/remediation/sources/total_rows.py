"""Rows of sums in a report, as spreadsheets write them at its end: ``Total,2``. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from .scanner_rows import LINE

_OF = r"(?:\s+(?:of\s+)?(?:rows|records|entries|findings|vulnerabilities|hosts|assets|devices|count|number))?"
_SUM = r"(?:(?:grand|sub)[\s-]*)?(?:totals?|sum|summe|gesamt(?:summe)?|insgesamt)"
# Blanks that may follow one another are of one part only, so that the time is linear in a cell's size, in Python too.
_WORD = rf"(?i)^\s*{_SUM}{_OF}\s*(?:[:=]\s*)?(?:\d+\s*)?$"
_NUMBER = re.compile(r"\s*[\d.,%]+\s*")


def is_sum(cells: Sequence[str]) -> bool:
    """Whether a row that has too few cells is one of sums: a word for a sum, and nothing but numbers behind it."""
    told = [cell for cell in cells if cell.strip()]
    return bool(told) and re.search(_WORD, told[0]) is not None and all(map(_NUMBER.fullmatch, told[1:]))


def without_totals(rows: pl.DataFrame, hosts: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """The rows less those of sums at the end, and how many these are. ``rows`` are text but for LINE, in their order;
    ``hosts`` are the columns that name a machine.

    Such a row begins with a word for a sum, and no cell of it names a machine but by such a word. A machine that is
    called so in any other row is one.
    """
    # To polars, a name like * is a pattern.
    cells = [pl.nth(place) for place, name in enumerate(rows.columns) if name != LINE]
    is_total = rows.select(pl.coalesce(cells).str.contains(_WORD).fill_null(False)).to_series()
    for name in hosts:
        is_total &= rows[name].is_null() | rows[name].str.contains(_WORD)
    others = (~is_total).arg_true()
    end = int(others[-1]) + 1 if others.len() else 0
    if end == rows.height:
        return rows, 0
    machines = {name.lower() for host in hosts for name in rows[host][:end].drop_nulls().unique()}
    called = {name.lower() for host in hosts for name in rows[host][end:].drop_nulls()}
    return (rows, 0) if called & machines else (rows[:end], rows.height - end)
