"""Folders for copies of reports: nothing of them stays, and a full one is named."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from remediation.sources.private_folder import NoRoom, private_folder

HOLD = """
import sys, time
from remediation.sources.private_folder import private_folder
with private_folder() as folder:
    (folder / "report").write_text("secret")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_stays(temporary: Path) -> None:
    processes, folders = [], []
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        processes.append(process)
        folders.append(Path(process.stdout.readline().strip()))
    killed, living = folders
    try:
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait(60)
        assert {killed.name, living.name} == set(there(temporary))
        with private_folder() as folder:
            assert set(there(temporary)) == {living.name, folder.name}
            assert (living / "report").read_text() == "secret" and folder.stat().st_mode & 0o777 == 0o700
        assert there(temporary) == [living.name]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_one_that_begins_while_another_locks_its_own_leaves_it_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, others = fcntl.flock, []

    def lock_after_another(file: Any, how: int) -> None:
        if not others:
            brief = HOLD.replace("sleep(60)", "sleep(0)")
            others.append(subprocess.run([sys.executable, "-c", brief], capture_output=True, check=True))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", lock_after_another)
    with private_folder() as folder:
        (folder / "report").write_text("secret")
        assert there(temporary) == [folder.name] and others
        assert (folder / "report").read_text() == "secret"


def test_one_without_a_lock_is_removed_when_it_is_old(temporary: Path) -> None:
    # As one that another process is about to lock, and that of a process killed before it did.
    for name, age in (("new", 0.0), ("old", 3600.0)):
        (temporary / f"remediation-import-{name}").mkdir()
        moment = time.time() - age
        os.utime(temporary / f"remediation-import-{name}", (moment, moment))
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (temporary / "remediation-import-link").symlink_to(elsewhere)
    with private_folder():
        pass
    assert there(temporary) == ["elsewhere", "remediation-import-link", "remediation-import-new"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_folder_is_named(temporary: Path, number: int) -> None:
    with pytest.raises(NoRoom) as full, private_folder():
        raise OSError(number, "full")
    assert str(temporary) in full.value.cause and "TMPDIR" in full.value.assistance
    assert there(temporary) == []


def test_other_trouble_stays_what_it_is() -> None:
    with pytest.raises(PermissionError), private_folder():
        raise PermissionError("no")
