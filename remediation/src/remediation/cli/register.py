"""The command ``device register``: brings the organisation's register of devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from .approvals import approver
from .ending import Refused
from .opened import AsJson, Data, answer, opened

MOST_NAMED = 20


def register(
    file: Annotated[Path, typer.Argument(help="A CSV file with a device in each row, or one compressed with gzip.")],
    column: Annotated[
        Optional[list[str]],
        typer.Option(help="FIELD=COLUMN, as name=Computer: name, aliases, addresses, owner, site, criticality."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="What the file does not hold stays in the register.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where nobody can be asked.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take a register of devices in: what else they are called, and whose they are."""
    with opened(data):
        from ..sources.register_file import read_register
        from ..store.register import RegisterChanged, SharedNames, look, take_in

        found = read_register(file, _chosen(column or []))
        try:
            shown = look(found.entries, keeps=keep)
        except SharedNames as error:
            raise Refused(str(error)) from None
        changes = shown.difference
        words = ("new", "changed", "gone")
        value: dict[str, Any] = {
            **{word: [one.name for one in getattr(changes, word)] for word in words},
            "same": changes.same,
            "columns": found.columns,
            "moves": _moves(shown.assets),
        }
        if changes.is_none:
            answer(as_json, {**value, "taken": False}, "The register holds the same already. Nothing was changed.")
            return
        if not as_json:
            typer.echo("\n".join(_lines(value)))
        wanted = not preview and (yes or (not as_json and sys.stdin.isatty() and typer.confirm("Take it in?")))
        if wanted:
            try:
                take_in(found.entries, shown.seen, approver(), file.name, keeps=keep)
            except (RegisterChanged, SharedNames) as error:
                raise Refused(f"{error} Look again.") from None
        answer(as_json, {**value, "taken": wanted}, "The register was taken in." if wanted else "Nothing was changed.")
        if not (wanted or preview) and (as_json or not sys.stdin.isatty()):
            raise Refused("Nobody can be asked here. Say --yes to take it in, or --preview to look only.")


def _chosen(given: list[str]) -> dict[str, str]:
    """Raises Refused."""
    from ..sources.register_file import NAMES

    found = {}
    for text in given:
        name, sign, column = (part.strip() for part in text.partition("="))
        if not (sign and column and name in NAMES):
            raise Refused(f"{text!r} is not of the form FIELD=COLUMN. The fields are: {', '.join(NAMES)}.")
        found[name] = column
    return found


def _moves(assets: Any) -> list[dict[str, Any]]:
    """Each asset that goes to another device, by names; a device that is new has none."""
    from ..store import models

    rows = [row for row in assets.to_dicts() if row["before"] != row["after"]]
    names = dict(models.Device.objects.values_list("pk", "name")) if rows else {}
    sources = dict(models.Source.objects.values_list("pk", "name"))
    return [
        {
            "source": sources[row["source"]],
            "asset": row["asset"],
            "before": names.get(row["before"]),
            "after": names.get(row["after"]),
        }
        for row in rows
    ]


def _lines(value: dict[str, Any]) -> list[str]:
    lines = [f"{title} from {column!r}" for title, column in value["columns"].items()]
    for word in ("new", "changed", "gone"):
        names = value[word]
        more = f", ... and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        lines.append(f"{len(names)} {word}{': ' if names else ''}{', '.join(names[:MOST_NAMED])}{more}")
    lines.append(f"{value['same']} the same")
    moves = value["moves"]
    lines += [
        f"{one['source']}:{one['asset']} goes from {one['before'] or 'no device'} to {one['after'] or 'a new device'}"
        for one in moves[:MOST_NAMED]
    ]
    lines += [f"... and {len(moves) - MOST_NAMED} more assets"] if len(moves) > MOST_NAMED else []
    return lines if moves else [*lines, "No asset goes to another device."]
