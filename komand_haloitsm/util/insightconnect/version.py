"""The plugin's version, which is written down in plugin.spec.yaml and nowhere else by hand."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_SPEC = Path(__file__).resolve().parents[3] / "plugin.spec.yaml"


@functools.lru_cache(maxsize=1)
def plugin_version() -> str:
    """``1.0.0``; ``unknown`` where the package was taken out of its plugin, away from the spec."""
    try:
        found = re.search(r"^version:\s*(\S+)", _SPEC.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else "unknown"
