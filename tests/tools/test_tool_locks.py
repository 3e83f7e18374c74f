"""requirements/: what is asked for is locked, with hashes, and no file names where packages come from."""

import re
from pathlib import Path

import pytest

from tools.tree import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!-]+)", re.MULTILINE)


def pins(path: Path) -> set[tuple[str, str]]:
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in PIN.findall(path.read_text())}


def asked_for(path: Path) -> set[tuple[str, str]]:
    """The pins of a requirements file and of those that it includes."""
    included = re.findall(r"^-r (\S+)", path.read_text(), re.MULTILINE)
    return pins(path).union(*(asked_for((path.parent / name).resolve()) for name in included))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_the_lock_holds_what_is_asked_for(lock: Path) -> None:
    missing = asked_for(lock.with_suffix(".in")) - pins(lock)
    assert not missing, "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_has_hashes_and_no_index_is_named(lock: Path) -> None:
    text = lock.read_text()
    assert len(PIN.findall(text)) == len(re.findall(r"^[\w.-]+==.*\\\n    --hash=sha256:", text, re.MULTILINE))
    assert "://" not in text and "--index" not in text


def test_the_image_runs_on_the_runtime_that_the_tests_run_on() -> None:
    runtime = ("insightconnect-plugin-runtime", "6.6.0")
    assert all(runtime in pins(ROOT / "requirements" / f"{name}.txt") for name in ("base", "image", "develop"))
