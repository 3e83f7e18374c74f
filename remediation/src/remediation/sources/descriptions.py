"""What a source tells of vulnerabilities in sentences. Pure."""

from __future__ import annotations

import polars as pl

from ..domain.snapshot import DESCRIPTIONS

# Characters.
LONGEST = 20_000


def described(rows: pl.DataFrame) -> pl.DataFrame:
    """The description of each vulnerability that has one: the first in the alphabet, and not all of a very long one."""
    told = rows.select(list(DESCRIPTIONS)).filter(
        pl.col("vulnerability").is_not_null() & pl.col("description").is_not_null()
    )
    texts = told.group_by("vulnerability").agg(pl.col("description").min())
    return texts.with_columns(pl.col("description").str.head(LONGEST)).sort("vulnerability")
