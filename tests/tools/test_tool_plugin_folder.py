"""tools/plugin_folder.py: the folder works by itself, without this repository around it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import plugin_folder
from tools.tree import ROOT, read_spec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "plugins" / "haloitsm"
    target.mkdir(parents=True)
    plugin_folder.write(target)
    return target


def alone(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command there, which finds nothing of this repository."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HALO", "MAKE", "COV"))}
    environment = {**ours, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_holds_the_plugin_its_tests_and_nothing_else_of_the_repository(folder: Path) -> None:
    top = {path.name for path in folder.iterdir()}
    assert top == {
        *(".CHECKSUM", ".dockerignore", "Dockerfile", "Makefile", "bin", "extension.png", "help.md", "icon.png"),
        *("komand_haloitsm", "plugin.spec.yaml", "requirements.txt", "setup.py", "tests", "unit_test"),
    }
    assert (folder / "unit_test/halo_emulator/app.py").exists()
    assert not (folder / "unit_test/halo_emulator/__main__.py").exists()
    assert all(path.suffix == ".json" for path in (folder / "tests").iterdir())


def test_its_makefile_lists_its_targets_and_runs_its_tests(folder: Path) -> None:
    listed = alone(folder, "make")
    assert listed.returncode == 0 and "rapid7/haloitsm" in listed.stdout and "make test" in listed.stdout
    for target in re.findall(r"make ([a-z]+)", listed.stdout):
        assert alone(folder, "make", "--dry-run", target).returncode == 0
    done = alone(folder, "make", "test", f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stderr
    number = re.search(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)
    assert number and int(number[1]) > 30


def test_its_makefile_makes_what_the_tests_need_once_and_outside_of_the_folder(folder: Path, tmp_path: Path) -> None:
    first = alone(folder, "make", "--dry-run", "test", XDG_CACHE_HOME=str(tmp_path / "cache"))
    venv = re.findall(rf"venv --clear \"({tmp_path}/cache/haloitsm-unit-test-[\w.-]+)\"", first.stdout)
    assert len(venv) == 1 and f"insightconnect-plugin-runtime=={read_spec()['sdk']['version']}" in first.stdout
    (Path(venv[0]) / "bin").mkdir(parents=True)
    (Path(venv[0]) / "bin/python").symlink_to(sys.executable)
    (Path(venv[0]) / ".complete").touch()
    again = alone(folder, "make", "--dry-run", "test", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert "pip install" not in again.stdout and f"{venv[0]}/bin/python" in again.stdout


def test_its_tests_run_as_rapid7s_workflow_for_coverage_runs_them(folder: Path) -> None:
    # There: PYTHONPATH=$(pwd), and in unit_test/ python -m unittest with whatever lies there.
    given = sorted(path.name for path in (folder / "unit_test").iterdir())
    done = alone(folder / "unit_test", sys.executable, "-m", "unittest", *given, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    assert int(re.findall(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)[0]) > 30


def test_its_tests_fail_where_the_plugin_is_broken(folder: Path) -> None:
    update = folder / "komand_haloitsm/actions/update_ticket/action.py"
    text = update.read_text(encoding="utf-8")
    assert "run(self" in text
    update.write_text(text.replace("run(self", "ran(self"), encoding="utf-8")
    done = alone(folder, "make", "test", f"PYTHON={sys.executable}")
    assert done.returncode != 0 and "test_update_ticket" in done.stderr


@pytest.mark.parametrize(
    "action", sorted(path.name for path in (ROOT / "komand_haloitsm/actions").iterdir() if path.is_dir())
)
def test_each_action_has_its_test_so_that_the_generator_adds_no_stub(folder: Path, action: str) -> None:
    assert action == "__pycache__" or (folder / f"unit_test/test_{action}.py").exists()
