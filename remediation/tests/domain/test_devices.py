"""Which assets are one device, row by row, and what holds for any of them."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.devices import (
    ASSETS,
    KEY,
    MOST_SHARING,
    NEW,
    grouped,
    joined,
    names,
    outcome,
    released,
    split,
)

MAC = "00:50:56:aa:00:01"
OTHER = "00:50:56:aa:00:02"


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Assets of source 1, called a, b, c and so on, unless a row says otherwise."""
    plain = [{"source": 1, "asset": chr(97 + place), "by_hand": False, **row} for place, row in enumerate(rows)]
    return pl.DataFrame([{name: row.get(name) for name in ASSETS} for row in plain], schema=ASSETS)


def partition(found: pl.DataFrame) -> set[frozenset[tuple[int, str]]]:
    groups: dict[int, set[tuple[int, str]]] = {}
    for source, asset, device in found.rows():
        groups.setdefault(device, set()).add((source, asset))
    return {frozenset(group) for group in groups.values()}


def together(*rows: dict[str, Any]) -> list[str]:
    """The groups, each the names of its assets, in order."""
    return sorted("".join(sorted(asset for _, asset in group)) for group in partition(grouped(frame(*rows))))


def host(name: str | None, **more: Any) -> dict[str, Any]:
    return {"host_name": name, **more}


def mac(address: str | None, **more: Any) -> dict[str, Any]:
    return {"mac": address, **more}


TABLE: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "nothing-in-common": ([host("web01"), host("web02")], ["a", "b"]),
    "same-name": ([host("web01"), host("web01")], ["ab"]),
    "named-otherwise-by-its-source": ([host("old", known_as="web01"), host("web01", source=2)], ["ab"]),
    "named-otherwise-and-also-by-its-own-name": ([host("old", known_as="web01"), host("old", source=2)], ["ab"]),
    "without-its-domain": (
        [host("web01.a.example", known_as="web01"), host("web01", source=2), host("web01.b.example", source=3)],
        ["ab", "c"],
    ),
    "a-new-name-without-its-domain": ([host("old", known_as="web01"), host("web01.a.example")], ["ab"]),
    "an-address-is-no-name-whatever-its-source-says": (
        [host("10.0.0.1", known_as="10.0.0.1"), host("10.0.0.1", known_as="10.0.0.1")],
        ["a", "b"],
    ),
    "same-name-of-two-sources": ([host("web01"), host("web01", source=2)], ["ab"]),
    "case-dot-and-blanks": ([host("WEB01.corp.example."), host(" web01.Corp.Example ")], ["ab"]),
    "short-and-full": ([host("web01"), host("web01.corp.example")], ["ab"]),
    "short-name-of-two-domains": (
        [host("web01"), host("web01.corp.example"), host("web01.dmz.example"), host("web01")],
        ["ad", "b", "c"],
    ),
    "two-domains": ([host("web01.corp.example"), host("web01.dmz.example")], ["a", "b"]),
    "no-name": ([host(None), host(None), host(""), host("  ")], ["a", "b", "c", "d"]),
    "localhost": ([host("localhost"), host("localhost"), host("localhost.localdomain")], ["a", "b", "c"]),
    "an-address-as-name": ([host("10.0.0.1"), host("10.0.0.1"), host("fe80::1"), host("fe80::1")], list("abcd")),
    "same-address": ([{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}], ["a", "b"]),
    "same-mac": ([mac(MAC), mac(MAC)], ["ab"]),
    "mac-in-other-writings": ([mac(MAC), mac("0050.56AA.0001"), mac("00-50-56-aa-00-01")], ["abc"]),
    "other-mac": ([mac(MAC), mac(OTHER)], ["a", "b"]),
    "zero": ([mac("00:00:00:00:00:00")] * 2, ["a", "b"]),
    "broadcast": ([mac("ff:ff:ff:ff:ff:ff")] * 2, ["a", "b"]),
    "multicast": ([mac("01:00:5e:00:00:fb")] * 2, ["a", "b"]),
    "local": ([mac("02:42:ac:11:00:02")] * 2, ["a", "b"]),
    "virtual-router": ([mac("00:00:5e:00:01:0a")] * 2, ["a", "b"]),
    "host-only-network": ([mac("00:50:56:c0:00:08")] * 2, ["a", "b"]),
    "broken": ([mac("00:50:56")] * 2, ["a", "b"]),
    "shared-by-a-few": ([mac(MAC)] * MOST_SHARING, ["abcd"]),
    "shared-by-many": ([mac(MAC)] * (MOST_SHARING + 1), list("abcde")),
    "shared-by-many-of-another-source": ([mac(MAC, source=2)] + [mac(MAC)] * (MOST_SHARING + 1), list("abcdef")),
    "by-a-third": ([host("web01"), host("web01", mac=MAC), mac(MAC)], ["abc"]),
    "by-a-chain": (
        [host("one"), host("one", mac=MAC), host("two", mac=MAC), host("two", mac=OTHER), mac(OTHER), host("three")],
        ["abcde", "f"],
    ),
    "by-hand-without-anything": (
        [host("one", device=7, by_hand=True), host("two", device=7, by_hand=True), host("two")],
        ["abc"],
    ),
    "by-hand-apart": (
        [host("web01", device=7, by_hand=True), host("web01", device=8, by_hand=True), host("web01")],
        ["a", "b", "c"],
    ),
    "rules-join-what-is-between-two-by-hand": (
        [
            host("web01", device=7, by_hand=True),
            mac(MAC, device=8, by_hand=True),
            host("web01", mac=MAC),
            host("web01"),
            mac(OTHER),
        ],
        ["a", "b", "cd", "e"],
    ),
}


@pytest.mark.parametrize(("rows", "groups"), TABLE.values(), ids=TABLE.keys())
def test_which_assets_are_one_device(rows: list[dict[str, Any]], groups: list[str]) -> None:
    assert together(*rows) == sorted(groups)


NUMBERS: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "new": ([host("b"), host("a"), host("b")], [-1, -2, -1]),
    "the-same": ([host("x", device=5), host("y", device=3)], [5, 3]),
    "another-joins": ([host("x", device=5), host("x")], [5, 5]),
    "one-goes": ([host("x", device=5)], [5]),
    "the-larger-part-keeps-it": (
        [host("x", device=5), host("y", device=5), host("y", device=5)],
        [-1, 5, 5],
    ),
    "of-equal-parts-the-first": ([host("x", device=5), host("y", device=5)], [5, -1]),
    "two-become-one-with-the-number-of-the-larger": (
        [host("x", device=3), host("x", device=5), host("x", device=5)],
        [5, 5, 5],
    ),
    "of-equals-the-lower": ([host("x", device=5), host("x", device=3)], [3, 3]),
    "a-number-is-given-once": (
        [host("x", device=5), host("x", device=5), host("y", device=5), host("y", device=3)],
        [5, 5, 3, 3],
    ),
    "by-hand-it-keeps-its-number": (
        [host("x", device=9, by_hand=True), host("x", device=3), host("x", device=3)],
        [9, 9, 9],
    ),
}


@pytest.mark.parametrize(("rows", "numbers"), NUMBERS.values(), ids=NUMBERS.keys())
def test_which_number_a_device_has(rows: list[dict[str, Any]], numbers: list[int]) -> None:
    assert grouped(frame(*rows))["device"].to_list() == numbers


def test_what_a_device_is_called() -> None:
    rows = frame(
        host("web01", ip="10.0.0.1"),
        host("web01.corp.example."),
        {"ip": "10.0.0.2"},
        {},
        host("solo", ip="10.0.0.3"),
    )
    found = grouped(rows)
    called = dict(names(rows, found).iter_rows())
    assert [called[device] for device in found["device"]] == [
        *("web01.corp.example", "web01.corp.example", "10.0.0.2", "d", "solo")
    ]


def test_no_assets() -> None:
    assert grouped(frame()).schema == {"source": pl.Int64, "asset": pl.String, "device": pl.Int64}


# By hand


def test_what_is_joined_by_hand_is_one_device_whatever_the_names_are() -> None:
    before = frame(host("web", device=1), host("db", device=2), host("mail", device=3))
    put = joined(before, [2, 1])
    assert put["device"].to_list() == [2, 2, 3] and put["by_hand"].to_list() == [True, True, False]
    assert outcome(before, put).rows() == [(1, "a", 1, 2, True), (1, "b", 2, 2, True)]
    renamed = put.with_columns(host_name=pl.col("asset") + "-renamed")
    assert grouped(renamed)["device"].to_list() == [2, 2, 3]


def test_what_is_split_by_hand_is_never_joined_by_the_rules() -> None:
    before = frame(host("web", device=1), host("web", device=1), host("web", device=1), host("db", device=2))
    put = split(before, 1, [(1, "b")])
    assert put["device"].to_list() == [1, NEW, 1, 2]
    shown = outcome(before, put)
    assert shown.rows() == [(1, "a", 1, 1, True), (1, "b", 1, NEW, True), (1, "c", 1, 1, True)]
    # Also a newcomer that is like both joins none, and brings none together.
    more = pl.concat([put, frame(host("web", asset="z"))])
    assert dict(grouped(more).select("asset", "device").iter_rows()) == {"a": 1, "b": NEW, "c": 1, "d": 2, "z": -1}


def test_a_released_device_goes_where_the_rules_have_it() -> None:
    before = frame(host("web", device=1, by_hand=True), host("db", device=1, by_hand=True), host("db", device=2))
    put = released(before, 1)
    assert outcome(before, put).rows() == [(1, "a", 1, 1, False), (1, "b", 1, 2, False), (1, "c", 2, 2, False)]


def test_a_device_released_beside_its_other_half_joins_it_again() -> None:
    before = frame(host("web", device=1), host("web", device=1))
    apart = split(before, 1, [(1, "b")]).with_columns(pl.col("device").replace(NEW, 7))
    assert outcome(apart, released(apart, 7)).rows() == [(1, "a", 1, 1, True), (1, "b", 7, 1, True)]


@pytest.mark.parametrize("devices", [[], [1], [1, 1]])
def test_a_join_needs_two_devices(devices: list[int]) -> None:
    with pytest.raises(ValueError, match="two devices"):
        joined(frame(host("a", device=1)), devices)


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ([], "needs assets"),
        ([(1, "c")], "needs assets"),
        ([(1, "a"), (1, "c")], "needs assets"),
        ([(2, "a")], "needs assets"),
        ([(1, "a"), (1, "b")], "leave an asset"),
    ],
)
def test_a_split_that_cannot_be_made(chosen: list[tuple[int, str]], says: str) -> None:
    before = frame(host("web", device=1), host("web", device=1), host("db", device=2), host("new"))
    with pytest.raises(ValueError, match=says):
        split(before, 1, chosen)


# Properties

DEVICES = st.none() | st.integers(1, 4)
# Devices 3 and 4 are by hand.
rows = st.lists(
    st.builds(
        lambda source, name, address, device: {
            "source": source,
            "host_name": name,
            "mac": address,
            "device": device,
            "by_hand": device is not None and device > 2,
        },
        st.integers(1, 3),
        st.none() | st.sampled_from(["web", "web.x.example", "WEB.y.example.", "db", "db.x.example", "10.0.0.1"]),
        st.none() | st.sampled_from([MAC, OTHER, "0050.56aa.0003", "02:00:00:00:00:01"]),
        DEVICES,
    ),
    max_size=14,
).map(lambda drawn: frame(*drawn))


def applied(assets: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The assets with the devices that were found, new ones with numbers from 100 on."""
    number = pl.col("device_found")
    return (
        assets.join(found, on=KEY, suffix="_found")
        .with_columns(pl.when(number < 0).then(100 - number).otherwise(number).alias("device"))
        .with_columns(pl.col("device").is_in([3, 4]).alias("by_hand"))
        .select(list(ASSETS))
    )


@given(rows)
def test_once_grouped_nothing_moves(assets: pl.DataFrame) -> None:
    once = applied(assets, grouped(assets))
    again = grouped(once)
    assert again.equals(once.sort(KEY).select(again.columns))


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(assets: pl.DataFrame, chance: random.Random) -> None:
    other = assets.sample(fraction=1, shuffle=True, seed=chance.randrange(1000))
    assert grouped(other).equals(grouped(assets))


@given(rows)
def test_what_a_person_put_somewhere_stays_there(assets: pl.DataFrame) -> None:
    after = assets.filter("by_hand").join(grouped(assets), on=KEY, suffix="_after")
    assert after["device_after"].to_list() == after["device"].to_list()


@given(rows, st.integers(0, 13))
def test_a_device_whose_assets_stay_together_keeps_its_number(assets: pl.DataFrame, left: int) -> None:
    before = applied(assets, grouped(assets))
    fewer = before.filter(pl.int_range(pl.len()) != left)
    after = applied(fewer, grouped(fewer))
    for (device,), group in fewer.group_by("device"):
        now = after.join(group, on=KEY, how="semi")["device"].unique().to_list()
        if len(now) == 1 and now != [device]:
            # Others have joined it, of which there are at least as many.
            assert after.filter(device=now[0]).height >= 2 * group.height


def settled(assets: pl.DataFrame) -> pl.DataFrame:
    return applied(assets, grouped(assets))


@given(rows, st.data())
def test_a_change_by_hand_holds_and_moves_no_asset_that_was_not_shown(
    assets: pl.DataFrame, data: st.DataObject
) -> None:
    before = settled(assets)
    devices = before["device"].unique().sort().to_list()
    if len(devices) < 2:
        return
    one, other = data.draw(st.lists(st.sampled_from(devices), min_size=2, max_size=2, unique=True))
    there = before.filter(device=one)
    changes = [joined(before, [one, other]), released(before, one)]
    if there.height > 1:
        changes.append(split(before, one, [there.select(KEY).row(0)]))
    for put in changes:
        after = grouped(put)
        shown = outcome(before, put)
        found = before.join(after, on=KEY, suffix="_after")
        moved = found.filter(pl.col("device") != pl.col("device_after"))
        assert moved.join(shown, on=KEY, how="anti").is_empty()
        held = put.filter("by_hand").join(after, on=KEY, suffix="_after")
        assert held["device"].to_list() == held["device_after"].to_list()
        # The rules have nothing to add afterwards.
        hands = put.filter("by_hand")["device"].unique().to_list()
        number = pl.col("device_after")
        now = found.with_columns(
            pl.when(number < 0).then(1000 - number).otherwise(number).alias("device"),
            number.is_in(hands).alias("by_hand"),
        ).select(list(ASSETS))
        assert grouped(now)["device"].to_list() == now["device"].to_list()
