"""Which known findings a report with a filter can say something of. Pure."""

from __future__ import annotations

import re

import polars as pl

from .snapshot import Only


def passing(ledger: pl.DataFrame, only: Only, vulnerabilities: pl.DataFrame, assets: pl.DataFrame) -> pl.DataFrame:
    """The ledger with the column ``passes``: whether each finding passes the filter, by what was known of it before.

    ``vulnerabilities`` has the columns vulnerability, title, severity and family; ``assets`` has asset and sites. What
    is not known passes no filter, so that its absence settles nothing.
    """
    told = vulnerabilities.select("vulnerability", "title", "severity", "family")
    known = ledger.select("asset", "vulnerability").join(told, on="vulnerability", how="left", maintain_order="left")
    known = known.join(assets.select("asset", "sites"), on="asset", how="left", maintain_order="left")
    parts = [pl.lit(True)]
    if only.severities:
        parts.append(pl.col("severity").is_in(only.severities))
    if only.vendors:
        words = "|".join(re.escape(word.lower()) for word in only.vendors)
        parts.append(
            pl.any_horizontal(
                pl.col(name).str.to_lowercase().str.contains(words).fill_null(False) for name in ("family", "title")
            )
        )
    if only.sites:
        wanted = [name.lower() for name in only.sites]
        parts.append(pl.col("sites").list.eval(pl.element().str.to_lowercase().is_in(wanted)).list.any())
    return ledger.with_columns(known.with_columns(pl.all_horizontal(parts).fill_null(False).alias("passes"))["passes"])
