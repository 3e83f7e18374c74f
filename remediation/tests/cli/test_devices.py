"""Devices on the command line: list and show them, join, split and release them by hand."""

from __future__ import annotations

import io
import sys
from datetime import date, timedelta
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation.cli import devices
from remediation.store import models
from remediation.store.devices import ByHand

UNTIL = (date.today() + timedelta(days=90)).isoformat()


def device_of(asset: str, source: str = "weekly") -> int:
    return models.Asset.objects.get(asset=asset, source__name=source).device_id or 0


def grouping() -> dict[str, set[str]]:
    """The assets of each device, by its number."""
    found: dict[str, set[str]] = {}
    for row in models.Asset.objects.select_related("source"):
        found.setdefault(str(row.device_id), set()).add(f"{row.source.name}:{row.asset}")
    return found


@pytest.fixture
def two(line: Any, halo: HaloEmulator) -> Any:
    """A project with tickets for hosts 1 and 2, and another source that sees host 1 as well; nothing is to be done."""
    line.project("1 v1 s1", "1 v2 s2", "2 v1 s1")
    assert line("import", line.report("other.csv", "1 v1 s1"), "--source", "other").code == 0
    assert line("apply", "p").code == 0
    assert line("plan", "p", "--json").json["steps"] == []
    return line


def silent(line: Any, halo: HaloEmulator) -> None:
    """The next plan is empty, and the apply writes nothing to Halo."""
    plan = line("plan", "p", "--json")
    assert plan.code == 0 and plan.json["steps"] == [], plan.out
    before = [request for request in halo.requests if request.method != "GET" and "token" not in request.path]
    assert line("apply", "p").code == 0
    after = [request for request in halo.requests if request.method != "GET" and "token" not in request.path]
    assert after == before and before


def test_a_list_by_name(two: Any) -> None:
    listed = two("device", "list")
    assert listed.out.splitlines() == [
        f"{device_of('1')}: host1.corp.example: 2 assets of other, weekly",
        f"{device_of('2')}: host2.corp.example: 1 asset of weekly",
    ]
    assert two("device", "list", "--name", "HOST2").out == listed.out.splitlines()[1] + "\n"
    assert two("device", "list", "--name", "nowhere").out == "No device has a name with 'nowhere' in it.\n"
    assert two("device", "list", "--name", "host1", "--json").json == {
        "devices": [
            {
                "id": device_of("1"),
                "name": "host1.corp.example",
                "by_hand": False,
                "assets": 2,
                "sources": ["other", "weekly"],
            }
        ]
    }


def test_domains_and_other_names_of_a_source_count_for_devices(line: Any) -> None:
    def hosts(source: str, *names: str) -> None:
        rows = "".join(f"{name},1\n" for name in names)
        file = line.file(f"{source}.csv", f"hostname,plugin_id\n{rows}")
        assert line("import", file, "--source", source).code == 0

    hosts("first", "web01.corp.example", "web01.dmz.example", "old.corp.example")
    hosts("second", "WEB01", "db.corp.example")
    hosts("third", "web01", "db")
    before = {frozenset(assets) for assets in grouping().values()}
    web = {"second:web01", "third:web01"}
    assert before == {
        *(frozenset({f"first:{name}"}) for name in ("web01.corp.example", "web01.dmz.example", "old.corp.example")),
        frozenset(web),
        frozenset({"second:db.corp.example", "third:db"}),
    }
    rules = ("--suffix", "corp.example", "--alias", "old=db")
    assert line("source", "naming", "first", *rules).code == 0
    # At once, without a new file; no name of the other domain is touched, nor anything that was one already.
    assert {frozenset(assets) for assets in grouping().values()} == {
        frozenset({"first:web01.corp.example", *web}),
        frozenset({"first:web01.dmz.example"}),
        frozenset({"first:old.corp.example", "second:db.corp.example", "third:db"}),
    }
    # What the next files name otherwise is the same device.
    hosts("first", "web01.corp.example")
    assert {"first:web01", "first:web01.corp.example", *web} in grouping().values()
    # A person keeps them apart, whatever the rules.
    assert line("device", "split", str(device_of("db", "third")), "--asset", "third:db", "--yes").code == 0
    hosts("first", "old")
    assert {"third:db"} in grouping().values()
    # Without the rules, they part.
    assert line("source", "naming", "first", "--suffix", "", "--json").json == {"suffixes": [], "aliases": {}}
    assert {"first:web01", "first:web01.corp.example"} in grouping().values() and web in grouping().values()


def test_no_device_yet(line: Any) -> None:
    assert line("device", "list").out == "There is no device yet.\n"
    assert "There is no device '1'" in line("device", "show", "1").err


def test_a_device_with_its_findings(two: Any, halo: HaloEmulator) -> None:
    number = device_of("1")
    shown = two("device", "show", "HOST1.corp.example")
    first, *rest = shown.out.splitlines()
    assert first == f"{number}: host1.corp.example"
    tickets = {row.key: row.halo_id for row in models.Ticket.objects.filter(kind="child")}
    both = ", ".join(str(one) for one in sorted((tickets["s1"], tickets["s2"])))
    assert f"CVE-2026-1 high, open, by other, weekly, tickets: {both}: Title of v1" in shown.out
    assert len(rest) == 2 + 2
    value = two("device", "show", str(number), "--json").json
    assert [one["sources"] for one in value["findings"]] == [["other", "weekly"]] * 2
    assert [(one["source"], one["findings"]) for one in value["assets"]] == [("weekly", 2), ("other", 1)]
    # What is gone is counted only.
    for source in ("other", "weekly"):
        file = two.report("second.csv", "1 v3 s3", day=21)
        assert two("import", file, "--source", source, "--coverage", "devices").code == 0
    models.Vulnerability.objects.filter(vulnerability__in=["v1", "v2"]).update(cves=[])
    out = two("device", "show", str(number)).out
    assert "and 3 that are gone: see --json" in out and "CVE-2026-2" in out and "Title of v1" not in out


def test_a_join_is_shown_and_leaves_the_project_silent(two: Any, halo: HaloEmulator) -> None:
    one, other = str(device_of("1")), str(device_of("2"))
    before = grouping()
    shown = two("device", "join", one, "host2.corp.example", "--preview")
    tickets = {row.key: row.halo_id for row in models.Ticket.objects.filter(kind="child")}
    assert shown.code == 0 and shown.out.endswith("Nothing was changed.\n") and grouping() == before
    named = ", ".join(f"{number} of p" for number in sorted((tickets["s1"], tickets["s2"])))
    assert (
        f"weekly:1 (host1.corp.example), 2 open findings, tickets: {named}, accepted risks: none: "
        f"stays in device {one}, by hand" in shown.out
    )
    assert (
        f"weekly:2 (host2.corp.example), 1 open finding, tickets: {tickets['s1']} of p, accepted risks: none: "
        f"from device {other} to device {one}, by hand" in shown.out
    )
    # Another source's findings of the same machine are in no ticket.
    assert "other:1 (host1.corp.example), 1 open finding, tickets: none" in shown.out
    joined = two("device", "join", one, other, "--yes")
    assert joined.code == 0 and joined.out.endswith(f"The devices are joined: {one}.\n")
    assert joined.out.splitlines()[:-1] == shown.out.splitlines()[:-1]
    assert grouping() == {one: {"weekly:1", "weekly:2", "other:1"}}
    silent(two, halo)
    assert (
        two("import", two.report("again.csv", "1 v1 s1", "1 v2 s2", "2 v1 s1", day=21), "--source", "weekly").code == 0
    )
    assert len(grouping()) == 1
    silent(two, halo)


def test_a_split_is_shown_and_leaves_the_project_silent(two: Any, halo: HaloEmulator) -> None:
    one = str(device_of("1"))
    words = ("device", "split", one, "--asset", "other:HOST1.corp.example")
    shown = two(*words, "--preview", "--json")
    assert shown.code == 0 and shown.json["split"] is False
    assert [(row["source"], row["before"], row["after"]) for row in shown.json["assets"]] == [
        ("weekly", int(one), int(one)),
        ("other", int(one), 0),
    ]
    assert "to a new device, by hand" in two(*words, "--preview").out
    split = two(*words, "--yes", "--json")
    assert split.code == 0 and split.json["split"] is True
    new = device_of("1", "other")
    assert [row["after"] for row in split.json["assets"]] == [int(one), new] and new != int(one)
    silent(two, halo)
    # No import joins them again, and both may be named by their numbers only.
    assert two("import", two.report("again.csv", "1 v1 s1", day=21), "--source", "other").code == 0
    assert grouping()[one] == {"weekly:1"} and grouping()[str(new)] == {"other:1"}
    assert f"Name one by its number: {one}, {new}." in two("device", "show", "host1.corp.example").err
    silent(two, halo)
    # Until a person hands one back: then the rules join them.
    assert "from device" in two("device", "release", str(new), "--yes").out
    assert grouping()[one] == {"weekly:1", "other:1"}
    assert two("device", "release", one, "--yes").code == 0
    assert not models.Device.objects.filter(by_hand=True).exists()
    assert "was not put together by hand" in two("device", "release", one, "--yes").err
    silent(two, halo)


def test_a_device_without_assets_ends_when_it_is_released(two: Any) -> None:
    empty = models.Device.objects.create(name="nothing", by_hand=True)
    assert f"{empty.pk}: nothing (by hand): 0 assets of none" in two("device", "list").out
    assert "no finding was ever reported" in two("device", "show", "nothing").out
    out = two("device", "release", "nothing", "--yes").out
    assert out.startswith("No asset moves.") and out.endswith("The devices are released: none.\n")
    assert not models.Device.objects.filter(name="nothing").exists()


def test_an_acceptance_stays_with_its_asset(two: Any, halo: HaloEmulator) -> None:
    of = ("--asset", "1", "--vulnerability", "v1")
    number = two("acceptance", "add", "--source", "weekly", "--reason", "r", "--until", UNTIL, *of, "--json").json["id"]
    assert two("apply", "p").code == 0
    one, other = str(device_of("1")), str(device_of("2"))
    joined = two("device", "join", other, one, "--yes")
    assert f"1 open finding, tickets: {ticket_of('s2')} of p, accepted risks: {number}: from" in joined.out
    assert "risk acceptances and tickets stay as they are" in joined.out
    silent(two, halo)
    # It accepts nothing of what it is now one device with.
    states = {tuple(one["states"]) for one in two("device", "show", other, "--json").json["findings"]}
    assert ("open", "excepted") in states
    assert two("device", "split", other, "--asset", "weekly:2", "--yes").code == 0
    assert f"accepted risks: {number}" in two("device", "show", str(device_of("1"))).out
    silent(two, halo)


def ticket_of(key: str) -> int:
    return models.Ticket.objects.get(key=key).halo_id or 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("join", "host1.corp.example"), "two devices or more"),
        (("join", "host1.corp.example", "HOST1.corp.example"), "two devices or more"),
        (("join", "host1.corp.example", "nowhere"), "There is no device 'nowhere'"),
        (("join", "host1.corp.example", "9" * 30), "There is no device"),
        (("split", "host1.corp.example", "--asset", "other:2"), "has no asset 'other:2'. It has: weekly:1, other:1."),
        (("split", "host2.corp.example", "--asset", "weekly:2"), "Leave one in it"),
        (("split", "host1.corp.example", "--asset", "other:1", "--asset", "weekly:1"), "Leave one in it"),
        (("release", "host1.corp.example"), "the rules have it already"),
        (("show", "nowhere"), "There is no device 'nowhere'. See: remediation device list"),
    ],
)
def test_what_is_refused(two: Any, words: tuple[str, ...], says: str) -> None:
    before = grouping()
    yes = () if words[0] == "show" else ("--yes",)
    ended = two("device", *words, *yes)
    assert ended.code == 4 and says in ended.err
    assert grouping() == before and not models.Device.objects.filter(by_hand=True).exists()


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("types", "done"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked(two: Any, monkeypatch: pytest.MonkeyPatch, types: str, done: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(types))
    ended = two("device", "join", "host1.corp.example", "host2.corp.example")
    assert ended.code == 0 and "Change this? [y/N]" in ended.out
    assert ended.out.index("stays in device") < ended.out.index("Change this?")
    assert (len(grouping()) == 1) is done
    assert ("Nothing was changed." in ended.out) is not done


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_where_nobody_can_be_asked_nothing_is_done_without_yes(
    two: Any, monkeypatch: pytest.MonkeyPatch, as_json: tuple[str, ...]
) -> None:
    # A program that reads JSON is not asked either, whatever it runs on.
    monkeypatch.setattr(sys, "stdin", Terminal("y\n") if as_json else io.StringIO("y\n"))
    before = grouping()
    ended = two("device", "join", "host1.corp.example", "host2.corp.example", *as_json)
    assert ended.code == 4 and "Say --yes" in ended.err and grouping() == before
    if as_json:
        assert ended.json["joined"] is False and len(ended.json["assets"]) == 3


def test_what_changes_while_a_person_looks_is_not_done(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    another = ByHand.split(device_of("1"), [(models.Source.objects.get(name="other").pk, "1")])

    def meanwhile(question: str) -> bool:
        another.make(another.shown())
        return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(devices.typer, "confirm", meanwhile)
    ended = two("device", "join", "host1.corp.example", "host2.corp.example")
    assert ended.code == 4 and "have changed in the meantime, and nothing was done" in ended.err
    assert len(grouping()) == 3
