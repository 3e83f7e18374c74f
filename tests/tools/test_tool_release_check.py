"""tools/release_check.py: each place that may disagree with the version is looked at."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tools.release_check import problems
from tools.tree import ROOT

FILES = {
    "plugin.spec.yaml": "name: x\nversion: 1.1.0\nversion_history:\n  - 1.1.0 - More\n  - 1.0.0 - Initial plugin\n",
    "help.md": "# Version History\n\n* 1.1.0 - More\n* 1.0.0 - Initial plugin\n\n# Links\n\n* a link\n",
    "setup.py": 'setup(version="1.1.0")\n',
    "bin/komand_x": 'Version = "1.1.0"\n',
    "haloitsm_client/pyproject.toml": 'version = "1.1.0"\n',
}


def checksum(root: Path) -> None:
    names = {"spec": "plugin.spec.yaml", "manifest": "bin/komand_x", "setup": "setup.py"}
    hashes = {key: hashlib.md5((root / name).read_bytes()).hexdigest() for key, name in names.items()}
    (root / ".CHECKSUM").write_text(json.dumps(hashes))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("bin", "haloitsm_client"):
        (tmp_path / folder).mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    checksum(tmp_path)
    return tmp_path


def edit(root: Path, name: str, old: str, new: str) -> None:
    (root / name).write_text((root / name).read_text().replace(old, new))
    checksum(root)


def test_where_all_agree_nothing_is_wrong(root: Path) -> None:
    assert problems(root) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("setup.py", "1.1.0", "1.0.0", ["setup.py says 1.0.0"]),
        ("bin/komand_x", "1.1.0", "1.0.0", ["bin/komand_x says 1.0.0"]),
        ("haloitsm_client/pyproject.toml", "1.1.0", "1.0.0", ["haloitsm_client/pyproject.toml says 1.0.0"]),
        ("bin/komand_x", "Version", "Versio", ["bin/komand_x says nothing"]),
        ("help.md", "* 1.1.0 - More\n", "", ["in help.md says 1.0.0", "Version History in help.md is not"]),
        ("help.md", "More", "Less", ["Version History in help.md is not"]),
    ],
)
def test_a_place_that_disagrees_is_named(root: Path, name: str, old: str, new: str, words: list[str]) -> None:
    edit(root, name, old, new)
    found = problems(root)
    assert len(found) == len(words) and all(word in text for word, text in zip(words, found)), found


def test_a_version_without_its_changelog_entry_is_refused(root: Path) -> None:
    edit(root, "plugin.spec.yaml", "version: 1.1.0", "version: 1.2.0")
    assert (
        "the newest entry of version_history in plugin.spec.yaml says 1.1.0, plugin.spec.yaml says 1.2.0"
        in problems(root)
    )


def test_a_changelog_out_of_order_is_refused(root: Path) -> None:
    for name in ("plugin.spec.yaml", "help.md"):
        edit(root, name, "1.0.0 - Initial", "1.3.0 - Initial")
    assert problems(root) == ["version_history in plugin.spec.yaml is not sorted, newest first, each version once"]


def test_a_version_that_is_none_is_refused(root: Path) -> None:
    for name in FILES:
        edit(root, name, "1.1.0", "1.1")
    assert problems(root)[0] == "1.1 is no version of the form X.Y.Z"


def test_an_edit_after_the_generator_ran_is_refused(root: Path) -> None:
    (root / "plugin.spec.yaml").write_text(FILES["plugin.spec.yaml"] + "# edited\n")
    assert problems(root) == [".CHECKSUM does not match plugin.spec.yaml"]


def test_a_tag_of_another_version_is_refused(root: Path) -> None:
    person = ["-c", "user.name=a", "-c", "user.email=user@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], [*person, "commit", "--quiet", "--message", "."]):
        subprocess.run(["git", *command], cwd=root, check=True)
    subprocess.run(["git", "tag", "v1.0.0"], cwd=root, check=True)
    assert problems(root) == ["HEAD is tagged v1.0.0, the version is 1.1.0"]
    subprocess.run(["git", "tag", "v1.1.0"], cwd=root, check=True)
    assert problems(root) == []


def test_this_repository_agrees_with_itself() -> None:
    assert problems(ROOT) == []
