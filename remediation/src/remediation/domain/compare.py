"""What two snapshots of one source say differently. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from .ledger import KEY
from .snapshot import SEVERITIES, Snapshot

# What makes a finding another one to a reader. Not the risk, which grows from day to day by itself, nor when it was
# last seen.
COMPARED = ("severity", "cvss", "exploits", "solution", "instances", "reintroduced")
SHOWN = [*KEY, "title", "severity", "solution"]


@dataclass(frozen=True)
class Comparison:
    """Findings, each once, in the order of asset and vulnerability. Columns: asset, vulnerability, title, severity,
    solution, as the later snapshot that has the finding says.

    ``went`` has ``covered`` as well: whether the later snapshot covers the asset, so that the finding may be gone and
    not only unseen. ``changed`` has ``changes``: names out of COMPARED.
    """

    came: pl.DataFrame
    went: pl.DataFrame
    changed: pl.DataFrame

    def counts(self) -> dict[str, dict[str, int]]:
        """How many of each severity came, went and changed."""
        return {name: _by_severity(getattr(self, name)) for name in ("came", "went", "changed")}


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """What ``after`` says that ``before`` does not, and the other way round."""
    old, new = _once(before.findings), _once(after.findings)
    covered = after.coverage.select("asset").unique().with_columns(pl.lit(True).alias("covered"))
    went = old.join(new, on=KEY, how="anti").select(SHOWN).join(covered, on="asset", how="left")
    return Comparison(
        came=new.join(old, on=KEY, how="anti").select(SHOWN).sort(KEY),
        went=went.with_columns(pl.col("covered").fill_null(False)).sort(KEY),
        changed=_changed(old, new),
    )


def _changed(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    both = new.join(old.select(*KEY, *COMPARED), on=KEY, how="inner", suffix="_before")
    differing = [pl.when(pl.col(name).ne_missing(pl.col(f"{name}_before"))).then(pl.lit(name)) for name in COMPARED]
    changes = pl.concat_list(differing).list.drop_nulls().alias("changes")
    return both.select(*SHOWN, changes).filter(pl.col("changes").list.len() > 0).sort(KEY)


def _once(findings: pl.DataFrame) -> pl.DataFrame:
    """Each finding once, whatever the order of the rows: the first by what is compared."""
    by = [*KEY, *COMPARED]
    return findings.select(*by, "title").sort([*by, "title"], nulls_last=True).unique(KEY, keep="first")


def _by_severity(findings: pl.DataFrame) -> dict[str, int]:
    counted = dict(findings["severity"].fill_null("none").value_counts().iter_rows())
    return {name: int(counted.get(name, 0)) for name in SEVERITIES}
