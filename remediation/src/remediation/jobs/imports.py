"""A file that a person brings, taken in as the newest of a series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from ..domain.snapshot import Snapshot
from ..sources.any_report import KINDS, MAPPED, ReadReport, ReportOptions, read_any
from ..sources.clean_devices import named, with_clean
from ..sources.copied import copied
from ..sources.errors import SourceError
from ..sources.progress import Tell, unheard
from ..sources.report_file import Holds
from ..sources.row_errors import SHOWN, told
from ..store import models
from ..store.bulk import lock, read_assets
from ..store.json_keys import change_keys
from ..store.source_naming import naming_of
from .work import Ended, import_report

AndThen = Callable[[models.Source, Snapshot], None]
# How many errors of rows are told in a text; the JSON has SHOWN.
FEW = 10
_WORDS = {"vulnerability": "id", "title": "title", "cves": "CVE"}


class NotImported(SourceError):
    """What a person says of a file does not fit it, its source, or itself."""


def import_file(
    file: Path,
    source: str,
    options: ReportOptions = ReportOptions(),
    *,
    clean: Sequence[str] = (),
    accept: bool = False,
    errors_to: Path | None = None,
    tell: Tell = unheard,
    and_then: AndThen = lambda source, snapshot: None,
) -> Ended:
    """Take a file in for the source of that name, which is made where there is none.

    Its naming rules are the source's own, and so is its mapping where ``options`` have none: the source remembers the
    last. ``clean`` are devices that a full file should hold and that are clean, by name, address or id. ``accept``:
    coverage that shrank is real. ``errors_to`` gets all that was wrong with rows, as CSV. ``tell`` hears how far the
    work is. ``and_then`` is called with the stored source and what the file says, as part of the same change. Raises
    SourceError and Suspicious; nothing is changed then.
    """
    _refuse_contradictions(options, clean)
    row = models.Source.objects.filter(name=source).first() or models.Source(name=source)
    if row.kind and row.kind not in KINDS:
        raise NotImported(
            f"The source {source!r} is no series of files, but {row.kind}.", "Give files their own source."
        )
    mapping = dict(options.mapping or ({} if options.kind else row.settings.get("mapping", {})))
    known = read_assets(row.pk or 0)
    options = replace(options, naming=naming_of(row), mapping=mapping, known=known)
    with copied(file, tell) as copy:
        tell("the rows are read")
        report = read_any(copy, timezone.now(), options, tell)
    _require_kind(row, report.kind)
    _require_naming(row, report.named_by)
    if errors_to and report.errors.height:
        report.errors.write_csv(errors_to)
    if not report.snapshot.rows and not clean:
        raise NotImported(
            f"{file} is empty: the source covers no asset at all.", "Name each device that is clean: --clean HOST."
        )
    assets = named(clean, known)
    with transaction.atomic():
        _claim(row, report)
        kept: dict[str, Any] = {"mapping": mapping} if report.kind == MAPPED.kind else {}
        if report.named_by:
            kept["named_by"] = report.named_by
        if kept:
            change_keys(row, "settings", kept)
        ended = import_report(row, with_clean(report.snapshot, assets, known), accept=accept, tell=tell)
        and_then(row, report.snapshot)
    lines = [ended.text, *_dropped(report), *(_clean_line(host, same) for host, same in assets.items())]
    value = {
        **ended.value,
        "kind": report.kind,
        "rows_dropped": _counts(report),
        "bytes_not_utf8": report.not_utf8,
        **({"clean": assets} if clean else {}),
    }
    return replace(ended, value=value, text="\n".join(lines))


def _claim(row: models.Source, report: ReadReport) -> None:
    """Make the source, or give it its kind, while nobody else changes it. Raises NotImported."""
    stored, is_new = models.Source.objects.get_or_create(name=row.name, defaults={"kind": report.kind})
    row.pk = stored.pk
    if not is_new:
        # Others may have brought the first file, or changed the settings, while this one was read.
        lock(stored.pk)
    row.refresh_from_db()
    _require_kind(row, report.kind)
    _require_naming(row, report.named_by)
    if not row.kind:
        row.kind = report.kind
        row.save(update_fields=["kind"])


def _require_kind(row: models.Source, kind: str) -> None:
    """Files of one series have one kind: others name assets and vulnerabilities otherwise. Raises NotImported."""
    if row.kind and row.kind != kind:
        raise NotImported(
            f"The file is a report of kind {kind}, and those of {row.name!r} are of kind {row.kind}: they do not name "
            "assets and vulnerabilities alike.",
            "Give it a source of its own.",
        )


def _require_naming(row: models.Source, named_by: str) -> None:
    """Files of one series name vulnerabilities alike: else all that is known would go missing, and come again under
    other names. Raises NotImported."""
    before = row.settings.get("named_by")
    if before and named_by and before != named_by:
        raise NotImported(
            f"The file names vulnerabilities by {_WORDS[named_by]}, and those of {row.name!r} before it by "
            f"{_WORDS[before]}: what is the same would be taken for something else.",
            "Give the same columns as before, or give it a source of its own.",
        )


def _refuse_contradictions(options: ReportOptions, clean: Sequence[str]) -> None:
    if options.kind and options.kind not in KINDS:
        raise NotImported(f"There is no kind of file {options.kind!r}.", f"There are: {', '.join(KINDS)}.")
    if options.holds is Holds.LISTED and clean:
        raise NotImported(
            "With --coverage listed only what is listed is known, so no device is clean.",
            "Leave --clean out, or say that the file holds all findings of its devices: --coverage devices.",
        )
    if options.holds is Holds.LISTED and options.only:
        raise NotImported(
            "With --coverage listed only what is listed is known, whatever the filter of the report was.",
            "Leave the filter out, or say that the file holds all that passes it: --coverage devices.",
        )


def _counts(report: ReadReport) -> dict[str, Any]:
    left_out = report.errors.filter("row_left_out").height
    return {
        "blank": report.blank,
        "duplicate": report.duplicate,
        "totals": report.totals,
        "left_out": left_out,
        "values_left_out": report.errors.height - left_out,
        "errors": told(report.errors, SHOWN),
    }


def _dropped(report: ReadReport) -> list[str]:
    """What of the rows was not used, in lines."""
    counts = _counts(report)
    words = {
        "blank": "blank rows",
        "duplicate": "rows that stand there twice",
        "totals": "rows of sums at the end",
        "left_out": "rows with errors",
    }
    lines = [f"Left out: {counts[name]} {word}." for name, word in words.items() if counts[name]]
    if counts["left_out"]:
        lines.append("Nobody knows of which devices they are, so what this file lacks is not counted as missing.")
    if counts["values_left_out"]:
        lines.append(f"Left out: {counts['values_left_out']} values; their findings are kept.")
    if report.not_utf8:
        lines.append(f"{report.not_utf8} bytes are no UTF-8, as the others are. They are read as Windows-1252.")
    errors = counts["errors"][:FEW]
    more = report.errors.height - len(errors)
    return [*lines, *(f"  {text}" for text in errors), *([f"  ... and {more} more: --errors FILE"] if more > 0 else [])]


def _clean_line(host: str, assets: list[str]) -> str:
    several = f", all {len(assets)} of that name" if len(assets) > 1 else ""
    return f"Clean: {host} (asset {', '.join(assets)}{several})."
