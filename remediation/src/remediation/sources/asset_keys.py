"""Which asset each row of a report is of. Pure. One machine has one key, however a row spells what names it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import polars as pl

from ..domain.devices import names_one, of_one_adapter
from ..domain.naming import Naming, host_key, is_address

_UUID = r"(?i)^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})\}?$"
# In the order in which they count.
_KEYS = ("asset_id", "host_key", "mac_key", "address")
_IS_MAC = pl.col("mac").str.contains("^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$")


def with_assets(rows: pl.DataFrame, naming: Naming, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """The rows with the column asset: the source's own id, else the host name, else the MAC address, else the address.

    ``rows`` has columns of SCANNER_ROWS, and ``address``, which is the address also where it stands for a name. What
    only some rows tell counts for others of the same host name, or else the same MAC address, or else the same address
    in the same sites, where it is the only one there. A name or MAC address that many machines have names none. The
    first of several addresses in a cell counts, and UUIDs, MAC addresses and IPv6 addresses are spelt in one way.

    ``known`` are the assets of earlier reports, with asset, host_name and mac: a machine keeps the key that it has,
    where a report has fewer columns or more of them than the one before. An address is no reason to take two for one.
    """
    frame = _spelt_alike(rows, naming)
    stored = frame.clear() if known is None else _spelt_alike(_with_ids(known, naming, rows.schema), naming)
    # Where no row lacks an id that is known, a million rows need not be joined.
    if frame["asset_id"].null_count() and stored["asset_id"].null_count() < stored.height:
        frame = pl.concat([frame, stored.select(frame.columns)])
    for place, key in enumerate(_KEYS):
        for by in _KEYS[place + 1 :]:
            frame = _filled(frame, key, by, _KEYS[place + 1 : _KEYS.index(by)])
    named = frame.head(rows.height).with_columns(pl.coalesce(*_KEYS, "mac").alias("asset"))
    return (named if known is None else _kept(named, known)).drop("host_key", "mac_key")


def _spelt_alike(rows: pl.DataFrame, naming: Naming) -> pl.DataFrame:
    """The rows with the columns of _KEYS."""
    frame = rows.with_columns(
        pl.coalesce(pl.col("asset_id").str.extract(_UUID).str.to_lowercase(), "asset_id").alias("asset_id"),
        _host().alias("host_name"),
        _mac().alias("mac"),
        *(_first(pl.col(name)).alias(name) for name in ("ip", "address")),
    )
    host = host_key(pl.col("host_name"), naming)
    frame = frame.with_columns(
        pl.when(names_one(host)).then(host).alias("host_key"),
        # What is no MAC address stands there for something, and may be another scanner's id of the machine.
        pl.when(~_IS_MAC | of_one_adapter(pl.col("mac")).is_not_null()).then("mac").alias("mac_key"),
    )
    for name in ("ip", "address"):
        frame = _with_one_spelling(frame, name)
    return frame


def _with_ids(known: pl.DataFrame, naming: Naming, schema: pl.Schema) -> pl.DataFrame:
    """Known assets as rows of a schema: with an id where the asset's key is none of its names."""
    names = (host_key(pl.col("host_name")), host_key(pl.col("host_name"), naming), pl.col("mac"), pl.col("ip"))
    is_name = pl.any_horizontal((pl.col("asset") == name).fill_null(False) for name in names)
    told = {"asset_id": pl.when(~is_name).then("asset"), "host_name": pl.col("host_name"), "mac": pl.col("mac")}
    return known.select(told.get(name, pl.lit(None, kind)).alias(name) for name, kind in schema.items())


def _kept(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows with the host name for the asset, where that was its key before anything told its id."""
    before = known.select(pl.col("asset").alias("host_key"))
    ids = rows.select("asset_id", "host_key").drop_nulls().unique()
    only = ids.filter(~pl.col("host_key").is_duplicated() & ~pl.col("asset_id").is_in(known["asset"].implode()))
    kept = only.join(before, on="host_key").select("asset_id", pl.col("host_key").alias("kept"))
    if kept.is_empty():
        return rows
    joined = rows.join(kept.unique("asset_id"), on="asset_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("kept", "asset").alias("asset")).drop("kept")


def _filled(frame: pl.DataFrame, key: str, by: str, before: tuple[str, ...]) -> pl.DataFrame:
    """The rows with ``key`` where other rows of the same ``by`` tell one; not where one of the keys ``before`` is told,
    which are better than ``by``. An address may be given in several sites."""
    if not 0 < frame[key].null_count() < frame.height:
        return frame
    on = [by, "sites"] if by == "address" else [by]
    known = frame.select(*on, pl.col(key).alias("elsewhere")).drop_nulls([by, "elsewhere"]).unique()
    only = known.filter(~pl.struct(on).is_duplicated())
    joined = frame.join(only, on=on, how="left", nulls_equal=True, maintain_order="left")
    is_best = pl.all_horizontal(pl.lit(True), *(pl.col(name).is_null() for name in before))
    return joined.with_columns(pl.coalesce(key, pl.when(is_best).then("elsewhere")).alias(key)).drop("elsewhere")


def _first(column: pl.Expr) -> pl.Expr:
    """The first of several addresses in one cell."""
    return column.str.extract(r"^[\s,;]*([^\s,;]+)").str.to_lowercase()


def _mac() -> pl.Expr:
    """Twelve digits in pairs; what has another number of digits stays as it is."""
    one, first = pl.col("mac"), _first(pl.col("mac"))
    digits = pl.coalesce(
        text.str.replace_all(r"[-:.\s]", "").str.extract(r"^([0-9a-fA-F]{12})$") for text in (one, first)
    )
    return pl.coalesce(digits.str.to_lowercase().str.replace(r"^(..)(..)(..)(..)(..)(..)$", "$1:$2:$3:$4:$5:$6"), first)


def _host() -> pl.Expr:
    """Without a Windows domain before it."""
    name = pl.col("host_name").str.replace(r"^.*\\", "").str.strip_suffix(".").replace("", None)
    return pl.when(~is_address(pl.col("host_name"))).then(name)


def _with_one_spelling(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    told = frame[column].drop_nulls().unique()
    spelt = {text: _spelt(text) for text in told.filter(told.str.contains(":", literal=True))}
    return frame.with_columns(pl.col(column).replace(spelt)) if spelt else frame


def _spelt(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
