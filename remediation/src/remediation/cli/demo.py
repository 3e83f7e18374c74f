"""The command ``demo``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from .ending import Refused

# The service's folder in a checkout: this file is src/remediation/cli/demo.py in it.
FOLDER = Path(__file__).parents[3]


def demo() -> None:
    """From a scan to tickets and back, against stand-ins. Needs a checkout, because no wheel holds the stand-ins."""
    root = FOLDER.parent
    if not ((FOLDER / "stand_ins" / "demo.py").is_file() and (root / "halo_emulator").is_dir()):
        raise Refused(
            "The demo needs a checkout: the stand-ins for HaloITSM and InsightVM are in no wheel. "
            "In a checkout of the repository: make demo"
        )
    folders = f"import sys; sys.path[:0] = {[str(FOLDER), str(root)]!r}"
    code = f"{folders}; from stand_ins.demo import main; sys.exit(main())"
    raise typer.Exit(subprocess.run([sys.executable, "-c", code], cwd=FOLDER, check=False).returncode)
