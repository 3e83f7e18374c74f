"""The shell scripts: tools/venv.sh makes environments whole or not at all, .ci/run tells all that happened."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.tree import ROOT


def run(script: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments], cwd="/", env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with our scripts and nothing to install."""
    root = tmp_path / "repository"
    for name in ("tools/venv.sh", ".ci/run"):
        (root / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, root / name)
    (root / "requirements").mkdir()
    (root / "requirements/develop.txt").write_text("# nothing\n")
    return root


@pytest.mark.long
def test_an_environment_is_made_once_for_each_lock(repository: Path, tmp_path: Path) -> None:
    venvs = str(tmp_path / "venvs")
    first = run(repository / "tools/venv.sh", "develop", HALOITSM_VENVS=venvs)
    assert first.returncode == 0, first.stderr
    venv = Path(first.stdout.strip())
    assert (venv / "bin/python").exists() and venv.parent == Path(venvs)
    again = run(repository / "tools/venv.sh", "develop", HALOITSM_VENVS=venvs)
    assert again.stdout == first.stdout and again.stderr == ""
    (repository / "requirements/develop.txt").write_text("no-such-package==1.0 --hash=sha256:0\n")
    failed = run(repository / "tools/venv.sh", "develop", HALOITSM_VENVS=venvs)
    assert failed.returncode != 0 and failed.stdout == ""
    assert [path.name for path in Path(venvs).iterdir() if path.is_dir()] == [venv.name]


def test_an_unknown_lock_is_an_error(repository: Path, tmp_path: Path) -> None:
    done = run(repository / "tools/venv.sh", "nothing", HALOITSM_VENVS=str(tmp_path))
    assert done.returncode == 2 and "no lock file requirements/nothing.txt" in done.stderr


@pytest.fixture
def stages(repository: Path) -> Path:
    """Stages that do nothing but end as an environment variable of their name says."""
    python = repository / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "no packages to be had"\nexit ${EXPORT:-0}\n')
    python.chmod(0o755)
    (repository / "tools/venv.sh").write_text(f"#!/bin/sh\necho {repository}/venv\n")
    names = "check-generated release-check validate style types test client-check image-check plg-check"
    (repository / "Makefile").write_text(
        f"test:\n\t@echo '=== 3 passed in 0.01s ==='; exit $${{TEST:-0}}\n{names.replace(' test', '')}:\n\t@echo did $@ $(BUILT)\n"
    )
    return repository / ".ci/run"


def test_all_stages_run_in_order_and_are_summed_up(stages: Path) -> None:
    done = run(stages)
    assert done.returncode == 0, done.stdout + done.stderr
    banners = [line.removeprefix("=== ") for line in done.stdout.splitlines() if line.startswith("=== ")]
    names = "check-generated release-check validate style types test client-check export image-check plg-check".split()
    assert [banner for banner in banners if banner in names] == names
    assert "did plg-check 1" in done.stdout
    assert done.stdout.rstrip().endswith("=== 3 passed in 0.01s ===")
    assert done.stdout.count("passed ") >= len(names)


def test_a_failed_stage_fails_the_run_and_does_not_hide_the_others(stages: Path) -> None:
    done = run(stages, TEST="1")
    assert done.returncode == 1
    assert "did plg-check 1" in done.stdout and done.stdout.rstrip().endswith("1 of 10 stages FAILED")


def test_without_packages_the_image_is_skipped_and_the_last_line_says_why(stages: Path) -> None:
    done = run(stages, EXPORT="77")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("SKIPPED: export, image-check, plg-check: no packages to be had")
    assert "did image-check" not in done.stdout and "did plg-check" not in done.stdout


def test_an_image_that_does_not_build_is_a_failure(stages: Path) -> None:
    assert run(stages, EXPORT="1").returncode == 1


def test_single_stages_can_be_asked_for(stages: Path) -> None:
    done = run(stages, "style", "test")
    assert done.returncode == 0 and "did types" not in done.stdout
