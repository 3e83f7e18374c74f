"""What a source that tells only changes has told before: sources.open_instances."""

from __future__ import annotations

import io

import polars as pl

from . import models


def are_stored(source_id: int) -> bool:
    """Whether it was ever stored which instances a source has."""
    return models.OpenInstances.objects.filter(source_id=source_id).exists()


def read_instances(source_id: int) -> pl.DataFrame:
    """The instances that a source is known to have. Raises DoesNotExist where they were never stored."""
    stored = models.OpenInstances.objects.values_list("rows", flat=True).get(source_id=source_id)
    return pl.read_parquet(io.BytesIO(stored))


def write_instances(source_id: int, instances: pl.DataFrame) -> None:
    """Store them in the place of those before."""
    packed = io.BytesIO()
    instances.write_parquet(packed, compression="zstd")
    models.OpenInstances.objects.update_or_create(source_id=source_id, defaults={"rows": packed.getvalue()})
