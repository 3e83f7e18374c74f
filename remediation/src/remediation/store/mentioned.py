"""The assets that words mean, by the rules of each source, which are case, aliases and domain suffixes (domain.naming),
and by the names and addresses of the register."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl

from ..domain.naming import host_key
from . import copy, models
from .device_findings import AssetKey
from .registered import assets_named
from .source_naming import naming_of

_NAMED: dict[str, Any] = {"asset": pl.String, "host_name": pl.String, "ip": pl.String, "device": pl.Int64}
_QUERY = """SELECT asset, host_name, ip, device_id AS device FROM store_asset
    WHERE source_id = %s AND (host_name IS NOT NULL OR ip IS NOT NULL) AND device_id IS NOT NULL"""


def mentioned(words: Collection[str]) -> dict[int, set[AssetKey]]:
    """By the number of each device, those of its assets whose host name or address is one of the words."""
    found: dict[int, set[AssetKey]] = {}
    wanted = pl.DataFrame({"word": sorted(words)}, schema={"word": pl.String})
    for source in models.Source.objects.order_by("pk"):
        naming = naming_of(source)
        # A word may be an old name itself, or have a suffix that counts for nothing.
        keys = wanted.select(host_key(pl.col("word"), naming).alias("key")).drop_nulls().to_series()
        rows = copy.select(_QUERY, [source.pk], _NAMED).filter(
            host_key(pl.col("host_name"), naming).is_in(keys.implode())
            | pl.col("ip").str.to_lowercase().is_in(wanted["word"].implode())
        )
        for asset, device in rows.select("asset", "device").iter_rows():
            found.setdefault(device, set()).add((source.pk, asset))
    for device, source_id, asset in assets_named(words):
        found.setdefault(device, set()).add((source_id, asset))
    return found
