"""The list of devices, with how many findings are open on each."""

from __future__ import annotations

from ...domain.snapshot import SEVERITIES
from ...store.listing import Column, Filter, Listing

# Worst first: any critical one before all high ones, and so on.
_WORST = "(device.critical::float8 * 1e12 + device.high::float8 * 1e8 + device.medium::float8 * 1e4 + device.low)"
_ASSETS = "(SELECT {} FROM store_asset AS asset WHERE asset.device_id = device.id)"

DEVICES = Listing(
    name="devices",
    rows="store_device AS device",
    key="device.id",
    columns=(
        Column("name", "Device", "device.name", order='lower(device.name) COLLATE "C"', order_type="text"),
        Column(
            "worst",
            "Open findings",
            "device.critical + device.high + device.medium + device.low + device.none",
            "counts",
            _WORST,
        ),
        *(
            Column(name, name.capitalize(), f"device.{name}", "number", f"device.{name}", "int", False)
            for name in SEVERITIES
        ),
        Column(
            "ips",
            "Addresses",
            _ASSETS.format("array_agg(DISTINCT asset.ip) FILTER (WHERE asset.ip IS NOT NULL)"),
            "texts",
        ),
        Column("os", "System", _ASSETS.format("max(asset.os)")),
        Column(
            "owners",
            "Owner",
            "(SELECT array_agg(DISTINCT tag) FROM store_asset AS asset, unnest(asset.owner_tags) AS tag WHERE asset.device_id = device.id)",
            "texts",
        ),
        Column(
            "sources",
            "Sources",
            "(SELECT array_agg(DISTINCT source.name) FROM store_asset AS asset JOIN store_source AS source ON source.id = asset.source_id WHERE asset.device_id = device.id)",
            "texts",
        ),
        Column(
            "assessed", "Last scan", "device.assessed", "time", "coalesce(device.assessed, '-infinity')", "timestamptz"
        ),
    ),
    filters=(
        Filter(
            "name",
            "Name or address",
            "device.name ILIKE '%%' || %(name)s || '%%' OR EXISTS (SELECT FROM store_asset AS asset WHERE asset.device_id = device.id AND (asset.ip = %(name)s OR asset.host_name ILIKE '%%' || %(name)s || '%%'))",
        ),
        Filter(
            "severity",
            "Has",
            " OR ".join(f"('{name}' = ANY(%(severity)s) AND device.{name} > 0)" for name in SEVERITIES),
            "choices",
            [(name, name.capitalize()) for name in SEVERITIES],
        ),
        Filter(
            "tag",
            "Site, owner or tag",
            "EXISTS (SELECT FROM store_asset AS asset WHERE asset.device_id = device.id AND %(tag)s = ANY(asset.sites || asset.owner_tags || asset.location_tags || asset.criticality_tags || asset.custom_tags))",
        ),
    ),
    order="-worst",
)
