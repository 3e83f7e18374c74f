"""The folder in which the service keeps its data."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """The folder that REMEDIATION_DATA names, else one below the user's folder for data. It need not exist yet."""
    named = os.environ.get("REMEDIATION_DATA")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "haloitsm-remediation"


def make_data_folder(folder: Path, *, to_write: bool) -> None:
    """Make the data folder where there is none, closed to others. ``to_write``: one has to be able to write in it.

    Raises OSError, whose text is for a person.
    """
    try:
        make_above(folder)
        folder.mkdir(exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError) as error:
        raise _unusable(folder, f"{error.filename} is no folder") from None
    except OSError as error:
        raise _unusable(folder, f"{error.strerror} ({error.filename})") from None
    if to_write and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, f"this user (number {os.geteuid()}) may not write to it, or it is read-only")


def make_above(path: Path) -> None:
    """Make the folders above a path that are not there. Nobody but this user gets the right to write to them."""
    for folder in reversed(path.parents):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True, mode=0o755)


def _unusable(folder: Path, why: str) -> OSError:
    return OSError(
        f"The data folder {folder} cannot be used: {why}. Correct that, or name another folder with --data or "
        "REMEDIATION_DATA."
    )
