"""A snapshot as bytes and back, and a hash of what it holds. Pure."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace

import polars as pl

from ..domain.observe import in_force
from ..domain.snapshot import Snapshot
from .copy import csv_slices

FRAMES = ("findings", "assets", "coverage", "exceptions")


def pack(snapshot: Snapshot) -> bytes:
    """The four frames, each as a parquet file with zstd, in one zip that adds no compression of its own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as files:
        for name in FRAMES:
            one = io.BytesIO()
            frame: pl.DataFrame = getattr(snapshot, name)
            frame.write_parquet(one, compression="zstd")
            files.writestr(f"{name}.parquet", one.getbuffer())
    return packed.getvalue()


def unpack(packed: bytes) -> dict[str, pl.DataFrame]:
    """The frames by name, with the columns and types that they had."""
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        return {name: pl.read_parquet(io.BytesIO(files.read(f"{name}.parquet"))) for name in FRAMES}


def content_hash(snapshot: Snapshot) -> str:
    """64 hexadecimal digits: the same for the same rows in any order, whenever they were taken.

    Exceptions that had run out when the snapshot was taken do not count: the day on which one runs out is news.
    """
    digest = hashlib.sha256(snapshot.proof.value.encode())
    snapshot = replace(snapshot, exceptions=in_force(snapshot.exceptions, snapshot.taken.date()))
    for name in FRAMES:
        frame: pl.DataFrame = getattr(snapshot, name)
        digest.update(f"\n{name} {','.join(frame.columns)}\n".encode())
        for part in csv_slices(_in_order(frame)):
            digest.update(part)
    return digest.hexdigest()


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in an order that does not depend on how they came."""
    first = [name for name in ("asset", "vulnerability", "exception") if name in frame.columns]
    others = [name for name, kind in frame.schema.items() if name not in first and not isinstance(kind, pl.List)]
    return frame.sort([*first, *others])
