"""What is open in each part of the network: by subnet, by site, or by a kind of tag.

It groups what the sources tell of addresses, sites and tags. It knows nothing of which machine can reach which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ..domain.snapshot import SEVERITIES
from ..domain.subnets import Subnets
from . import copy

SUBNET = "subnet"
# What assets can be grouped by: the columns of store_asset that hold lists.
LISTS = ("sites", "owner_tags", "location_tags", "criticality_tags", "custom_tags")
_SCHEMA: dict[str, Any] = {
    "device": pl.Int64,
    "name": pl.String,
    "ip": pl.String,
    **dict.fromkeys(SEVERITIES, pl.Int64),
    "risk": pl.Float64,
}
_ASSETS = """
SELECT device_id AS device, device.name, ip, {group}asset.critical, asset.high, asset.medium, asset.low, asset.none,
       asset.risk
FROM store_asset AS asset JOIN store_device AS device ON device.id = asset.device_id
"""


@dataclass(frozen=True)
class Member:
    """A device, as far as it is in a segment: how many of its findings are there and the worst of their severities, ""
    where nothing is open."""

    device: int
    name: str
    findings: int
    worst: str


@dataclass(frozen=True)
class Segment:
    """``name`` is "" for what is in none. ``counts`` are its findings by severity, ``risk`` is the sum of what the
    sources say. ``members`` are its devices, the worst first."""

    name: str
    counts: dict[str, int]
    risk: float
    members: Sequence[Member]

    @property
    def findings(self) -> int:
        """How many are open."""
        return sum(self.counts.values())


def segments(by: str, subnets: Subnets = Subnets()) -> list[Segment]:
    """The segments, those with the most risk first. ``by`` is SUBNET or one of LISTS. An asset of two sites or tags
    is in both; a device with two addresses in the network of each."""
    group = "" if by == SUBNET else f'asset."{by}" AS segment, '
    schema = _SCHEMA if by == SUBNET else {**_SCHEMA, "segment": pl.List(pl.String)}
    order = [name for name in ("device", "name", "ip", "segment", *SEVERITIES, "risk") if name in schema]
    assets = copy.select(_ASSETS.format(group=group), [], {name: schema[name] for name in order})
    if by == SUBNET:
        known = {ip: subnets.of(ip) for ip in assets["ip"].drop_nulls().unique()}
        network = pl.col("ip").replace_strict(known, default=None, return_dtype=pl.String)
        assets = assets.with_columns(network.alias("segment"))
    else:
        assets = assets.explode("segment", empty_as_null=True, keep_nulls=True)
    sums = [*(pl.col(name).sum() for name in SEVERITIES), pl.col("risk").sum()]
    members = (
        assets.with_columns(pl.col("segment").fill_null(""))
        .group_by("segment", "device", "name")
        .agg(sums)
        .sort([*SEVERITIES, "name", "device"], descending=[*(True for _ in SEVERITIES), False, False])
    )
    found = [_segment(str(name), part) for (name,), part in members.group_by("segment", maintain_order=True)]
    return sorted(found, key=lambda one: (-one.risk, [-one.counts[name] for name in SEVERITIES], one.name))


def _segment(name: str, rows: pl.DataFrame) -> Segment:
    counts = {severity: int(rows[severity].sum()) for severity in SEVERITIES}
    return Segment(name, counts, float(rows["risk"].sum()), [_member(row) for row in rows.iter_rows(named=True)])


def _member(row: dict[str, Any]) -> Member:
    worst = next((severity for severity in SEVERITIES if row[severity]), "")
    return Member(row["device"], row["name"], sum(row[severity] for severity in SEVERITIES), worst)
