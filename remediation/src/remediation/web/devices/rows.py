"""The list of devices, with how many findings are open on each."""

from __future__ import annotations

from ...domain.snapshot import SEVERITIES
from ...store.listing import Column, Filter, Listing

# Worst first: any critical one before all high ones, and so on.
_WORST = "(device.critical::float8 * 1e12 + device.high::float8 * 1e8 + device.medium::float8 * 1e4 + device.low)"
_SOURCE = "JOIN store_source AS source ON source.id = asset.source_id"
# The expressions are those of the indexes.
_NAMED = """device.id IN (
    SELECT id FROM store_device WHERE to_tsvector('simple'::regconfig, COALESCE(name, '')) @@ to_tsquery('simple', %(name)s)
    UNION ALL
    SELECT device_id FROM store_asset
    WHERE to_tsvector('simple'::regconfig, COALESCE(host_name, '') || ' ' || COALESCE(ip, ''))
        @@ to_tsquery('simple', %(name)s)
)"""
_TAGGED = """device.id IN (
    SELECT device_id FROM store_asset
    WHERE (sites || owner_tags || location_tags || criticality_tags || custom_tags) @> ARRAY[%(tag)s]
)"""
_HAS = " OR ".join(f"('{name}' = ANY(%(severity)s) AND device.{name} > 0)" for name in SEVERITIES)
_OPEN = " + ".join(f"device.{name}" for name in SEVERITIES)


def _of_assets(aggregate: str, more: str = "") -> str:
    """Something of all assets of a device."""
    return f"(SELECT {aggregate} FROM store_asset AS asset {more} WHERE asset.device_id = device.id)"  # nosec B608


# Shown, because by these the list is in its order at first.
_SHOWN = SEVERITIES[:2]


def _number(name: str) -> Column:
    return Column(name, name.capitalize(), f"device.{name}", "number", f"device.{name}", "int", name in _SHOWN)


DEVICES = Listing(
    name="devices",
    rows="store_device AS device",
    key="device.id",
    columns=(
        Column("name", "Device", "device.name", order='lower(device.name) COLLATE "C"', order_type="text"),
        Column("worst", "Open findings, worst first", _OPEN, "number", _WORST),
        *map(_number, SEVERITIES),
        Column("ips", "Addresses", _of_assets("array_agg(DISTINCT ip) FILTER (WHERE ip IS NOT NULL)"), "texts"),
        Column("os", "System", _of_assets("max(os)")),
        Column("owners", "Owner", _of_assets("array_agg(DISTINCT tag)", ", unnest(asset.owner_tags) AS tag"), "texts"),
        Column("sources", "Sources", _of_assets("array_agg(DISTINCT source.name)", _SOURCE), "texts"),
        Column(
            "assessed", "Last scan", "device.assessed", "time", "coalesce(device.assessed, '-infinity')", "timestamptz"
        ),
    ),
    filters=(
        Filter("name", "Name or address", _NAMED, "words"),
        Filter("severity", "Has", _HAS, "choices", [(name, name.capitalize()) for name in SEVERITIES]),
        Filter("tag", "Site, owner or tag", _TAGGED),
    ),
    order="-worst",
)
