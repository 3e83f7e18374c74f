"""A folder that a series of files comes through: what is put there is taken in, and then moved to ``done`` or
``refused`` in the same folder, where a text beside it says why."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..domain.snapshot import Only
from ..ending import Ending
from ..sources.any_report import ReportOptions
from ..sources.report_file import Holds
from ..store import models
from .imports import NotImported, import_file
from .incoming import INCOMING
from .work import Ended, attempt

# Seconds for which a file has not changed before it is taken for whole.
SETTLED = 10.0
DONE, REFUSED = "done", "refused"
# How programs name files that they are still writing.
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", ".partial")


def watching(options: ReportOptions, folder: Path) -> dict[str, Any]:
    """What a source's settings hold about its folder, JSON-able: ``options_of`` reads it."""
    only = options.only
    return {
        "folder": str(folder),
        "coverage": options.holds.value,
        "kind": options.kind,
        "only": {"severities": only.severities, "vendors": only.vendors, "sites": only.sites},
        "most_left_out": options.most_left_out,
    }


def options_of(watch: Mapping[str, Any]) -> ReportOptions:
    """What is said of each file in the folder."""
    only = Only(**{name: tuple(words) for name, words in watch["only"].items()})
    return ReportOptions(Holds(watch["coverage"]), watch["kind"], only, most_left_out=watch["most_left_out"])


def ready(folder: Path, now: float) -> list[Path]:
    """The files that are whole, the oldest first: regular ones that are not hidden, not empty, and have not changed for
    SETTLED seconds. ``now`` is in seconds since 1970. Raises OSError."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "~")) or entry.name.lower().endswith(UNFINISHED):
                continue
            told = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(told.st_mode) and told.st_size and abs(now - told.st_mtime) >= SETTLED:
                found.append((told.st_mtime_ns, entry.name))
    return [folder / name for _, name in sorted(found)]


def take_in_folder(source: models.Source) -> dict[str, Ended]:
    """Take in what is ready in the source's folder, one file after the other; how each ended, by its name.

    A file stays where it is when the trouble is not its own: the next time has it again, and what was taken in before
    changes nothing. Raises OSError for a folder that cannot be used.
    """
    watch = source.settings["watch"]
    folder = Path(watch["folder"])
    _require_writable(folder)
    ended = {}
    for file in ready(folder, time.time()):
        done = attempt(partial(import_file, file, source.name, options_of(watch)))
        ended[file.name] = done
        if done.ending not in (Ending.DONE, Ending.REFUSED):
            # It may be its own fault: the others have their turn.
            continue
        _put_away(file, DONE if done.ending is Ending.DONE else REFUSED, done.text)
    return ended


def _require_writable(folder: Path) -> None:
    """What could not be moved away afterwards would be taken in again and again."""
    for name in (DONE, REFUSED):
        (folder / name).mkdir(exist_ok=True)
        if not os.access(folder / name, os.W_OK | os.X_OK):
            raise PermissionError(f"The service may not write to {folder / name}, so it takes nothing out of {folder}.")


def _put_away(file: Path, to: str, text: str) -> None:
    place = file.parent / to / file.name
    if place.exists():
        place = place.with_name(f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}-{file.name}")
    file.rename(place)
    # The longest name that a folder holds has 255 bytes.
    place.with_name(f"{place.name[:50]}.txt" if len(place.name) > 60 else f"{place.name}.txt").write_text(
        f"{text}\n", encoding="utf-8"
    )


def _is_shared(one: Path, other: Path) -> bool:
    """Whether two folders are the same, or one is where the other puts files away or together."""
    own = (DONE, REFUSED, INCOMING)
    within = any(a.is_relative_to(b / name) for a, b in ((one, other), (other, one)) for name in own)
    return within or one == other or (one.exists() and other.exists() and one.samefile(other))


def refuse_folder(folder: Path, source: str) -> None:
    """Raises NotImported for a folder that cannot be watched for a source, or that is another one's."""
    if not folder.is_dir():
        raise NotImported(f"{folder} is no folder.", "Make it, and let the service write to it.")
    watched = models.Source.objects.filter(settings__has_key="watch").exclude(name=source)
    for other in watched.order_by("name"):
        if _is_shared(folder.resolve(), Path(other.settings["watch"]["folder"]).resolve()):
            raise NotImported(
                f"{folder} is watched for the source {other.name!r} already.",
                f"Name another folder, or say first: remediation source watch {other.name!r} --stop",
            )
    try:
        _require_writable(folder)
    except OSError as error:
        raise NotImported(f"{folder} cannot be watched: {error}.", "Let the service write to it.") from None
