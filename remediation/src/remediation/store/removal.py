"""Forgets a source and all that it ever said."""

from __future__ import annotations

from django.db import connection, transaction
from psycopg import sql

from . import models
from .copy import lock
from .devices import regroup

# What has rows of a source, beside its projects. A test holds it against the models.
TABLES = (
    *("store_observation", "store_finding", "store_asset", "store_vulnerability", "store_solution", "store_remedy"),
    "store_searchedvulnerability",
    *("store_snapshotrecord", "store_consoleexception", "store_riskacceptance", "store_run", "store_dailycount"),
    "store_openinstances",
)
_ENRICHMENTS = """
DELETE FROM store_enrichment USING store_vulnerability AS vulnerability
WHERE vulnerability.id = vulnerability_id AND source_id = %s
"""


class InUse(Exception):
    """A project uses the source; the text names it."""


@transaction.atomic
def remove_source(source: models.Source) -> None:
    """Delete a source, and its rows in every table. Raises InUse.

    Table by table and not by Django, which would fetch the rows first.
    """
    lock(source.pk)
    projects = ", ".join(source.projects.order_by("name").values_list("name", flat=True))
    if projects:
        raise InUse(
            f"The source {source.name!r} is used by: {projects}. Its findings are the reasons for their tickets."
        )
    with connection.cursor() as cursor:
        cursor.execute(_ENRICHMENTS, [source.pk])
        for table in TABLES:
            cursor.execute(sql.SQL("DELETE FROM {} WHERE source_id = %s").format(sql.Identifier(table)), [source.pk])
        cursor.execute("DELETE FROM store_source WHERE id = %s", [source.pk])
    transaction.on_commit(regroup)
