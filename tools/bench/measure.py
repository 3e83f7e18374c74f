"""Samples, medians with their spread, and measuring several things in turn in one run.

In turn (A, B, A, B ...) because a machine's speed drifts: what it does to one side it does to the other. Ratios are
taken block by block, so that their spread says how far they can be trusted.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.bench.report import Table

BLOCKS = 10
COLUMNS = ("what", "median", "middle half", "goal", "met")


@dataclass
class Samples:
    """Seconds of each call, by the wall clock and of this process's CPU time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """The median of something and its first and third quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """From at least one value."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Row:
    """A figure with its unit, and its goal where the project has set one; ``met`` is None without one."""

    what: str
    figure: Figure
    unit: str = ""
    goal: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        """The row of a table."""
        figure = self.figure
        verdict = {True: "yes", False: "NO", None: ""}[self.met]
        spread = f"{shown(figure.low)} .. {shown(figure.high)}" if figure.low != figure.high else ""
        return [self.what, f"{shown(figure.median)} {self.unit}".strip(), spread, self.goal, verdict]


@dataclass
class Result:
    """What a benchmark found, and how it was measured."""

    name: str
    title: str
    method: str
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0

    def table(self) -> Table:
        """For the report."""
        return Table(self.title, COLUMNS, [row.cells() for row in self.rows], self.method)

    def add(self, what: str, value: float | Figure, unit: str = "", goal: str = "", met: bool | None = None) -> None:
        """Add a row; a plain number has no spread."""
        figure = value if isinstance(value, Figure) else Figure(value, value, value)
        self.rows.append(Row(what, figure, unit, goal, met))

    def at_most(self, what: str, value: float | Figure, limit: float, unit: str = "") -> None:
        """Add a row whose goal is an upper limit, to be met by the median as it is shown."""
        median = value.median if isinstance(value, Figure) else value
        self.add(what, value, unit, f"at most {shown(limit)}", round(median, 2) <= limit)

    def at_least(self, what: str, value: float | Figure, limit: float, unit: str = "") -> None:
        """Add a row whose goal is a lower limit."""
        median = value.median if isinstance(value, Figure) else value
        self.add(what, value, unit, f"at least {shown(limit)}", median >= limit)


def shown(value: float) -> str:
    """Three significant digits or more, without exponents."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def interleaved(sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 20) -> dict[str, Samples]:
    """Call each side once in every round, after some calls that do not count; the garbage of one is not the other's."""
    for side in sides.values():
        for _ in range(warm_up):
            side()
    samples = {name: Samples() for name in sides}
    for number in range(rounds):
        if number % max(rounds // BLOCKS, 1) == 0:
            gc.collect()
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            samples[name].cpu.append(time.process_time() - cpu)
            samples[name].wall.append(time.perf_counter() - wall)
    return samples


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """The ratio of the medians, over all samples, with the spread of the same ratio over blocks of the run."""
    size = max(len(ours) // BLOCKS, 1)
    starts = range(0, len(ours) - size + 1, size)
    blocks = [statistics.median(ours[at : at + size]) / statistics.median(theirs[at : at + size]) for at in starts]
    spread = Figure.of(blocks)
    return Figure(statistics.median(ours) / statistics.median(theirs), spread.low, spread.high)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent lie; the nearest that was measured."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def milliseconds(values: Sequence[float]) -> Figure:
    """Seconds as a figure in milliseconds."""
    return Figure.of([value * 1000 for value in values])
