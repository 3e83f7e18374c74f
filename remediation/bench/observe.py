"""Comparing a snapshot with the ledger: ``domain.observe`` against a bare anti-join of the two by polars."""

from __future__ import annotations

from tools.bench.measure import Result

from remediation.domain.ledger import KEY, empty_ledger
from remediation.domain.observe import SCANNED, observe

from .child import Side, Taken, compared, taken
from .findings import snapshot

SIZES = (10_000, 100_000, 1_000_000)
# How many assets were scanned again since the ledger was written: by which share of all.
AGAIN = {"5 % scanned again": 0.05, "all scanned again": 1.0}
_GOAL = 4.0


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((1_000, 10_000), 2) if quick else (SIZES, 5)
    result = Result(
        "observe",
        "Comparing a scan with the ledger",
        "observe() of a snapshot of so many findings, 1 % of them gone, against a ledger of as many, in a fresh "
        f"process, {rounds} times in turn with its floor. The floor is what anybody must do to know what is gone: one "
        "anti-join of the two by polars, on the key of a finding, columns of the key alone. The goal is for the "
        "largest size.",
    )
    for size in sizes:
        sides: dict[str, list[Taken]] = {name: [] for name in (*AGAIN, "floor")}
        for _ in range(rounds):
            for name, share in AGAIN.items():
                sides[name].append(taken("observe", "observed", size, share))
            sides["floor"].append(taken("observe", "anti_joined", size))
        for name in AGAIN:
            compared(result, f"{size:,}, {name}", sides[name], sides["floor"], _GOAL if size == sizes[-1] else None)
    return result


def observed(size: int, share: float) -> Side:
    """``observe`` itself."""
    ledger = observe(snapshot(size), empty_ledger()).delta
    new = snapshot(size, scanned_again=share, without=0.01)
    scanned = new.coverage.select("asset", "scan_started").cast(SCANNED)  # type: ignore[arg-type]
    return lambda: observe(new, ledger, scanned).delta.height


def anti_joined(size: int) -> Side:
    """The floor."""
    before = snapshot(size).findings.select(KEY)
    new = snapshot(size, without=0.01).findings.select(KEY)

    def gone() -> int:
        return before.join(new, on=KEY, how="anti").height

    return gone
