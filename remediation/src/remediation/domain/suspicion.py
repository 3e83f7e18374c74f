"""Whether a snapshot is too odd to be believed. Pure. Suspicious input changes nothing until an approver accepts it."""

from __future__ import annotations

from dataclasses import replace

from .snapshot import Snapshot

# Coverage that shrinks by more than this share at once is more likely a scope or a right that was lost.
LARGEST_SHRINKAGE = 0.5
# Assets that come up while a source is read have findings and no coverage yet. More than this share of the covered
# ones, and so many at least, is more likely coverage that was cut.
LARGEST_NEW = 0.1
FEWEST_NEW = 5


def suspicions(snapshot: Snapshot, covered_before: int) -> list[str]:
    """Why a snapshot is not believed, in words; empty when it is.

    ``covered_before`` is how many assets the source covered before, 0 for a first snapshot: a console at its last
    reading, a series of files by its last full file. No findings with full coverage is good news and not suspicious.
    """
    if not snapshot.proof.is_full:
        return []
    covered = snapshot.coverage["asset"].n_unique()
    found = []
    if covered == 0:
        found.append("the source covers no asset at all")
    elif covered_before and covered < covered_before * (1 - LARGEST_SHRINKAGE):
        found.append(f"coverage shrank from {covered_before} assets to {covered}")
    uncovered = len(_uncovered(snapshot))
    if uncovered >= FEWEST_NEW and uncovered > covered * LARGEST_NEW:
        found.append(f"{uncovered} assets have findings and are not in the coverage")
    return found


def within_coverage(snapshot: Snapshot) -> tuple[Snapshot, list[str]]:
    """The snapshot without the findings of assets that it does not cover, and those assets; the next one has them."""
    uncovered = _uncovered(snapshot) if snapshot.proof.is_full else []
    if not uncovered:
        return snapshot, []
    return replace(snapshot, findings=snapshot.findings.join(snapshot.coverage, on="asset", how="semi")), uncovered


def _uncovered(snapshot: Snapshot) -> list[str]:
    return snapshot.findings.join(snapshot.coverage, on="asset", how="anti")["asset"].unique().sort().to_list()
