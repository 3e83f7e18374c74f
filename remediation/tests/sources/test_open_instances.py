"""Increments of a source that tells only what has changed: together with what is known they say what everything says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.ledger import KEY, empty_ledger
from remediation.domain.observe import observe
from remediation.domain.snapshot import Proof
from remediation.sources.answer_part import Part
from remediation.sources.open_instances import completed, known_after, none_known
from remediation.sources.scanner_rows import SCANNER_ROWS, scanner_rows
from remediation.sources.scanner_snapshot import snapshot_of_rows
from remediation.sources.tenable_vm import BEGINNING, OVERLAP, SEVERITIES, STATES, row_of
from stand_ins.tenable_vm.exports import Exports
from stand_ins.tenable_vm.settings import Settings
from stand_ins.tenable_vm.world import World

PORTS = (443, 8443)


def exported(world: World, since: float) -> pl.DataFrame:
    """What an export says that is made now."""
    filters = {"since": int(since), "state": list(STATES), "severity": list(SEVERITIES)}
    chunks = Exports(Settings(), world).add(filters, 500).chunks.values()
    rows = [row_of(Part(found, "-")) for chunk in chunks for found in json.loads(chunk)]
    return scanner_rows(pl.DataFrame(rows, schema=SCANNER_ROWS))


class Side:
    """What is believed by somebody who reads by increments, or everything each time."""

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._since: datetime | None = None
        self._known = none_known()
        self.ledger = empty_ledger()

    def read(self, world: World) -> None:
        is_whole = self._is_whole or self._since is None
        since = BEGINNING if is_whole or self._since is None else (self._since - OVERLAP).timestamp()
        rows = exported(world, since)
        known = none_known() if is_whole else self._known
        snapshot, errors = snapshot_of_rows(completed(rows, known), taken=world.now, proof=Proof.NOTHING)
        assert errors.is_empty()
        self._known, self._since = known_after(rows, known), world.now
        delta = observe(snapshot, self.ledger).delta
        self.ledger = pl.concat([self.ledger.join(delta, on=KEY, how="anti"), delta]).sort(KEY)

    @property
    def believed(self) -> list[tuple[Any, ...]]:
        return self.ledger.select(*KEY, "state", "instances").rows()


def a_world() -> tuple[World, list[str]]:
    world = World()
    assets = [world.add_asset(f"{name}.example", f"10.0.0.{number}") for number, name in enumerate("ab", start=1)]
    for plugin in (1, 2):
        world.add_plugin(plugin, f"plugin {plugin}", "General", 3)
    return world, assets


def days(world: World, count: int) -> None:
    world.now += timedelta(days=count)


def test_a_port_that_is_fixed_leaves_another_open() -> None:
    world, (asset, _) = a_world()
    side = Side(is_whole=False)
    for port in PORTS:
        world.find(asset, 1, port)
    world.scan()
    for _ in range(2):
        side.read(world)
        days(world, 3)
    world.fix(asset, 1, 443)
    world.scan(ports=[443])
    assert exported(world, (world.now - OVERLAP).timestamp())["port"].to_list() == ["443"]
    side.read(world)
    assert side.believed == [(asset, "1", "open", 1)]
    days(world, 3)
    world.fix(asset, 1, 8443)
    world.scan()
    side.read(world)
    assert [state for _, _, state, _ in side.believed] == ["remediated"]


def test_a_port_that_is_accepted_leaves_another_open() -> None:
    first = {"asset": {"uuid": "u"}, "plugin": {"id": 1}, "state": "OPEN", "last_found": "2026-11-01T00:00:00Z"}
    both = [row_of(Part({**first, "port": {"port": port, "protocol": "TCP"}}, "-")) for port in PORTS]
    known = known_after(scanner_rows(pl.DataFrame(both, schema=SCANNER_ROWS)), none_known())
    one = {**both[0], "accepted": "ACCEPTED", "last_found": "2026-11-05T00:00:00Z"}
    rows = scanner_rows(pl.DataFrame([one], schema=SCANNER_ROWS))
    for told, expected in ((rows, 0), (completed(rows, known), 1)):
        snapshot, _ = snapshot_of_rows(told, taken=datetime.now().astimezone(), proof=Proof.NOTHING)
        assert (snapshot.findings.height, snapshot.exceptions.height) == (expected, 1 - expected)


ASSETS, PLUGINS = st.integers(0, 1), st.integers(1, 2)
STEPS = st.one_of(
    st.tuples(st.just("find"), ASSETS, PLUGINS, st.sampled_from(PORTS)),
    st.tuples(st.just("fix"), ASSETS, PLUGINS, st.sampled_from((None, *PORTS))),
    st.tuples(st.just("scan"), st.sampled_from((None, 0, 1)), st.sampled_from((None, *PORTS))),
    st.tuples(st.just("wait"), st.integers(1, 4)),
    st.just(("read",)),
)


@given(st.lists(STEPS, max_size=25))
def test_increments_say_what_everything_says(steps: list[tuple[Any, ...]]) -> None:
    world, assets = a_world()
    sides = [Side(is_whole=False), Side(is_whole=True)]

    def read() -> None:
        for side in sides:
            side.read(world)
        assert sides[0].believed == sides[1].believed

    def fix(asset: int, plugin: int, port: int | None) -> None:
        try:
            world.fix(assets[asset], plugin, port)
        except LookupError:
            pass  # not there

    def scan(asset: int | None, port: int | None) -> None:
        world.scan(None if asset is None else [assets[asset]], ports=None if port is None else [port])

    verbs: dict[str, Callable[..., Any]] = {
        "find": lambda asset, *what: world.find(assets[asset], *what),
        "fix": fix,
        "scan": scan,
        "wait": lambda count: days(world, count),
        "read": read,
    }
    for verb, *what in steps:
        verbs[verb](*what)
    read()
