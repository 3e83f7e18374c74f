"""What was wrong with rows of a report: where, and what became of it. No cell is quoted."""

from __future__ import annotations

from typing import Any

import polars as pl

from .errors import NotUnderstood

ROW_ERRORS: dict[str, Any] = {
    # The line of the file; null where there are none, as in the answers of an API.
    "line": pl.Int64,
    # As the file calls it.
    "column": pl.String,
    "what": pl.String,
    # Whether the whole row was left out, and not only this value. Such a row has one error.
    "row_left_out": pl.Boolean,
}
# A report of which a larger share of rows has to be left out is not the report that it is taken for.
MOST_LEFT_OUT = 0.05
SHOWN = 100
OF_FILE = "Correct the report, or allow more with --bad-rows."


def no_errors() -> pl.DataFrame:
    """A frame of none."""
    return pl.DataFrame(schema=ROW_ERRORS)


def refuse_too_many(errors: pl.DataFrame, rows: int, most: float = MOST_LEFT_OUT, assistance: str = OF_FILE) -> None:
    """Raises NotUnderstood where more than the share ``most`` of ``rows`` rows is left out. ``assistance`` says what to
    do."""
    left_out = errors.filter("row_left_out")
    if left_out.height > rows * most:
        first = "; ".join(told(left_out, 3))
        raise NotUnderstood(
            f"{left_out.height} of {rows} rows cannot be used, and {most:.0%} are the most: {first}.",
            assistance,
        )


def told(errors: pl.DataFrame, most: int = SHOWN) -> list[str]:
    """The first of them in words, by line."""
    return [
        f"{'' if line is None else f'line {line}, '}{column}: {what}{' (row left out)' if left_out else ''}"
        for line, column, what, left_out in errors.sort("line", nulls_last=True).head(most).iter_rows()
    ]
