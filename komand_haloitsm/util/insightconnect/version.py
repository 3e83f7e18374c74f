"""The plugin's version, read from plugin.spec.yaml: the only place where it is written by hand."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_SPEC = Path(__file__).resolve().parents[3] / "plugin.spec.yaml"


@functools.lru_cache(maxsize=1)
def plugin_version() -> str:
    """The version, for example ``1.0.0``; ``unknown`` when the package is not beside its plugin.spec.yaml."""
    try:
        found = re.search(r"^version:\s*(\S+)", _SPEC.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else "unknown"
