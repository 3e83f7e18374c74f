"""Where the runtime lets a plugin keep files."""

from __future__ import annotations

import os
from pathlib import Path


def workspace(folder: str) -> str:
    """A folder of the runtime. Tests on a shared machine set HALOITSM_WORKSPACE to have it below another root."""
    root = os.environ.get("HALOITSM_WORKSPACE")
    return str(Path(root) / Path(folder).name) if root else folder
