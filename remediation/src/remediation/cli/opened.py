"""What most commands begin with and end with: the store is opened, a row is looked up, an answer is printed."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from ..data_folder import data_folder, make_data_folder
from ..domain.names import refused
from .ending import Refused

Data = Annotated[Optional[Path], typer.Option("--data", envvar="REMEDIATION_DATA", help="The folder of the service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def opened(data: Path | None, *, migrated: bool = True) -> Iterator[None]:
    """The store, ready to be used: the embedded PostgreSQL of the data folder, or the one that DATABASE_URL names.

    ``migrated=False`` leaves the database as it is.
    """
    folder = data or data_folder()
    embedded = not os.environ.get("DATABASE_URL")
    make_data_folder(folder, to_write=embedded)
    os.environ["REMEDIATION_DATA"] = str(folder)
    if embedded:
        from ..store.embedded import EmbeddedPostgres

        os.environ["DATABASE_URL"] = EmbeddedPostgres(folder / "postgres").start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remediation.settings")
    import django

    django.setup()
    if migrated:
        from ..store.migrated import migrate

        migrate()
    yield


def text_of(file: Path) -> str:
    """The text of a file that somebody named. Raises Refused."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Refused(f"{file} cannot be read: {reason}.") from None


def table_of(file: Path) -> dict[str, Any]:
    """A TOML file. Raises Refused."""
    try:
        return tomllib.loads(text_of(file))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{file} is no TOML: {error}.") from None


def answer(as_json: bool, value: dict[str, Any], text: str) -> None:
    """Print a value as JSON, or the text."""
    typer.echo(json.dumps(value, default=str) if as_json else text)


def one(manager: Any, name: str, what: str) -> Any:
    """The row with a name. Raises Refused, which names those there are."""
    found = manager.filter(name=name).first()
    if found is None:
        known = ", ".join(manager.values_list("name", flat=True)) or "none"
        raise Refused(f"There is no {what} named {name!r}. There are: {known}.")
    return found


def require_name(name: str, what: str) -> None:
    """Raises Refused where a new ``what`` cannot have the name."""
    why = refused(name)
    if why:
        raise Refused(f"The name of a {what} cannot be used: {why}.")


def quiet(_: str) -> None:
    """Says nothing, for commands whose only output is JSON."""
