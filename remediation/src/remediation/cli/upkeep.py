"""The commands that keep the service: ``check``, ``backup``, ``restore``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..data_folder import data_folder, make_data_folder
from ..ending import Ending
from ..folder_check import Checked, check_folder
from ..store.unprivileged import EmbeddedError
from .ending import Refused
from .opened import AsJson, Data, answer, opened


def check(data: Data = None, as_json: AsJson = False) -> None:
    """Whether all that the service needs is there and answers; exit code 0 only if it is. Changes nothing."""
    done = []
    for one in _checked(data):
        done.append(one)
        if not as_json:
            typer.echo(f"{'OK' if one.ok else 'WRONG':<6} {one.what}: {one.text}")
    wrong = [one for one in done if not one.ok]
    text = f"{len(wrong)} of {len(done)} are wrong." if wrong else f"All {len(done)} are well."
    answer(as_json, {"ok": not wrong, "checks": [vars(one) for one in done]}, text)
    raise typer.Exit(Ending.FAILED if wrong else Ending.DONE)


def _checked(data: Path | None) -> Iterator[Checked]:
    folder = data or data_folder()
    try:
        make_data_folder(folder, to_write=False)
    except OSError as error:
        yield Checked("data folder", str(error), False)
        return
    yield from check_folder(folder)
    try:
        with opened(data, migrated=False):
            from ..jobs.check import check_all

            yield from check_all()
    except EmbeddedError as error:
        yield Checked("database", str(error), False)


def backup(
    file: Path,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All that the service knows, as it is at one moment, in one file. The key to its secrets is not in it."""
    with opened(data), _refusing():
        from django.utils import timezone

        from ..store.backup import write_backup
        from ..store.sealed import unopened
        from ..store.secrets import key_place

        made = write_backup(file, timezone.now(), force=force)
        secrets, _ = unopened()
        value = {"file": str(file), "rows": made.rows, "tables": len(made.tables), "key": key_place()}
        text = f"{file} holds {made.rows} rows of {len(made.tables)} tables."
        kept = f"Not in it is the key, {key_place()}: keep a copy of it in another place than the backup."
        need = f"Without it, the {secrets} secrets in the backup cannot be opened."
        answer(as_json, value, f"{text}\n{kept} {need}")


def restore(
    file: Path,
    replace: Annotated[bool, typer.Option("--replace", help="Drop what is in the database.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a backup, whichever version of PostgreSQL it is of. All of it, or nothing."""
    with opened(data, migrated=False), _refusing():
        from ..store.backup_file import opened_backup
        from ..store.restore import restore as restored
        from ..store.sealed import unopened
        from ..store.secrets import key_place

        with opened_backup(file) as read:
            made = read.manifest
            restored(read, replace=replace)
        secrets, trouble = unopened()
        value = {"rows": made.rows, "tables": len(made.tables), "made": made.made, "secrets": secrets}
        lines = [f"{made.rows} rows of {len(made.tables)} tables are restored, as they were on {made.made}."]
        if trouble:
            lines += [f"{len(trouble)} of {secrets} secrets cannot be opened:"]
            lines += [f"  {what}: {why}" for what, why in trouble.items()]
        elif secrets:
            lines += [f"The key, {key_place()}, opens all of {secrets} secrets."]
        # What was done since the backup is in HaloITSM, and would be done again.
        lines.append("Before the service is started: remediation reconcile --apply")
        answer(as_json, {**value, "unopened": list(trouble)}, "\n".join(lines))


@contextmanager
def _refusing() -> Iterator[None]:
    from ..store.backup_file import BackupError

    try:
        yield
    except BackupError as error:
        raise Refused(str(error)) from None
