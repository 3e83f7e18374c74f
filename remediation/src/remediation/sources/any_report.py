"""A report file of any format that is known: recognised by its content, and read to a snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from ..domain.naming import Naming
from ..domain.snapshot import Only, Proof, Snapshot
from . import report_file
from .delimited import Delimited, RowError, header_of, read_delimited
from .errors import NotUnderstood
from .nessus_xml import read_nessus
from .nexpose_xml import read_nexpose
from .progress import Tell, unheard
from .report_file import Holds
from .report_formats import (
    FORMATS,
    WEEKLY,
    Format,
    as_scanner_rows,
    columns_of,
    format_of,
    is_enough,
    missing_from,
    plain,
)
from .row_errors import MOST_LEFT_OUT, ROW_ERRORS, no_errors, refuse_too_many
from .scanner_rows import COLUMNS, LINE
from .scanner_snapshot import KEYS, snapshot_of_rows
from .text_in_utf8 import in_utf8
from .total_rows import without_totals
from .xml_report import kind_of_xml

MAPPED = Format("mapped", "any CSV by a mapping", frozenset())
XML_READERS = {"nessus": read_nessus, "nexpose-xml": read_nexpose}
BY_COLUMNS: Mapping[str, Format] = {one.kind: one for one in (*FORMATS, WEEKLY, MAPPED)}
KINDS = (report_file.KIND, *BY_COLUMNS, *XML_READERS)
# The columns of a scanner's row that may name a vulnerability, the best first.
NAMING = ("vulnerability", "title", "cves")


@dataclass(frozen=True)
class ReportOptions:
    """What a person says of a file.

    ``kind`` is one of KINDS, or empty: by its content. ``mapping`` tells for columns of a scanner's row which column of
    the file they are read from. ``most_left_out`` is a share of the rows. ``known`` are the assets that the series has
    so far, as in ``with_assets``.
    """

    holds: Holds = Holds.LISTED
    kind: str = ""
    only: Only = Only()
    naming: Naming = field(default_factory=Naming)
    mapping: Mapping[str, str] = field(default_factory=dict)
    most_left_out: float = MOST_LEFT_OUT
    known: pl.DataFrame | None = None


@dataclass(frozen=True)
class ReadReport:
    """``errors`` has the columns of ROW_ERRORS. ``blank`` and ``duplicate`` rows were dropped, and ``totals``, sums at
    the end. ``not_utf8`` bytes of a text in UTF-8 were read as Windows-1252. ``named_by`` is the first of NAMING that
    a row tells; empty where there are no rows, or the kind leaves no choice."""

    kind: str
    snapshot: Snapshot
    errors: pl.DataFrame
    blank: int = 0
    duplicate: int = 0
    totals: int = 0
    not_utf8: int = 0
    named_by: str = ""


def kind_of(path: Path, mapping: Mapping[str, str]) -> str:
    """The kind of a file by its content. Raises NotUnderstood."""
    xml = kind_of_xml(path)
    if xml:
        return xml
    header = header_of(path)
    if mapping:
        return MAPPED.kind
    if report_file.is_like_own(header):
        return report_file.KIND
    form = format_of(header)
    if form is None:
        raise NotUnderstood(
            f"The header is of no format that is known: it lacks {missing_from(header)}.",
            "Give it unchanged, or tell which column is what: --map host_name=COLUMN --map vulnerability=COLUMN.",
        )
    return form.kind


def read_any(path: Path, taken: datetime, options: ReportOptions, tell: Tell = unheard) -> ReadReport:
    """What a report says, ``taken`` at a time in UTC that its person tells. Raises SourceError; a report in which too
    many rows cannot be used is refused as a whole."""
    kind = options.kind or kind_of(path, options.mapping)
    if kind == report_file.KIND:
        with in_utf8(path, tell) as text:
            snapshot = report_file.read_report(text.path, taken=taken, holds=options.holds)
        return ReadReport(kind, replace(snapshot, only=options.only), no_errors(), not_utf8=text.not_utf8)
    proof = Proof.DEVICES if options.holds is Holds.DEVICES else Proof.NOTHING
    judge = partial(
        snapshot_of_rows,
        taken=taken,
        proof=proof,
        naming=options.naming,
        only=options.only,
        known=options.known,
    )
    if kind in XML_READERS:
        snapshot, errors = judge(XML_READERS[kind](path, tell))
        return _accepted(ReadReport(kind, snapshot, errors), snapshot.rows, options)
    header = header_of(path)
    form = BY_COLUMNS[kind]
    chosen = _chosen(header, form, options.mapping)
    table, named_by = _read_table(path, chosen, form, tell)
    called = {column: names[0] for column, names in chosen.items()}
    snapshot, errors = judge(table.rows, columns=called)
    # A row for each CVE of a row of the file says the same of it, and no two rows begin on one line.
    errors = pl.concat([_as_frame(table.errors), errors.unique(maintain_order=True)])
    dropped = (table.blank, table.duplicate, table.totals, table.not_utf8)
    report = ReadReport(kind, snapshot, errors, *dropped, named_by if form in (WEEKLY, MAPPED) else "")
    return _accepted(report, table.rows[LINE].n_unique() + len(table.errors), options)


def _accepted(report: ReadReport, rows: int, options: ReportOptions) -> ReadReport:
    """The report of so many rows; only what is listed counts where one of them was left out. Raises NotUnderstood where
    too many were."""
    refuse_too_many(report.errors, rows, options.most_left_out)
    if not report.errors["row_left_out"].any():
        return report
    # Nobody knows of which device a row is that cannot be read.
    return replace(report, snapshot=replace(report.snapshot, proof=Proof.NOTHING))


def _read_table(path: Path, chosen: Mapping[str, list[str]], form: Format, tell: Tell) -> tuple[Delimited, str]:
    """The file with the columns of SCANNER_ROWS, and which of NAMING names its vulnerabilities. Headers that it repeats
    count as blank rows."""
    once = {name: by for name in chosen.get("description", ()) for by in _naming(chosen)}
    table = read_delimited(path, {name for names in chosen.values() for name in names}, tell, once)
    tell("the rows are made findings")
    body, headers = _without_headers(table.rows, chosen)
    body, totals = without_totals(body, [name for column in KEYS for name in chosen.get(column, ())])
    named_by = next((name for name in NAMING if any(body[one].count() for one in chosen.get(name, ()))), "")
    rows = as_scanner_rows(body, chosen, form)
    return replace(table, rows=rows, blank=table.blank + headers, totals=table.totals + totals), named_by


def _naming(chosen: Mapping[str, list[str]]) -> list[str]:
    """The column that names the vulnerability, if one does in every row; else all texts have to be kept."""
    return next(([names[0]] for column in ("vulnerability", "title") if len(names := chosen.get(column, [])) == 1), [])


def _chosen(header: list[str], form: Format, mapping: Mapping[str, str]) -> dict[str, list[str]]:
    if mapping:
        unknown = sorted(set(mapping) - set(COLUMNS))
        if unknown:
            raise NotUnderstood(f"There is no {unknown[0]!r} to map.", f"There are: {', '.join(COLUMNS)}.")
        there = {plain(name) for name in header}
        absent = sorted(name for name in mapping.values() if plain(name) not in there)
        if absent:
            raise NotUnderstood(
                f"The file has no column {absent[0]!r}, which its mapping names.",
                "Give a file with that column, or another mapping.",
            )
    chosen = columns_of(header, form, mapping)
    if not mapping and not is_enough(header, form):
        raise NotUnderstood(
            f"The header is none of {form.label}: it lacks {missing_from(header)}.",
            "Give the report unchanged, or leave --kind out.",
        )
    return chosen


def _without_headers(rows: pl.DataFrame, chosen: Mapping[str, list[str]]) -> tuple[pl.DataFrame, int]:
    """The rows without those that repeat the header, as in files that were put together; and how many those are."""
    repeats = pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
    for name in sorted({name for columns in chosen.values() for name in columns}):
        # A name that stands there twice has a number behind it.
        repeats &= rows[name].str.strip_chars().is_in([name, re.sub(r" \(\d+\)$", "", name)]).fill_null(False)
        # In most files, the first columns show that no row repeats it.
        if not repeats.any():
            return rows, 0
    body = rows.filter(~repeats)
    return body, rows.height - body.height


def _as_frame(errors: list[RowError]) -> pl.DataFrame:
    rows = [(one.line, one.column, one.what, True) for one in errors]
    return pl.DataFrame(rows, schema=ROW_ERRORS, orient="row")
