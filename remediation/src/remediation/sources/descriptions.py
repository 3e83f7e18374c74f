"""What a source tells of vulnerabilities in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from ..domain.snapshot import DESCRIPTIONS

# Characters.
LONGEST = 20_000


def shortened(rows: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The rows without the end of a text that is longer than LONGEST. What is not long costs nothing."""
    long = [name for name in names if (rows[name].str.len_bytes() > LONGEST).any()]
    return rows.with_columns(pl.col(name).str.head(LONGEST) for name in long)


def described(rows: pl.DataFrame) -> pl.DataFrame:
    """The description of each vulnerability that has one: the first in the alphabet, and not all of a very long one."""
    told = rows.select(list(DESCRIPTIONS)).filter(
        pl.col("vulnerability").is_not_null() & pl.col("description").is_not_null()
    )
    texts = told.group_by("vulnerability").agg(pl.col("description").min())
    return texts.with_columns(pl.col("description").str.head(LONGEST)).sort("vulnerability")
