"""The shell scripts: tools/venv.sh makes environments whole or not at all, .ci/run tells all that happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
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


@pytest.mark.parametrize("first", [True, False], ids=["asked", "making"])
def test_ctrl_c_while_an_environment_is_made_leaves_no_traceback_and_nothing_of_it(
    repository: Path, tmp_path: Path, first: bool
) -> None:
    """In its first program, which asks the interpreter what it is, or in the one that takes long."""
    making = f"import pathlib, time; pathlib.Path('making').touch(); time.sleep({0.5 if first else 60})"
    python = tmp_path / "python"
    case = "import*)" if first else 'venv) mkdir "$3";'
    python.write_text(f'#!/bin/sh\ncase "$2" in {case} set -- -c "{making}";; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.Popen(
        [str(repository / "tools/venv.sh"), "develop"],
        cwd=tmp_path,
        env={**os.environ, "HALOITSM_VENVS": str(tmp_path / "venvs"), "PYTHON": str(python)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and so has what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    while not (tmp_path / "making").exists():
        assert done.poll() is None, done.communicate()
        time.sleep(0.02)
    os.killpg(done.pid, signal.SIGINT)
    said, _ = done.communicate(timeout=30)
    assert done.returncode == 130 and "Traceback" not in said, said
    assert first or "venv.sh: stopped, nothing of" in said
    assert not [path for path in (tmp_path / "venvs").glob("*") if path.is_dir()]


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
    names = "check-generated release-check validate check-workflows style types test client-check image-check plg-check"
    (repository / "Makefile").write_text(
        f"test:\n\t@echo '=== 3 passed in 0.01s ==='; echo \"$$SAID\"; exit $${{TEST:-0}}\n{names.replace(' test', '')}:\n\t@echo did $@ $(BUILT)\n"
    )
    return repository / ".ci/run"


def test_all_stages_run_in_order_and_are_summed_up(stages: Path) -> None:
    done = run(stages)
    assert done.returncode == 0, done.stdout + done.stderr
    banners = [line.removeprefix("=== ") for line in done.stdout.splitlines() if line.startswith("=== ")]
    names = "check-generated release-check validate check-workflows style types test client-check export".split()
    names += ["image-check", "plg-check"]
    assert [banner for banner in banners if banner in names] == names
    assert "did plg-check 1" in done.stdout
    assert done.stdout.rstrip().endswith("=== 3 passed in 0.01s ===")
    assert done.stdout.count("passed ") >= len(names)


def test_what_the_tests_left_out_is_summed_up(stages: Path) -> None:
    done = run(stages, "test", SAID="SKIPPED: the tests on another server")
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith("=== 3 passed in 0.01s ===\nSKIPPED: the tests on another server")


def test_a_failed_stage_fails_the_run_and_does_not_hide_the_others(stages: Path) -> None:
    done = run(stages, TEST="1")
    assert done.returncode == 1
    assert "did plg-check 1" in done.stdout and done.stdout.rstrip().endswith("1 of 11 stages FAILED")


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


def server_15(tmp_path: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """tools/postgres15.sh where /usr/lib has no server and apt-get is a script of the test's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in programs.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    script = tmp_path / "postgres15.sh"
    text = (ROOT / "tools/postgres15.sh").read_text()
    script.write_text(text.replace('"/$place/initdb"', f'"{tmp_path}/usr/initdb"'))
    script.chmod(0o755)
    return run(script, HALOITSM_VENVS=str(tmp_path / "kept"), PATH=f"{folder}:{os.environ['PATH']}")


def test_without_packages_there_is_no_server_and_it_is_said(tmp_path: Path) -> None:
    done = server_15(tmp_path, apt_get="exit 100", dpkg_deb="exit 1")
    assert done.returncode == 77 and not done.stdout
    assert "package lists have no postgresql-15" in done.stderr
    assert not list((tmp_path / "kept").glob("postgresql*"))


def test_a_server_that_cannot_be_downloaded_leaves_nothing(tmp_path: Path) -> None:
    listed = 'case "$1" in install) echo "Inst postgresql-15 (15.1 Debian)";; *) echo no network >&2; exit 100;; esac'
    done = server_15(tmp_path, apt_get=listed, dpkg_deb="exit 1")
    assert done.returncode == 77 and not done.stdout
    assert "no network" in done.stderr and "cannot be had" in done.stderr
    assert not list((tmp_path / "kept").glob("postgresql*"))


def test_a_package_that_cannot_be_unpacked_is_an_error(tmp_path: Path) -> None:
    listed = 'case "$1" in install) echo "Inst postgresql-15 (15.1 Debian)";; download) touch one.deb;; esac'
    done = server_15(tmp_path, apt_get=listed, dpkg_deb="exit 2")
    assert done.returncode == 2 and not done.stdout
    assert not list((tmp_path / "kept").glob("postgresql*"))


def test_what_is_unpacked_is_kept_and_its_programs_find_their_libraries(tmp_path: Path) -> None:
    listed = (
        'case "$1" in install) echo "Inst postgresql-15 (15.1 Debian)"; echo "Inst libllvm14 (1 Debian)";; '
        "download) echo $* > asked; touch one.deb;; esac"
    )
    initdb = "usr/lib/postgresql/15/bin/initdb"
    unpacked = (
        f'mkdir -p "$3/usr/lib/x86_64-linux-gnu" "$3/{Path(initdb).parent}"; cp "$(dirname "$2")/asked" "$3"; '
        f'printf \'#!/bin/sh\\necho $LD_LIBRARY_PATH\\n\' > "$3/{initdb}"; chmod 755 "$3/{initdb}"'
    )
    done = server_15(tmp_path, apt_get=listed, dpkg_deb=unpacked)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder.parent.parent == tmp_path / "kept"
    assert (folder.parent / "root" / "asked").read_text() == "download -qq postgresql-15\n"
    said = subprocess.run([folder / "initdb"], capture_output=True, text=True, check=True).stdout
    assert Path(said.strip().split(":")[0]).samefile(folder.parent / "root/usr/lib/x86_64-linux-gnu")
