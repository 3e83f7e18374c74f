"""The commands about sources: ``source add``, ``source read``, ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, text_of
from .progress import progress

if TYPE_CHECKING:
    from ..sources.report_file import Holds


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

        row = one(models.Source.objects, name, "source")
        with progress(name, as_json) as tell:
            ended = read_source(row, accept=accept_coverage, tell=tell)
        answer(as_json, ended.value, ended.text)


def import_file(
    file: Path,
    source: Annotated[str, typer.Option(help="The source that the file speaks for.")],
    kind: Annotated[str, typer.Option(help="insightvm-report; by the header where it is not given.")] = "",
    coverage: Annotated[str, typer.Option(help="devices: all findings of the devices in it; or listed.")] = "devices",
    clean: Annotated[
        Optional[list[str]], typer.Option(help="A device that the file should hold, and is clean.")
    ] = None,
    accept_coverage: AcceptCoverage = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in a report file that has the header of the console's findings report.

    --coverage listed: what is not in the file may be there all the same. --clean can be given several times.
    """
    from ..sources.copied import copied
    from ..sources.report_file import KIND, KINDS, read_report

    if kind and kind not in KINDS:
        raise Refused(f"There is no kind of file {kind!r}. There is: {', '.join(KINDS)}.")
    holds = _holds(coverage, clean)
    with progress(file.name, as_json) as tell, copied(file, tell) as copy, opened(data):
        from django.utils import timezone

        from ..jobs.work import import_report
        from ..sources.clean_devices import named, with_clean
        from ..store import models
        from ..store.bulk import read_assets

        row = models.Source.objects.filter(name=source).first() or models.Source(name=source, kind=KIND)
        if row.kind != KIND:
            raise Refused(
                f"The source {source!r} is no series of such files, but {row.kind}. Give files a source of their own."
            )
        tell("the rows are read")
        snapshot = read_report(copy, taken=timezone.now(), holds=holds)
        if not snapshot.rows and not clean:
            raise Refused(
                f"{file} is empty: the source covers no asset at all. Name each device that is clean: --clean HOST."
            )
        known = read_assets(row.pk or 0)
        assets = named(clean or (), known)
        ended = import_report(row, with_clean(snapshot, assets, known), accept=accept_coverage, tell=tell)
    lines = [_clean_line(host, same) for host, same in assets.items()]
    answer(as_json, {**ended.value, **({"clean": assets} if assets else {})}, "\n".join([ended.text, *lines]))


def _holds(coverage: str, clean: list[str] | None) -> Holds:
    from ..sources.report_file import Holds

    known = [one.value for one in Holds]
    if coverage not in known:
        raise Refused(f"There is no coverage {coverage!r}. There are: {', '.join(known)}.")
    holds = Holds(coverage)
    if clean and holds is Holds.LISTED:
        raise Refused("With --coverage listed only what is listed is known, so no device is clean: leave --clean out.")
    return holds


def _clean_line(host: str, assets: list[str]) -> str:
    several = f", all {len(assets)} of that name" if len(assets) > 1 else ""
    return f"Clean: {host} (asset {', '.join(assets)}{several})."
