"""The whole way, by the command line as a person uses it: ``stand_ins.demo`` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


@pytest.mark.timeout(300)
def test_the_demo_does_every_step_and_ends_with_nothing_to_do() -> None:
    path = os.pathsep.join(str(FOLDER / part) for part in ("src", ".", "../haloitsm_client/src", ".."))
    run = subprocess.run(
        [sys.executable, "-m", "stand_ins.demo"],
        cwd=FOLDER,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert run.stdout.rstrip().endswith("Done: every step did its work.")
    # Each heading of the story was reached, and people could read why a step is taken.
    assert run.stdout.count("\n== ") >= 6
    assert "A person moves one to In Progress" in run.stdout
