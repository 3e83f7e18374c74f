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


def counted(ways: Sequence[str], subnets: Subnets = USUAL) -> pl.DataFrame:
    """The segments by each of the ways, SUBNET or of LISTS, with the columns of SEGMENTS, in no order."""
    lists = [name for name in LISTS if name in ways]
    told = [*(["ip"] if SUBNET in ways else []), *lists, *SEVERITIES, "risk"]
    columns = ", ".join(f'asset."{name}"' for name in told)
    assets = copy.select(
        _ASSETS.format(columns=columns), [], {name: _SCHEMA[name] for name in ("device", "name", *told)}
    )
    parts = [_by(way, assets, subnets) for way in ways]
    return pl.concat([pl.DataFrame(schema=SEGMENTS), *parts])


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


def _by(way: str, assets: pl.DataFrame, subnets: Subnets) -> pl.DataFrame:
    if way == SUBNET:
        assets = assets.with_columns(subnets.of_each(assets["ip"]).alias("segment"))
    else:
        names = pl.col(way).list.eval(pl.element().str.head(LONGEST)).list.unique()
        assets = assets.with_columns(names.alias("segment")).explode("segment", empty_as_null=True, keep_nulls=True)
    sums = [*(pl.col(name).sum() for name in SEVERITIES), pl.col("risk").sum()]
    worst = pl.coalesce(pl.when(pl.col(name) > 0).then(pl.lit(name)) for name in SEVERITIES).fill_null("")
    findings = pl.sum_horizontal(SEVERITIES)
    member = pl.format('[{},{},"{}"]', "device", findings, worst)
    return (
        assets.with_columns(pl.col("segment").fill_null(""))
        .group_by("segment", "device", "name")
        .agg(sums)
        .sort([*SEVERITIES, "name", "device"], descending=[*(True for _ in SEVERITIES), False, False])
        .with_columns(member.alias("member"))
        .group_by("segment")
        .agg(pl.len().cast(pl.Int64).alias("devices"), *sums, pl.col("member").head(MOST))
        .select(
            pl.lit(way).alias("by"),
            pl.col("segment").alias("name"),
            "devices",
            *SEVERITIES,
            pl.col("risk").round(_DIGITS),
            pl.format("[{}]", pl.col("member").list.join(",")).alias("members"),
        )
    )
