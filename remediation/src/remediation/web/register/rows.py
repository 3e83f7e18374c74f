"""The lists of the register: its own devices, and those of scans that it does not know."""

from __future__ import annotations

from ...domain.snapshot import SEVERITIES
from ...store.listing import Column, Filter, Listing
from ..devices.rows import DEVICES
from ..listing.choices import YES_NO

_LINKED = "store_registereddevice_devices AS linked"
_OF_ENTRY = f"""FROM {_LINKED} JOIN store_device AS device ON device.id = linked.device_id
    WHERE linked.registereddevice_id = entry.id"""
SEEN = f"EXISTS (SELECT FROM {_LINKED} WHERE linked.registereddevice_id = entry.id)"  # nosec B608: constants
UNKNOWN = f"NOT EXISTS (SELECT FROM {_LINKED} WHERE linked.device_id = device.id)"  # nosec B608: constants
_OPEN = " + ".join(f"device.{name}" for name in SEVERITIES)

REGISTER = Listing(
    name="register",
    rows="store_registereddevice AS entry",
    key="entry.id",
    columns=(
        Column("name", "Device", "entry.name", order="entry.key", order_type="text"),
        Column("aliases", "Other names", "entry.aliases", "texts"),
        Column("addresses", "Addresses", "entry.addresses", "texts"),
        Column("owner", "Owner", "entry.owner", order='lower(entry.owner) COLLATE "C"', order_type="text"),
        Column("site", "Site", "entry.site"),
        Column("criticality", "Criticality", "entry.criticality"),
        Column("devices", "In scans", f"(SELECT array_agg(device.name ORDER BY device.name) {_OF_ENTRY})", "texts"),
        Column("open", "Open findings", f"(SELECT sum({_OPEN})::bigint {_OF_ENTRY})", "number"),
        Column("device", "Number of the device", f"(SELECT min(device.id) {_OF_ENTRY})", shown=False),
    ),
    filters=(
        Filter(
            "words",
            "Name, other name or address",
            "strpos(array_to_string(keys || addresses, ' '), lower(%(words)s)) > 0",
        ),
        Filter("owner", "Owner", "lower(entry.owner) = lower(%(owner)s)"),
        Filter("seen", "Seen by a scan", f"{SEEN} = (%(seen)s = 'yes')", "choice", YES_NO),
    ),
    order="name",
)
UNKNOWN_DEVICES = Listing(
    name="devices that the register does not know",
    rows=f"store_device AS device WHERE {UNKNOWN}",
    key="device.id",
    columns=DEVICES.columns,
    filters=DEVICES.filters,
    order=DEVICES.order,
)
