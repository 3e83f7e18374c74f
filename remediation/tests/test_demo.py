"""The whole way, by the command line as a person uses it: ``stand_ins.demo`` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
PATHS = os.pathsep.join(str(FOLDER / part) for part in ("src", ".", "../haloitsm_client/src", ".."))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_demo_does_every_step_and_ends_with_nothing_to_do() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "stand_ins.demo"],
        cwd=FOLDER,
        env=os.environ | {"PYTHONPATH": PATHS},
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


@pytest.mark.long
@pytest.mark.parametrize("heading", ["remediation source add", "remediation plan"])
def test_ctrl_c_leaves_no_traceback_and_says_that_nothing_is_left(heading: str) -> None:
    # As make starts it: the signal is ignored until the demo takes it.
    makefile = (FOLDER.parent / "Makefile").read_text(encoding="utf-8")
    (program,) = re.findall(r"^demo-remediation = (.*)$", makefile, re.MULTILINE)
    with subprocess.Popen(
        ["bash", "-c", """trap '' INT; exec "$@" """, "-", sys.executable, "-u", "-c", program],
        cwd=FOLDER,
        env=os.environ | {"PYTHONPATH": PATHS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        said = ""
        while heading not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        os.killpg(demo.pid, signal.SIGINT)
        said += demo.stdout.read()
    assert demo.returncode == 130 and "Traceback" not in said, said
    assert said.rstrip().endswith("Stopped. Nothing is left behind: all of it was in a temporary folder.")
