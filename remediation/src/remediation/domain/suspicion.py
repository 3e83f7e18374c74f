"""Whether a snapshot is too odd to be believed. Pure. Suspicious input changes nothing until an approver accepts it."""

from __future__ import annotations

from .snapshot import Snapshot

# Coverage that shrinks by more than this share at once is more likely a scope or a right that was lost.
LARGEST_SHRINKAGE = 0.5


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
    unknown = snapshot.findings.join(snapshot.coverage, on="asset", how="anti")["asset"].n_unique()
    if unknown:
        found.append(f"{unknown} assets have findings and are not in the coverage")
    return found
