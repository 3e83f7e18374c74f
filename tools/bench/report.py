"""What the proof commands tell, in one form: tables for a reader, the same as JSON, and where and when it was."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Table:
    """Rows of text under a title; ``note`` says what a reader must know to judge them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """For a terminal."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows)]
        lines = [self.title, "=" * len(self.title), *([self.note] if self.note else [])]
        for row in (self.columns, ["-" * width for width in widths], *self.rows):
            lines.append("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip())
        return "\n".join(lines) + "\n"

    def markdown(self) -> str:
        """For a page."""
        rows = [self.columns, ["---"] * len(self.columns), *self.rows]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([f"### {self.title}", "", *([self.note, ""] if self.note else []), *lines, ""])


@dataclass
class Document:
    """What one command found. ``data`` holds the figures behind the tables; ``passed`` is the command's own verdict."""

    command: str
    about: dict[str, str]
    tables: list[Table] = field(default_factory=list)
    passed: bool = True
    data: Any = None

    def write(self, path: Path) -> None:
        """As JSON; a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".part")
        draft.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Back from ``write``."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**found, "tables": [Table(**table) for table in found["tables"]]})


def about() -> dict[str, str]:
    """The machine, the interpreter, the time and the commit: what a figure depends on, no path and no name."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load at the start": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _commit() -> str:
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return commit + (" with uncommitted changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def _processor() -> str:
    return _line_of(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _memory() -> str:
    kibibytes = _line_of(Path("/proc/meminfo"), "MemTotal").split()
    return f"{int(kibibytes[0]) / 1024**2:.0f} GiB" if kibibytes else "memory unknown"


def _line_of(path: Path, name: str) -> str:
    """The value of the first ``name: value`` line of a file of /proc; "" where there is none."""
    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
