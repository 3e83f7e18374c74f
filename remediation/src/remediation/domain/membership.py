"""Which findings a project holds, and under which keys. Pure.

Membership is sticky: what a ticket has told of stays in it, whatever its score, its tags or its owner are now. Only a
lead's own edit takes it out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import compress
from typing import Any

import polars as pl

from .ledger import ALIVE, ENOUGH_MISSES, KEY, State
from .plan import PARENT_KEY, NotDone
from .project import Granularity, Settings
from .snapshot import SEVERITIES
from .ticket import OUT, UNREPORTED, Pair, Ticket, counted
from .variables import READ, Columns

Row = Mapping[str, Any]

# What only some sources or feeds tell.
OPTIONAL: Mapping[str, Any] = {
    "cvss": pl.Float64,
    "risk": pl.Float64,
    "exploits": pl.Int64,
    "epss": pl.Float64,
    "kev": pl.Boolean,
    "kev_due": pl.Date,
}


# The rows of a plan have no such columns: no text and no decision reads them, and moments and lists take long to make.
# A rule of the lead's may name any of them.
UNREAD = frozenset(
    "last_found scan_finished assessed credentials instances covered mac "
    "sites owner_tags location_tags custom_tags listed".split()
)
# The column that tells whether a finding is one of those that a static project was made of, or that people picked for a
# project of single tickets. Where it is not there, the project was made of all that there was.
LISTED = "listed"
# The column with the key of each finding's ticket.
TICKET = "ticket_key"


class Rows:
    """The findings of a project by the keys of tickets.

    Those of a key are made out of the frame when somebody asks for them: rows of all keys at once would take several
    kilobytes for each finding.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        """``frame`` has the column TICKET beside those of the findings."""
        unknown = [pl.lit(None).alias(name) for name in READ if name not in frame.columns]
        ordered = frame.with_columns(unknown).sort(TICKET, *KEY)
        self._keys, self._frame = ordered[TICKET], ordered.drop(TICKET)
        groups = ordered.group_by(TICKET, maintain_order=True).agg(
            pl.len(), pl.col("state").is_in(ALIVE).any().alias("alive")
        )
        ends = groups["len"].cum_sum()
        self._places = dict(zip(groups[TICKET], zip(ends - groups["len"], groups["len"])))
        self.keys: Collection[str] = self._places.keys()
        self.alive = frozenset(groups.filter("alive")[TICKET])
        # A plan asks for the findings of one key several times, and then for those of the next.
        self._columns = lru_cache(maxsize=2)(self._columns_of)
        self.of = lru_cache(maxsize=2)(self._of)

    def _columns_of(self, key: str) -> dict[str, list[Any]]:
        return self._frame.slice(*self._places.get(key, (0, 0))).to_dict(as_series=False)

    def _of(self, key: str) -> list[Row]:
        """The rows of a key, by finding; none of a key that there is none of."""
        columns = self._columns(key)
        return [dict(zip(columns, cells)) for cells in zip(*columns.values())]

    def living(self, key: str) -> list[Row]:
        """The rows of a key that are there, as far as anybody has proved."""
        return [row for row in self.of(key) if row["state"] in ALIVE] if key in self.alive else []

    def living_columns(self, key: str) -> Columns:
        """The same by columns."""
        columns = self._columns(key)
        are_alive = [state in ALIVE for state in columns["state"]]
        return columns if all(are_alive) else {name: list(compress(columns[name], are_alive)) for name in READ}

    def all_living(self) -> Columns:
        """The same of all keys, with their severity."""
        living = self._frame.filter(pl.col("state").is_in(ALIVE))
        return living.select(*READ, "severity").to_dict(as_series=False)

    def states(self) -> dict[str, int]:
        """How many findings are in which state."""
        return dict(self._frame["state"].value_counts().iter_rows())

    def find(self, pair: Pair) -> tuple[str, Row] | None:
        """The key and the row of a finding, wherever it is now."""
        place = self._by_pair.get(pair)
        if place is None:
            return None
        return self._keys[place], self._frame.row(place, named=True)

    @cached_property
    def _by_pair(self) -> dict[Pair, int]:
        return {pair: place for place, pair in enumerate(self._frame.select(KEY).iter_rows())}


def believed(findings: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The findings; where the project says so, those that were long not reported are no longer unconfirmed."""
    frame = findings.with_columns(
        pl.col("severity").fill_null(SEVERITIES[-1]),
        # Without a solution the vulnerability stands for it.
        pl.coalesce("solution", "vulnerability").alias("solution"),
        *(pl.lit(None, kind).alias(name) for name, kind in OPTIONAL.items() if name not in findings.columns),
    )
    if not settings.resolve_unreported or "missed" not in frame.columns:
        return frame
    is_unreported = (pl.col("state") == State.UNCONFIRMED.value) & (pl.col("missed") >= ENOUGH_MISSES)
    state = pl.when(is_unreported.fill_null(False)).then(pl.lit(UNREPORTED)).otherwise("state")
    return frame.with_columns(state.alias("state"))


@dataclass(frozen=True)
class Membership:
    """The findings of a project, as ``believed`` gives them, and its tickets.

    ``taken`` are findings that another project's ticket has, with that ticket's name. ``made`` is when the project was
    made, which matters to a static one. ``detached`` are findings of tickets that a person has detached, with who said
    so: no ticket takes them in by itself.
    """

    settings: Settings
    findings: pl.DataFrame
    tickets: Sequence[Ticket]
    taken: Mapping[Pair, str]
    made: datetime | None = None
    detached: Mapping[Pair, str] = field(default_factory=dict)

    def rows(self) -> Rows:
        """The findings that are in the project, by key."""
        frame = self.findings
        wanted = self.wanted_rows()
        if self.taken:
            wanted = wanted.join(pairs_frame(self.taken), on=KEY, how="anti")
        made = [ticket for ticket in self.tickets if ticket.halo_id is not None]
        # What is in a ticket stays in it, also when nobody would put it there now.
        kept = frame.join(pairs_frame({pair for ticket in made for pair in ticket.told}), on=KEY, how="semi")
        kept = kept.join(wanted, on=KEY, how="anti")
        out = pairs_frame({pair for ticket in made for pair in ticket.out}).with_columns(pl.lit(OUT).alias("taken_out"))
        kept = kept.join(out, on=KEY, how="left").with_columns(pl.coalesce("taken_out", "state").alias("state"))
        kept = kept.drop("taken_out")
        return self._by_key(pl.concat([wanted, kept]))

    def wanted_rows(self) -> pl.DataFrame:
        """The living findings that the project would take in now, if nobody else has them."""
        wanted = self.findings.filter(self.wanted() & pl.col("state").is_in(ALIVE))
        return wanted.join(pairs_frame(self.detached), on=KEY, how="anti") if self.detached else wanted

    def wanted(self) -> pl.Expr:
        """Whether the project would take a finding in now."""
        scope, settings = self.settings.scope, self.settings
        wanted = scope.where() & scope.bad_enough(settings.min_severity)
        if settings.picked:
            return pl.col(LISTED) if LISTED in self.findings.columns else pl.lit(False)
        if settings.static and LISTED in self.findings.columns:
            return wanted & pl.col(LISTED)
        if settings.static and self.made:
            return wanted & (pl.col("first_found") <= self.made).fill_null(True)
        return wanted

    def _by_key(self, rows: pl.DataFrame) -> Rows:
        column = key_column(self.settings)
        key = pl.col(column)
        own = pl.when(key == PARENT_KEY).then(pl.lit(f"{column} {PARENT_KEY}")).otherwise(key)
        frame = rows.with_columns(own.alias(TICKET))
        if self.settings.granularity is Granularity.SOLUTION_OWNER:
            frame = self._with_owner(frame)
        return Rows(frame.drop(UNREAD - {rule.field for rule in self.settings.rules}, strict=False))

    def _with_owner(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same with an owner added to each key: that of the ticket which tells of the finding, else the first."""
        homes = [
            (*pair, ticket.key, place)
            for place, ticket in enumerate(self.tickets)
            if ticket.halo_id is not None
            for pair, state in ticket.told.items()
            if state in ALIVE
        ]
        schema = {**dict.fromkeys((*KEY, "home"), pl.String), "place": pl.Int64}
        # An owner may hold an @ itself.
        at_home = (
            pl.DataFrame(homes, schema=schema, orient="row")
            .join(rows.select(*KEY, TICKET), on=KEY)
            .filter(pl.col("home").str.starts_with(pl.col(TICKET) + "@"))
            .sort("place")
            .unique(KEY, keep="first", maintain_order=True)
        )
        tags = pl.col("owner_tags") if "owner_tags" in rows.columns else pl.lit(None)
        owner = tags.cast(pl.List(pl.String)).list.sort().list.first().fill_null("nobody")
        return (
            rows.join(at_home.select(*KEY, "home"), on=KEY, how="left")
            .with_columns(pl.coalesce("home", pl.concat_str(TICKET, pl.lit("@"), owner)).alias(TICKET))
            .drop("home")
        )

    def left_out(self) -> list[NotDone]:
        """The living findings on the project's assets that are in none of its tickets, by key, and why."""
        settings, scope = self.settings, self.settings.scope
        told = pairs_frame({pair for ticket in self.tickets for pair in ticket.told})
        there = self.findings.filter(scope.where() & pl.col("state").is_in(ALIVE)).join(told, on=KEY, how="anti")
        passes = scope.bad_enough(settings.min_severity)
        below = self._counted(there.filter(~passes), f"below the filter: {{}} {scope.in_words(settings.min_severity)}")
        is_made_of = LISTED in self.findings.columns
        why = "not in the report that it was made of" if is_made_of else "came up after it was made"
        # What nobody has picked is nothing that was left out.
        tells = settings.static and not settings.picked
        others = there.filter(passes & ~self.wanted()) if tells else there.clear()
        late = self._counted(others, f"the project is static: {{}} {why}")
        wanted = there.filter(self.wanted())
        covered = self._named(wanted, self.taken, "covered by {}")
        return [*below, *late, *covered, *self._named(wanted, self.detached, "{}")]

    def _counted(self, rows: pl.DataFrame, reason: str) -> list[NotDone]:
        column = key_column(self.settings)
        counts = rows.group_by(column).len().sort(column)
        return [NotDone(str(key), reason.format(counted(count))) for key, count in counts.iter_rows()]

    def _named(self, rows: pl.DataFrame, by: Mapping[Pair, str], reason: str) -> list[NotDone]:
        """Those of the rows that are in ``by``, told once for each key and value there."""
        if not by:
            return []
        column = key_column(self.settings)
        found = (
            rows.join(pairs_frame(by), on=KEY, how="semi").select(pl.col(column).alias("key"), *KEY).sort("key", *KEY)
        )
        named = sorted({(key, by[asset, vulnerability]) for key, asset, vulnerability in found.iter_rows()})
        return [NotDone(str(key), reason.format(name)) for key, name in named]


def taken_out(findings: pl.DataFrame, settings: Settings, tickets: Sequence[Ticket]) -> dict[str, list[Pair]]:
    """By the name of a ticket: which of the findings that it tells of as there, or as taken out before, are not in the
    project, now that a lead has given it these settings. What merely drifts later is none of this."""
    frame = believed(findings, settings)
    held = Membership(settings, frame, (), {}).wanted()
    outside = set(frame.filter(~held).select(KEY).iter_rows())
    found = {
        ticket.name: sorted(pair for pair, state in ticket.told.items() if state in (*ALIVE, OUT) and pair in outside)
        for ticket in tickets
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def key_column(settings: Settings) -> str:
    """The column whose values are the keys of tickets, perhaps with an owner added."""
    return {
        Granularity.SOLUTION: "solution",
        Granularity.SOLUTION_OWNER: "solution",
        Granularity.ASSET: "asset",
        Granularity.VULNERABILITY: "vulnerability",
    }[settings.granularity]


def pairs_frame(pairs: Collection[Pair]) -> pl.DataFrame:
    """A frame of the keys of findings."""
    return pl.DataFrame(list(zip(*pairs)) or [[], []], schema=dict.fromkeys(KEY, pl.String), orient="col")
