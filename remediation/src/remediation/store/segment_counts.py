"""Counts what is open in each segment of the network, and keeps the counts of those that pages show first.

``keep_segments`` is part of each count of devices, so that what is kept is true whenever that of devices is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from django.db import connection
from psycopg import sql

from ..domain.snapshot import SEVERITIES
from ..domain.subnets import Subnets
from . import copy

SUBNET = "subnet"
# What assets can be grouped by: the columns of store_asset that hold lists.
LISTS = ("sites", "owner_tags", "location_tags", "criticality_tags", "custom_tags")
USUAL = Subnets()
# Devices of a segment that are named with it.
MOST = 40
# Characters of a name. An index takes no longer one than 2,700 bytes.
LONGEST = 500
# A risk to so many digits behind the point, so that the same assets have the same sum, in whichever order.
_DIGITS = 3
_SCHEMA: dict[str, Any] = {
    "device": pl.Int64,
    "name": pl.String,
    "ip": pl.String,
    **dict.fromkeys(LISTS, pl.List(pl.String)),
    **dict.fromkeys(SEVERITIES, pl.Int64),
    "risk": pl.Float64,
}
_ASSETS = """
SELECT device_id AS device, device.name, {columns}
FROM store_asset AS asset JOIN store_device AS device ON device.id = asset.device_id
"""
SEGMENTS: dict[str, Any] = {
    # SUBNET or one of LISTS.
    "by": pl.String,
    # "" for what is in none.
    "name": pl.String,
    "devices": pl.Int64,
    **dict.fromkeys(SEVERITIES, pl.Int64),
    "risk": pl.Float64,
    # Its first devices, the worst first: JSON, a list of [device, findings in it, severity of the worst or ""].
    "members": pl.String,
}
_GONE = """
DELETE FROM store_segment AS old
WHERE NOT EXISTS (SELECT FROM {} AS new WHERE (new.by, new.name) = (old.by, old.name))
"""
_WRITTEN = """
INSERT INTO store_segment AS old ({columns}) SELECT {columns} FROM {incoming}
ON CONFLICT (by, name) DO UPDATE SET ({values}) = ROW({new})
WHERE ROW({old}) IS DISTINCT FROM ROW({new})
"""


def counted(ways: Sequence[str]) -> pl.DataFrame:
    """The segments by each of the ways, SUBNET or of LISTS, with the columns of SEGMENTS, in no order."""
    assets = _assets(ways)
    parts = []
    for way in ways:
        placed = _placed(way, assets, USUAL)
        whole = (
            summed(placed).join(first_members(placed), on="name").select(pl.lit(way).alias("by"), *list(SEGMENTS)[1:])
        )
        parts.append(whole)
    return pl.concat([pl.DataFrame(schema=SEGMENTS), *parts])


def placed_in(way: str, subnets: Subnets) -> pl.DataFrame:
    """The assets with ``segment``, a row for each segment that an asset is in; for ``summed`` and ``first_members``."""
    return _placed(way, _assets([way]), subnets)


def summed(placed: pl.DataFrame) -> pl.DataFrame:
    """The segments with the columns of SEGMENTS but ``by`` and ``members``, in no order."""
    return placed.group_by(pl.col("segment").alias("name")).agg(
        pl.col("device").n_unique().cast(pl.Int64).alias("devices"),
        *(pl.col(name).sum() for name in SEVERITIES),
        pl.col("risk").sum().round(_DIGITS),
    )


def first_members(placed: pl.DataFrame) -> pl.DataFrame:
    """The columns ``name`` and ``members`` of SEGMENTS."""
    worst = pl.coalesce(pl.when(pl.col(name) > 0).then(pl.lit(name)) for name in SEVERITIES).fill_null("")
    member = pl.format('[{},{},"{}"]', "device", pl.sum_horizontal(SEVERITIES), worst)
    return (
        placed.group_by("segment", "device", "name")
        .agg(pl.col(name).sum() for name in SEVERITIES)
        .sort([*SEVERITIES, "name", "device"], descending=[*(True for _ in SEVERITIES), False, False])
        .group_by(pl.col("segment"), maintain_order=True)
        .head(MOST)
        .group_by("segment", maintain_order=True)
        .agg(member.alias("member"))
        .select(
            pl.col("segment").alias("name"),
            pl.format("[{}]", pl.col("member").list.join(",")).alias("members"),
        )
    )


def keep_segments() -> None:
    """Keep them as they are now: what is the same is not written. To be called in a transaction in which no other one
    counts devices."""
    rows = counted((SUBNET, *LISTS))
    values = [name for name in SEGMENTS if name not in ("by", "name")]
    with connection.cursor() as cursor, copy.Incoming(cursor, "store_segment", rows) as temporary:
        cursor.execute(sql.SQL(_GONE).format(sql.Identifier(temporary)))
        cursor.execute(
            sql.SQL(_WRITTEN).format(
                columns=copy.names(SEGMENTS),
                incoming=sql.Identifier(temporary),
                values=copy.names(values),
                old=copy.listed(sql.Identifier("old", name) for name in values),
                new=copy.listed(sql.Identifier("excluded", name) for name in values),
            )
        )


def _assets(ways: Sequence[str]) -> pl.DataFrame:
    lists = [name for name in LISTS if name in ways]
    told = [*(["ip"] if SUBNET in ways else []), *lists, *SEVERITIES, "risk"]
    columns = ", ".join(f'asset."{name}"' for name in told)
    return copy.select(_ASSETS.format(columns=columns), [], {name: _SCHEMA[name] for name in ("device", "name", *told)})


def _placed(way: str, assets: pl.DataFrame, subnets: Subnets) -> pl.DataFrame:
    if way == SUBNET:
        found = assets.with_columns(subnets.of_each(assets["ip"]).alias("segment"))
    else:
        names = pl.col(way).list.eval(pl.element().str.head(LONGEST)).list.unique()
        found = assets.with_columns(names.alias("segment")).explode("segment", empty_as_null=True, keep_nulls=True)
    return found.with_columns(pl.col("segment").fill_null(""))
