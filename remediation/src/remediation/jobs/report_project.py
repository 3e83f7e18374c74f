"""A static project of exactly the findings that a report lists."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ..domain.ledger import KEY
from ..domain.snapshot import Snapshot
from ..sources.any_report import ReportOptions
from ..sources.progress import Tell, unheard
from ..sources.report_file import Holds
from ..store import bulk, models
from .imports import NotImported, import_file
from .work import Ended


def make_of_report(
    project: models.Project, file: Path, source: str, options: ReportOptions, tell: Tell = unheard
) -> Ended:
    """Take a file in for the source of that name, of which only what is listed counts, and store the new project over
    the findings that it lists, also those that it calls accepted or fixed.

    Raises what ``import_file`` raises, IntegrityError where the project cannot be stored, and ValueError for options
    and settings that do not fit; nothing is changed then.
    """
    if options.holds is not Holds.LISTED or not project.settings["static"]:
        raise ValueError("A project of a report's findings is static, and of the report only what is listed counts.")

    def store(of: models.Source, said: Snapshot) -> None:
        listed = pl.concat([frame.select(KEY) for frame in (said.findings, said.exceptions, said.fixed)])
        if listed.is_empty():
            raise NotImported(f"{file} lists no finding.", "Give a report that does.")
        project.source = of
        project.save()
        bulk.write_listed(project.pk, listed)

    return import_file(file, source, options, tell=tell, and_then=store)
