"""The commands about sources: ``source add``, ``source read``, ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, text_of


def add(
    name: str,
    kind: Annotated[str, typer.Option(help="insightvm")],
    url: Annotated[str, typer.Option(help="https://console:3780")],
    user: Annotated[str, typer.Option(help="A user that may make reports.")],
    password_file: Annotated[Path, typer.Option(help="A file that holds the password.")],
    ca_file: Annotated[Optional[Path], typer.Option(help="The certificate authority of the console.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A scanner whose findings are read."""
    if kind != "insightvm":
        raise Refused(f"There is no source kind {kind!r}. There is: insightvm.")
    password = text_of(password_file).strip()
    if not password:
        raise Refused(f"{password_file} is empty.")
    with opened(data):
        from ..store import models
        from ..store.secrets import seal

        settings = {"url": url, "user": user, "ca_file": str(ca_file) if ca_file else ""}
        models.Source.objects.update_or_create(
            name=name, defaults={"kind": kind, "settings": settings, "secret": seal(password)}
        )
        answer(as_json, {"name": name, "kind": kind}, f"Source {name!r} is {url}.")


AcceptCoverage = Annotated[bool, typer.Option("--accept-coverage", help="Take in coverage that shrank as real.")]


def read(name: str, accept_coverage: AcceptCoverage = False, data: Data = None, as_json: AsJson = False) -> None:
    """Read a source now."""
    with opened(data):
        from ..jobs.work import read_source
        from ..store import models

        ended = read_source(one(models.Source.objects, name, "source"), accept=accept_coverage)
        answer(as_json, ended.value, ended.text)


def import_file(
    file: Path,
    source: Annotated[str, typer.Option(help="The source that the file speaks for.")],
    accept_coverage: AcceptCoverage = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in a report file that has the header of the console's findings report."""
    if not file.is_file():
        raise Refused(f"There is no file {file}.")
    with opened(data):
        from django.utils import timezone

        from ..jobs.work import import_report
        from ..sources.report_file import read_report
        from ..store import models

        known = models.Source.objects.filter(name=source).first()
        snapshot = read_report(file, taken=timezone.now())
        row = known or models.Source(name=source, kind="insightvm-report")
        ended = import_report(row, snapshot, accept=accept_coverage)
        answer(as_json, ended.value, ended.text)
