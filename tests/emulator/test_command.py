"""python -m halo_emulator."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runs_in_the_foreground_and_ends_cleanly(number):
    command = [sys.executable, "-m", "halo_emulator", "--port", "0"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            said += process.stdout.readline()
        assert "stand-in" in said and "Client ID" in said and "Client secret" in said
        found = re.search(r"http://\S+/api", said)
        assert found is not None
        assert requests.get(found.group() + "/authinfo", timeout=5).status_code == 200
        process.send_signal(number)
        assert process.wait(5) == 0
