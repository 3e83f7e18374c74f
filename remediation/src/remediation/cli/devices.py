"""The commands about devices: ``device list`` and ``show``; ``join``, ``split`` and ``release`` by hand."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, opened

Device = Annotated[str, typer.Argument(help="A device, by its number, or by a name that only one has.")]
Preview = Annotated[bool, typer.Option("--preview", help="Show what would change, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where nobody can be asked, and with --json.")]

MOST_NAMED = 10
NOT_TOUCHED = "Findings, risk acceptances and tickets stay as they are, each with its own asset."


def show_all(
    name: Annotated[str, typer.Option(help="Only those whose name holds this, in any case.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """The devices: the assets of all sources that are one machine."""
    with opened(data):
        from django.contrib.postgres.aggregates import ArrayAgg
        from django.db.models import Count, Q

        from ..store import models

        there = Q(assets__source__name__isnull=False)
        rows = (
            models.Device.objects.filter(name__icontains=name)
            .annotate(
                count=Count("assets"), sources=ArrayAgg("assets__source__name", distinct=True, filter=there, default=[])
            )
            .order_by("name", "pk")
        )
        shown = [{**_named(row), "assets": row.count, "sources": row.sources} for row in rows]
        lines = [
            f"{_line(one)}: {one['assets']} {_word('asset', one['assets'])} of {_list(one['sources'])}" for one in shown
        ]
        none = f"No device has a name with {name!r} in it." if name else "There is no device yet."
        answer(as_json, {"devices": shown}, "\n".join(lines or [none]))


def show(device: Device, data: Data = None, as_json: AsJson = False) -> None:
    """A device: its assets, and its findings, one line for each CVE of all sources together."""
    with opened(data):
        from ..domain.ledger import State
        from ..store.device_findings import findings_of_device

        row = _device(device)
        assets = _assets_of(row.pk)
        findings = findings_of_device(row.pk).to_dicts()
        gone = {State.REMEDIATED.value, State.LEFT.value}
        there = [one for one in findings if not set(one["states"]) <= gone]
        lines = [f"{_line(_named(row))}"]
        lines += [f"  asset {_asset_line(one)}" for one in assets]
        lines += [f"  {_finding_line(one)}" for one in there]
        lines += [f"  and {len(findings) - len(there)} that are gone: see --json"] if len(there) < len(findings) else []
        lines += ["  no finding was ever reported"] if not findings else []
        answer(as_json, {**_named(row), "assets": assets, "findings": findings}, "\n".join(lines))


def join(
    devices: Annotated[list[str], typer.Argument(help="Two or more, each by its number or a name that only one has.")],
    preview: Preview = False,
    yes: Yes = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put the assets of several devices into the first. No rule takes them apart again."""
    with opened(data):
        from ..store.devices import ByHand

        numbers = [_device(name).pk for name in devices]
        if len(set(numbers)) < 2:
            raise Refused("Name two devices or more, each once.")
        _change(ByHand.join(list(dict.fromkeys(numbers))), "joined", preview, yes, as_json)


def split(
    device: Device,
    asset: Annotated[list[str], typer.Option(help="SOURCE:ASSET, by its id or host name. Can be given several times.")],
    preview: Preview = False,
    yes: Yes = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put assets of a device into a new one. No rule joins the two again: both are then put together by hand."""
    with opened(data):
        from ..store.devices import ByHand

        row = _device(device)
        there = _assets_of(row.pk)
        chosen = {_chosen(name, row, there) for name in asset}
        if len(chosen) == len(there):
            raise Refused(f"These are all assets of device {row.pk}. Leave one in it.")
        _change(ByHand.split(row.pk, chosen), "split", preview, yes, as_json)


def release(
    device: Device, preview: Preview = False, yes: Yes = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Hand a device back to the rules, which join and part its assets by host name and MAC address."""
    with opened(data):
        from ..store.devices import ByHand

        row = _device(device)
        if not row.by_hand:
            raise Refused(f"Device {row.pk} ({row.name}) was not put together by hand: the rules have it already.")
        _change(ByHand.release(row.pk), "released", preview, yes, as_json)


def _change(change: Any, done: str, preview: bool, yes: bool, as_json: bool) -> None:
    """Show a change and, where it is wanted, make it. Raises Refused where nobody has said so."""
    from ..store.devices import DevicesChanged

    try:
        shown = change.shown()
    except ValueError as error:  # others have changed the devices since they were looked up
        raise Refused(f"{error} Nothing was done. Look again.") from None
    moves = _moves(shown)
    if not as_json:
        typer.echo("\n".join([*(map(_move_line, moves) if moves else ["No asset moves."]), NOT_TOUCHED]))
    wanted = not preview and (yes or (not as_json and _asked()))
    if wanted:
        try:
            after = change.make(shown)
        except DevicesChanged:
            raise Refused("The devices have changed in the meantime, and nothing was done. Look again.") from None
        moves = [{**move, "after": number} for move, number in zip(moves, after["after"].to_list())]
    numbers = sorted({move["after"] for move in moves})
    text = f"The devices are {done}: {_list(map(str, numbers))}." if wanted else "Nothing was changed."
    answer(as_json, {done: wanted, "assets": moves}, text)
    if not (wanted or preview) and (as_json or not sys.stdin.isatty()):
        raise Refused("Nobody can be asked here. Say --yes to change it, or --preview to look only.")


def _asked() -> bool:
    return sys.stdin.isatty() and typer.confirm("Change this?")


def _moves(shown: Any) -> list[dict[str, Any]]:
    """Each asset of an outcome, with what goes with it. Devices that are still to be made have numbers up to 0."""
    from ..store import models

    rows = shown.to_dicts()
    some = models.Asset.objects.filter(asset__in=[row["asset"] for row in rows]).only("source_id", "asset", "host_name")
    by_key = {(row.source_id, row.asset): row for row in some}
    facts = _with_facts([by_key[row["source"], row["asset"]] for row in rows])
    return [{**fact, **{name: row[name] for name in ("before", "after", "by_hand")}} for fact, row in zip(facts, rows)]


def _move_line(move: dict[str, Any]) -> str:
    after = f"device {move['after']}" if move["after"] > 0 else "a new device"
    way = f"stays in {after}" if move["after"] == move["before"] else f"from {_place(move['before'])} to {after}"
    held = "by hand" if move["by_hand"] else "by the rules"
    return f"{_asset_line(move)}: {way}, {held}"


def _place(number: int | None) -> str:
    return "no device" if number is None else f"device {number}"


def _asset_line(asset: dict[str, Any]) -> str:
    """An asset with what goes with it."""
    host = f" ({asset['host_name']})" if asset["host_name"] else ""
    tickets = _list(f"{one['number']} of {one['project']}" for one in asset["tickets"])
    return (
        f"{asset['source']}:{asset['asset']}{host}, {asset['findings']} open {_word('finding', asset['findings'])}, "
        f"tickets: {tickets}, accepted risks: {_list(map(str, asset['acceptances']))}"
    )


def _finding_line(one: dict[str, Any]) -> str:
    name = one["cve"] or ", ".join(one["vulnerabilities"])
    title = f" {one['title']}" if one["title"] else ""
    return (
        f"{name} {one['severity']}, {', '.join(one['states'])}, by {', '.join(one['sources'])}, "
        f"tickets: {_list(map(str, one['tickets']))}:{title}"
    )


def _assets_of(device: int) -> list[dict[str, Any]]:
    """The assets of a device with what goes with each, in order."""
    from ..store import models

    return _with_facts(list(models.Asset.objects.filter(device=device).order_by("source_id", "asset")))


def _with_facts(assets: list[Any]) -> list[dict[str, Any]]:
    """Stored assets with what goes with each."""
    from ..store import models
    from ..store.device_findings import facts_of_assets

    facts = facts_of_assets([(row.source_id, row.asset) for row in assets])
    names = dict(models.Source.objects.values_list("pk", "name"))
    found = []
    for row in assets:
        of = facts[row.source_id, row.asset]
        found.append(
            {
                "source": names[row.source_id],
                "asset": row.asset,
                "host_name": row.host_name,
                "findings": of.findings,
                "tickets": [{"number": number, "project": project} for number, project in of.tickets],
                "acceptances": list(of.acceptances),
            }
        )
    return found


def _device(name: str) -> Any:
    """A device by its number, else by its name in any case. Raises Refused."""
    from ..store import models

    # A number that no column can hold is a name.
    if name.isdecimal() and len(name) < 19 and (row := models.Device.objects.filter(pk=int(name)).first()):
        return row
    rows = list(models.Device.objects.filter(name__iexact=name).order_by("pk")[: MOST_NAMED + 1])
    if not rows:
        raise Refused(f"There is no device {name!r}. See: remediation device list")
    if len(rows) > 1:
        numbers = ", ".join(str(row.pk) for row in rows[:MOST_NAMED]) + (", ..." if len(rows) > MOST_NAMED else "")
        raise Refused(f"Several devices are named {name!r}. Name one by its number: {numbers}.")
    return rows[0]


def _chosen(name: str, device: Any, there: list[dict[str, Any]]) -> tuple[int, str]:
    """The key of the asset that SOURCE:ASSET names, out of those of a device. Raises Refused."""
    from ..store import models

    by_id = [one for one in there if name == f"{one['source']}:{one['asset']}"]
    by_host = [
        one for one in there if one["host_name"] and name.lower() == f"{one['source']}:{one['host_name']}".lower()
    ]
    found = by_id or by_host
    if len(found) != 1:
        known = ", ".join(f"{one['source']}:{one['asset']}" for one in there) or "none"
        what = "several assets" if found else "no asset"
        raise Refused(f"Device {device.pk} has {what} {name!r}. It has: {known}.")
    return models.Source.objects.get(name=found[0]["source"]).pk, found[0]["asset"]


def _named(row: Any) -> dict[str, Any]:
    return {"id": row.pk, "name": row.name, "by_hand": row.by_hand}


def _line(one: dict[str, Any]) -> str:
    return f"{one['id']}: {one['name']}{' (by hand)' if one['by_hand'] else ''}"


def _word(what: str, number: int) -> str:
    return what if number == 1 else f"{what}s"


def _list(texts: Any) -> str:
    return ", ".join(texts) or "none"
