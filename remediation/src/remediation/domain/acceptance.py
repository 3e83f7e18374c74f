"""Risks that somebody has accepted, and the findings that they except. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from .ledger import ALIVE, KEY, State
from .ticket import Pair


@dataclass(frozen=True)
class Acceptance:
    """What is accepted: the findings that have all of what is given. At least one is given.

    It holds up to and on the day ``expires``.
    """

    expires: date
    asset: str | None = None
    solution: str | None = None
    vulnerability: str | None = None

    def __post_init__(self) -> None:
        if not (self.asset or self.solution or self.vulnerability):
            raise ValueError("An acceptance names an asset, a solution or a vulnerability.")


def excepted(findings: pl.DataFrame, acceptances: Sequence[Acceptance], today: date) -> pl.DataFrame:
    """The findings, with those that are there and accepted today as excepted.

    ``findings`` has the columns asset, vulnerability, solution and state. A finding without a solution is accepted by
    its vulnerability, which stands for it.
    """
    covers = [_covers(one) for one in acceptances if one.expires >= today]
    if not covers:
        return findings
    accepted = pl.col("state").is_in(ALIVE) & pl.any_horizontal(covers)
    return findings.with_columns(pl.when(accepted).then(pl.lit(State.EXCEPTED.value)).otherwise("state").alias("state"))


def covered(findings: pl.DataFrame, acceptance: Acceptance) -> list[Pair]:
    """The findings that are there and that an acceptance covers, whether or not it holds. Columns: see ``excepted``."""
    rows = findings.filter(pl.col("state").is_in(ALIVE) & _covers(acceptance))
    return list(rows.select(KEY).iter_rows())


def _covers(acceptance: Acceptance) -> pl.Expr:
    given = {
        "asset": (pl.col("asset"), acceptance.asset),
        "solution": (pl.coalesce("solution", "vulnerability"), acceptance.solution),
        "vulnerability": (pl.col("vulnerability"), acceptance.vulnerability),
    }
    return pl.all_horizontal(column == value for column, value in given.values() if value)
