"""A snapshot as bytes and back, and a hash of what it holds. Pure."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import polars as pl

from ..domain.observe import in_force
from ..domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, FIXED, Snapshot
from .copy import array_literal, csv_slices

FRAMES: dict[str, dict[str, Any]] = {
    "findings": FINDINGS,
    "assets": ASSETS,
    "coverage": COVERAGE,
    "exceptions": EXCEPTIONS,
    "fixed": FIXED,
}
# What differs between the findings of one vulnerability. All else is the same for most of them.
_OF_EACH = ("asset", "instances", "first_found", "last_found", "reintroduced")


def pack(snapshot: Snapshot) -> bytes:
    """The frames, each as a parquet file with zstd, in one zip that adds no compression of its own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as files:
        for name in FRAMES:
            one = io.BytesIO()
            frame: pl.DataFrame = getattr(snapshot, name)
            frame.write_parquet(one, compression="zstd")
            files.writestr(f"{name}.parquet", one.getbuffer())
    return packed.getvalue()


def unpack(packed: bytes) -> dict[str, pl.DataFrame]:
    """The frames by name. What an earlier release did not pack is null, or an empty frame."""
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        there = set(files.namelist())
        read = {
            name: pl.read_parquet(io.BytesIO(files.read(f"{name}.parquet")))
            for name in FRAMES
            if f"{name}.parquet" in there
        }
    return {name: _completed(read.get(name), schema) for name, schema in FRAMES.items()}


def content_hash(snapshot: Snapshot) -> str:
    """64 hexadecimal digits: the same for the same rows in any order, whenever they were taken.

    Exceptions that had run out when the snapshot was taken do not count: the day on which one runs out is news.
    """
    digest = hashlib.sha256(f"{snapshot.proof.value} {snapshot.only}".encode())
    told, findings = _apart(snapshot.findings)
    exceptions = in_force(snapshot.exceptions, snapshot.taken.date())
    others = {name: getattr(snapshot, name) for name in FRAMES}
    for name, frame in {"told": told, **others, "findings": findings, "exceptions": exceptions}.items():
        digest.update(f"\n{name} {','.join(frame.columns)}\n".encode())
        for part in csv_slices(_in_order(frame)):
            digest.update(part)
    return digest.hexdigest()


def _completed(frame: pl.DataFrame | None, schema: dict[str, Any]) -> pl.DataFrame:
    if frame is None:
        return pl.DataFrame(schema=schema)
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, kind).alias(name) for name, kind in schema.items()
    )


def _apart(findings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is told of vulnerabilities and solutions, each once, with its number; and the findings with that number
    instead: a third of the time of writing all of it for each finding."""
    shared = [name for name in findings.columns if name not in _OF_EACH]
    # Rows are the same where both hashes are, 128 bits: to compare the rows takes half a gigabyte for a million.
    alike = [findings.select(shared).hash_rows(seed).alias(f"hash{seed}") for seed in range(2)]
    marks = [mark.name for mark in alike]
    marked = findings.with_columns(alike)
    numbered = _in_order(marked.select(*shared, *marks).unique(marks)).with_row_index("number")
    found = marked.select(*_OF_EACH, *marks).join(numbered.select("number", *marks), on=marks)
    return numbered.select("number", *shared), found.select("number", *_OF_EACH)


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in an order that does not depend on how they came; lists as texts, and moments as numbers, which are
    quicker to write."""
    lists = [array_literal(name) for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    plain = frame.with_columns([*lists, pl.col(pl.Datetime).cast(pl.Int64)])
    return plain.sort(plain.columns)
