"""A file that a person brings, taken in as the newest of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from django.utils import timezone

from ..sources.clean_devices import named, with_clean
from ..sources.copied import copied
from ..sources.errors import SourceError
from ..sources.progress import Tell, unheard
from ..sources.report_file import KIND, KINDS, Holds, read_report
from ..store import models
from ..store.bulk import read_assets
from .work import Ended, import_report


class NotImported(SourceError):
    """What a person says of a file does not fit it, its source, or itself."""


def import_file(
    file: Path,
    source: str,
    *,
    kind: str = "",
    coverage: str = Holds.DEVICES.value,
    clean: Sequence[str] = (),
    accept: bool = False,
    tell: Tell = unheard,
) -> Ended:
    """Take a file in for the source of that name, which is made where there is none.

    ``kind`` is one of KINDS, found by the header where it is empty; ``coverage`` one of Holds. ``clean`` are devices
    that a full file should hold and that are clean, by name, address or id. ``accept``: coverage that shrank is real.
    ``tell`` hears how far the work is. Raises SourceError and Suspicious; nothing is changed then.
    """
    holds = _holds(kind, coverage, clean)
    row = models.Source.objects.filter(name=source).first() or models.Source(name=source, kind=KIND)
    if row.kind != KIND:
        raise NotImported(
            f"The source {source!r} is no series of files, but {row.kind}.", "Give files their own source."
        )
    with copied(file, tell) as copy:
        tell("the rows are read")
        snapshot = read_report(copy, taken=timezone.now(), holds=holds)
    if not snapshot.rows and not clean:
        raise NotImported(
            f"{file} is empty: the source covers no asset at all.", "Name each device that is clean: --clean HOST."
        )
    known = read_assets(row.pk or 0)
    assets = named(clean, known)
    ended = import_report(row, with_clean(snapshot, assets, known), accept=accept, tell=tell)
    if not assets:
        return ended
    lines = [_clean_line(host, same) for host, same in assets.items()]
    return replace(ended, value={**ended.value, "clean": assets}, text="\n".join([ended.text, *lines]))


def _holds(kind: str, coverage: str, clean: Sequence[str]) -> Holds:
    """What a person says that the file holds. Raises NotImported."""
    if kind and kind not in KINDS:
        raise NotImported(f"There is no kind of file {kind!r}.", f"There is: {', '.join(KINDS)}.")
    known = [one.value for one in Holds]
    if coverage not in known:
        raise NotImported(f"There is no coverage {coverage!r}.", f"There are: {', '.join(known)}.")
    if clean and coverage == Holds.LISTED.value:
        raise NotImported(
            "With --coverage listed only what is listed is known, so no device is clean.", "Leave --clean out."
        )
    return Holds(coverage)


def _clean_line(host: str, assets: list[str]) -> str:
    several = f", all {len(assets)} of that name" if len(assets) > 1 else ""
    return f"Clean: {host} (asset {', '.join(assets)}{several})."
