"""The command ``reconcile``."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from ..ending import Ending
from .opened import AsJson, Data, answer, one, opened, quiet


def reconcile(
    connection: Annotated[str, typer.Option(help="One Halo connection. Without it, all.")] = "",
    apply: Annotated[
        bool, typer.Option("--apply", help="Put right what differs. Without it, it is only listed.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Compare all that is kept of tickets with HaloITSM, as after a restored backup. Nothing is written to HaloITSM.

    Exit code 3 where something could be put right, or could not be read.
    """
    with opened(data):
        from ..jobs import work
        from ..store import models

        rows = (
            [one(models.Connection.objects, connection, "connection")]
            if connection
            else list(models.Connection.objects.order_by("name"))
        )
        say = quiet if as_json else partial(typer.echo, err=True)
        done = {row.name: work.attempt(partial(work.reconcile, row, apply=apply, say=say)) for row in rows}
        lines = [line for name, ended in done.items() for line in _lines(name, ended)]
        if not apply and any(item["is_applied"] for ended in done.values() for item in ended.value.get("found", ())):
            lines.append("Put it right with: remediation reconcile --apply")
        answer(
            as_json,
            {"connections": {name: ended.value for name, ended in done.items()}},
            "\n".join(lines or ["There is no connection yet."]),
        )
        raise typer.Exit(Ending.worst(ended.ending for ended in done.values()))


def _lines(name: str, ended: Any) -> list[str]:
    items = ended.value.get("found", ())
    first, *rest = ended.text.splitlines()
    return [f"{name}: {first}", *(f"  {line}" for line in rest), *map(_line, items)]


def _line(item: dict[str, Any]) -> str:
    ticket = f"ticket {item['number']}" if item["number"] else "a ticket that is being made"
    of = f" ({item['of']})" if item["of"] else ""
    return f"  {item['kind']:<10} {ticket}{of} {item['found']}: {item['remedy']}"
