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
