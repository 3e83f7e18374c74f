"""Which assets of all sources are one machine. Pure.

Assets are one device where they have the same host name or the same MAC address, and what is one with a third is one
with each other. The rules by which a source names its machines (``naming``) only ever join: they give an asset a second
name. An IP address joins nothing, because addresses are given to other machines. What a person put together
by hand stays so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import count

import polars as pl

from .naming import host_key

ASSETS: dict[str, pl.DataType | type[pl.DataType]] = {
    # The number of the source, and the source's own id of the asset: together the key of a row.
    "source": pl.Int64,
    "asset": pl.String,
    "host_name": pl.String,
    # Its host name by the rules of its source; null where those say nothing.
    "known_as": pl.String,
    "ip": pl.String,
    "mac": pl.String,
    # The device that it belongs to so far, and whether a person has put that device together.
    "device": pl.Int64,
    "by_hand": pl.Boolean,
}
KEY = ("source", "asset")
# The number of a device that a person is about to make: no stored one has it, and none that the rules make anew.
NEW = 0

# A MAC address that more assets of one source have is of something else: a router, a VPN's adapter, a cloned machine.
MOST_SHARING = 4
# Adapters and protocols whose address is the same on every machine. The vendors' own documents and IANA's registry
# name most; those of the VPN adapters are seen, not promised.
NOT_OF_ONE_MACHINE = (
    "00005e0001",  # VRRP, and 02 for IPv6
    "00005e0002",
    "00000c07ac",  # HSRP
    "00000c9ff",  # HSRP version 2
    "0007b400",  # GLBP
    "005056c000",  # VMware's host-only networks
    "00059a3c7a",  # Cisco's VPN adapter
    "00090ffe00",  # Fortinet's VPN adapters
    "00090faa00",
    "005345000000",  # Windows' dial-up adapter
)
# The second lowest bit of the first octet: given out locally, so perhaps twice. The lowest: not of one adapter.
LOCAL_OR_GROUP = "[0-9a-f][^048c]"


def grouped(assets: pl.DataFrame) -> pl.DataFrame:
    """The device of each asset: columns source, asset, device, sorted by asset. ``assets`` has the columns of ASSETS.

    A device keeps its number while most of its assets stay together: of the parts of a device that splits, the largest
    keeps it, and of devices that become one, that with the most assets. New devices have the numbers -1, -2 and so on.
    An asset that is the same machine as those of one device by hand joins them; where it could join several, none.
    """
    rows = _with_address(_with_name(assets.sort(KEY)))
    devices = rows["device"].to_list()
    by_hand = [device if hand else None for device, hand in zip(devices, rows["by_hand"].to_list())]
    groups = _groups([rows[name].to_list() for name in ("name", "known_as", "address")], by_hand)
    found = [0] * rows.height
    for group, number in zip(groups, _numbers(groups, devices, by_hand)):
        for place in group:
            found[place] = number
    return rows.select(*KEY, pl.Series("device", found, pl.Int64))


def names(assets: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """What each device is called: columns device and name. A full host name is preferred to a short one, that to an
    address, and that to an id; of several, one that is no old name by the rules, and then the first in the alphabet."""
    host = pl.col("host_name").str.strip_chars().str.strip_suffix(".").replace("", None)
    name = pl.coalesce(host, "ip", "asset")
    rank = (
        pl.when(host.str.contains(".", literal=True))
        .then(0)
        .when(host.is_not_null())
        .then(1)
        .when(pl.col("ip").is_not_null())
        .then(2)
        .otherwise(3)
    )
    short = r"^([^.]+)"
    is_old = pl.col("known_as").str.extract(short) != host_key(pl.col("host_name")).str.extract(short)
    old = is_old.fill_null(False).alias("old")
    return (
        devices.join(assets.select(*KEY, name.alias("name"), rank.alias("rank"), old), on=KEY)
        .sort("device", "old", "rank", "name")
        .unique("device", keep="first", maintain_order=True)
        .select("device", "name")
    )


def joined(assets: pl.DataFrame, devices: Sequence[int]) -> pl.DataFrame:
    """The assets once a person has put those of all ``devices`` into the first of them, where no rule takes them apart.

    ``assets`` has the columns of ASSETS, and so has what is returned. Raises ValueError where it is only one device.
    """
    if len(set(devices)) < 2:
        raise ValueError("A join needs two devices or more.")
    is_one = pl.col("device").is_in(devices).fill_null(False)
    return assets.with_columns(
        pl.when(is_one).then(pl.lit(devices[0], pl.Int64)).otherwise("device").alias("device"),
        (pl.col("by_hand") | is_one).alias("by_hand"),
    )


def split(assets: pl.DataFrame, device: int, chosen: Collection[tuple[int, str]]) -> pl.DataFrame:
    """The assets once a person has moved the ``chosen`` ones, each its source and asset, out of a device to NEW.

    Both devices are then put together by hand: were the rest left to the rules, it would follow the chosen ones by its
    host name. Raises ValueError where none is chosen, one is of another device, or nothing would be left.
    """
    keys = pl.DataFrame(list(chosen), schema={name: ASSETS[name] for name in KEY}, orient="row").unique()
    rows = assets.join(keys.with_columns(pl.lit(True).alias("chosen")), on=KEY, how="left", maintain_order="left")
    is_chosen, is_of_device = pl.col("chosen").fill_null(False), (pl.col("device") == device).fill_null(False)
    of_device = rows.filter(is_of_device)
    out = of_device.filter(is_chosen).height
    if not out or out < keys.height:
        raise ValueError("A split needs assets of the device.")
    if out == of_device.height:
        raise ValueError("A split has to leave an asset in the device.")
    return rows.with_columns(
        pl.when(is_chosen).then(pl.lit(NEW, pl.Int64)).otherwise("device").alias("device"),
        (pl.col("by_hand") | is_of_device).alias("by_hand"),
    ).drop("chosen")


def released(assets: pl.DataFrame, device: int) -> pl.DataFrame:
    """The assets once a person has handed a device back to the rules."""
    is_one = (pl.col("device") == device).fill_null(False)
    return assets.with_columns((pl.col("by_hand") & ~is_one).alias("by_hand"))


def outcome(before: pl.DataFrame, put: pl.DataFrame) -> pl.DataFrame:
    """Where the assets are once a person has ``put`` them, and the rules have followed.

    Columns source, asset, before and after, which are numbers of devices (below 0: one that the rules make anew), and
    by_hand, whether a person keeps the device after it together; sorted by asset. The rows are all assets of the
    devices that change.
    """
    after = grouped(put).rename({"device": "after"})
    hands = put.filter("by_hand")["device"].unique().to_list()
    rows = (
        before.select(*KEY, pl.col("device").alias("before"), pl.col("by_hand").alias("was_by_hand"))
        .join(after, on=KEY)
        .with_columns(pl.col("after").is_in(hands).alias("by_hand"))
    )
    changed = rows.filter(pl.col("before").ne_missing(pl.col("after")) | (pl.col("by_hand") != pl.col("was_by_hand")))
    touched = pl.concat([changed["before"], changed["after"]]).drop_nulls().unique().to_list()
    is_touched = pl.any_horizontal(pl.col("before", "after").is_in(touched).fill_null(False))
    return rows.filter(is_touched).select(*KEY, "before", "after", "by_hand").sort(KEY)


def _with_name(assets: pl.DataFrame) -> pl.DataFrame:
    """The assets with the column name, by which they are compared, as by ``known_as``; both null for none, and for what
    names no one machine.

    Case and a trailing dot do not count. A name without a domain is that of the only domain that has it; where there
    are several, it stands for itself.
    """
    host = host_key(pl.col("host_name"))
    both = {"name": host, "known_as": pl.coalesce("known_as", host)}
    rows = assets.with_columns(pl.when(names_one(host)).then(name).alias(column) for column, name in both.items())
    told = pl.concat([rows["name"], rows["known_as"]]).drop_nulls().unique().to_frame()
    only = (
        told.with_columns(pl.col("name").str.extract(r"^([^.]+)").alias("short"))
        .filter(pl.col("name") != pl.col("short"))
        .group_by("short")
        .agg(pl.first("name"), pl.len())
        .filter(pl.col("len") == 1)
    )
    return rows.with_columns(pl.col(column).replace(only["short"], only["name"]) for column in both)


def _with_address(assets: pl.DataFrame) -> pl.DataFrame:
    """The assets with the column address, by which they are compared: twelve digits of a MAC address; null for none,
    and for what is not of one machine: zeros, groups, local ones, those of virtual adapters, and those that many assets
    of a source have."""
    rows = assets.with_columns(of_one_adapter(pl.col("mac")).alias("address"))
    shared = rows.group_by("source", "address").len().filter(pl.col("len") > MOST_SHARING)["address"]
    is_shared = pl.col("address").is_in(shared.drop_nulls().unique().to_list())
    return rows.with_columns(pl.when(~is_shared).then("address").alias("address"))


def names_one(host: pl.Expr) -> pl.Expr:
    """Whether the name of a host can be that of one machine only."""
    return ~host.str.contains(r"^[0-9.]+$|:|^localhost(\.|$)")


def of_one_adapter(mac: pl.Expr) -> pl.Expr:
    """The twelve digits of a MAC address that can be of one adapter only; null for others."""
    digits = mac.str.to_lowercase().str.replace_all(r"[^0-9a-f]", "")
    of_one = (
        (digits.str.len_bytes() == 12)
        & (digits != "0" * 12)
        & ~digits.str.contains(f"^{LOCAL_OR_GROUP}")
        & ~digits.str.contains(f"^({'|'.join(NOT_OF_ONE_MACHINE)})")
    )
    return pl.when(of_one).then(digits)


Keys = Sequence[object]


def _groups(keys: Sequence[Keys], by_hand: Keys) -> list[list[int]]:
    """The places of the rows that are one device, each group and all groups in order."""
    groups = []
    for group in _joined(range(len(by_hand)), (by_hand, *keys)):
        hands = {by_hand[place] for place in group} - {None}
        if len(hands) <= 1:
            groups.append(group)
            continue
        # Two that a person keeps apart are not joined by a third.
        groups += [[place for place in group if by_hand[place] == hand] for hand in hands]
        groups += _joined((place for place in group if by_hand[place] is None), keys)
    return sorted(groups)


def _joined(places: Iterable[int], keys: Iterable[Keys]) -> list[list[int]]:
    """Places that share a key, or that are so joined by others. None is no key."""
    parents = {place: place for place in places}

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = place = parents[parents[place]]
        return place

    for key_of in keys:
        first: dict[object, int] = {}
        for place in parents:
            key = key_of[place]
            if key is not None:
                one, other = sorted((root(first.setdefault(key, place)), root(place)))
                parents[other] = one
    groups = defaultdict(list)
    for place in parents:
        groups[root(place)].append(place)
    return list(groups.values())


def _numbers(groups: list[list[int]], devices: Sequence[int | None], by_hand: Keys) -> list[int]:
    """The number of each group: that of the person's device, else that of the device which most of its assets had and
    no other group has more of, else a new one."""
    numbers: dict[int, int] = {}
    claims = []
    for index, group in enumerate(groups):
        held: dict[int, int] = defaultdict(int)
        for place in group:
            device = devices[place]
            if device is not None and by_hand[place] is not None:
                numbers[index] = device
            elif device is not None:
                held[device] += 1
        claims += [(-many, device, index) for device, many in held.items()]
    taken = set(numbers.values())
    for _, device, index in sorted(claims):
        if index not in numbers and device not in taken:
            numbers[index] = device
            taken.add(device)
    new = count(-1, -1)
    return [numbers[index] if index in numbers else next(new) for index in range(len(groups))]
