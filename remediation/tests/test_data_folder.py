"""The data folder: who may do what with it, and what is said where it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from remediation.data_folder import make_data_folder


def command(folder: Path, *words: str, umask: int = 0o022, **own: str) -> subprocess.CompletedProcess[str]:
    """The command line on the embedded database of a folder, unless DATABASE_URL is given."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "DATABASE_URL": "", **own}
    line = [sys.executable, "-m", "remediation.cli", *words, "--data", str(folder)]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False, umask=umask)


def said_by(do: Callable[[], None], user: int = 0) -> str:
    """What an OSError says, in a process of its own that is the user, where this one may become it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0 and user:
                os.setuid(user)
            do()
        except OSError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        return pipe.read()


def test_others_may_write_to_nothing_that_is_made(store: str, tmp_path: Path) -> None:
    ended = command(tmp_path / "a" / "b" / "data", "status", umask=0, DATABASE_URL=store)
    assert ended.returncode == 0, ended.stderr
    modes = {path: (tmp_path / path).stat().st_mode & 0o777 for path in ("a", "a/b", "a/b/data")}
    assert modes == {"a": 0o755, "a/b": 0o755, "a/b/data": 0o700}


@pytest.mark.parametrize("words", [("status",), ("serve", "--address", "127.0.0.1:0"), ("worker",), ("check",)])
@pytest.mark.parametrize("below", ["", "data"])
def test_a_file_in_its_place_is_said(tmp_path: Path, words: tuple[str, ...], below: str) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = command(file / below, *words)
    assert ended.returncode == 1
    said = ended.stderr + ended.stdout
    assert f"The data folder {file / below} cannot be used: {file} is no folder." in said
    assert "--data or REMEDIATION_DATA" in said and "Errno" not in said


def test_one_that_cannot_be_made_is_said() -> None:
    ended = command(Path("/proc/nowhere/data"), "status")
    assert ended.returncode == 1 and "The data folder /proc/nowhere/data cannot be used: No such file" in ended.stderr


def test_one_without_the_right_to_write_is_said() -> None:
    # Not below pytest's folders, which are closed to other users.
    folder = Path("/sys") if os.geteuid() else Path("/usr")
    said = said_by(lambda: make_data_folder(folder, to_write=True), user=65534)
    assert f"The data folder {folder} cannot be used: this user (number" in said and "may not write to it" in said
    assert said_by(lambda: make_data_folder(folder, to_write=False), user=65534) == ""
    said = said_by(lambda: make_data_folder(folder / "data", to_write=False), user=65534)
    assert f"The data folder {folder / 'data'} cannot be used: " in said and "(/" in said


def test_a_folder_that_is_only_read_does_where_nothing_is_written(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    assert command(folder, "status", DATABASE_URL=store).returncode == 0
