"""The processes that a process has started."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def below(pid: int) -> list[int]:
    """The processes that one has started, and theirs."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]
