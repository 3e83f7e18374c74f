"""tools/check_generated.py and tools/tree.py: what counts as the plugin, what as a difference, what is taken over."""

import subprocess
from pathlib import Path

import pytest

from tools.check_generated import contents, differences, is_owned, take_over
from tools.tree import export_plugin, is_plugin_file, read_spec, tree_files


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with a committed, an ignored, a removed and a new file."""
    root = tmp_path / "checkout"
    for name in ("bin/komand_x", "plugin.spec.yaml", "tests/a.json", "tests/deep/b.json", "README.md", "setup.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("version: 1.0.0\n")
    (root / ".gitignore").write_text("__pycache__/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    (root / "setup.py").unlink()
    (root / "help.md").write_text("new")
    (root / "bin/__pycache__").mkdir()
    (root / "bin/__pycache__/komand_x.pyc").write_text("")
    return root


def test_the_tree_is_what_git_holds_or_would_hold(checkout: Path) -> None:
    names = ["bin/komand_x", "help.md", "plugin.spec.yaml", "tests/a.json", "tests/deep/b.json"]
    assert tree_files(checkout) == sorted([".gitignore", "README.md", *names])


def test_an_export_holds_the_plugins_part_of_it(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    exported = export_plugin(copy, checkout)
    assert exported == ["bin/komand_x", "help.md", "plugin.spec.yaml", "tests/a.json"]
    assert sorted(contents(copy)) == exported


@pytest.mark.parametrize(
    "name", ["tools/tree.py", "tests/test_a.py", "halo_emulator/app.py", "requirements/develop.txt"]
)
def test_what_is_around_the_plugin_is_not_part_of_it(name: str) -> None:
    assert not is_plugin_file(name)


def test_a_spec_that_is_no_mapping_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "plugin.spec.yaml").write_text("- a\n")
    with pytest.raises(ValueError, match="no mapping"):
        read_spec(tmp_path)


def test_changed_missing_and_new_files_are_differences() -> None:
    found = differences(
        {"same": b"1", "changed": b"1\n", "gone": b"1\n"}, {"same": b"1", "changed": b"2\n", "new": b""}
    )
    assert list(found) == ["changed", "gone", "new"]
    assert "-1\n+2\n" in found["changed"]
    assert "/dev/null (removed by the generator)" in found["gone"]
    assert "/dev/null (missing in the tree)" in found["new"]


def test_compiled_python_is_no_difference(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "owned"),
    [
        ("help.md", True),
        ("bin/komand_haloitsm", True),
        ("komand_haloitsm/actions/get_ticket/schema.py", True),
        ("komand_haloitsm/__init__.py", True),
        ("komand_haloitsm/actions/get_ticket/action.py", False),
        ("komand_haloitsm/util/my_schema.py", False),
        ("Makefile", False),
    ],
)
def test_the_generator_owns_what_it_overwrites(name: str, owned: bool) -> None:
    assert is_owned(name) is owned


def test_regenerating_leaves_what_people_wrote_alone_and_adds_skeletons(tmp_path: Path) -> None:
    copy, root = tmp_path / "copy", tmp_path / "root"
    for folder, text in ((copy, "generated"), (root, "ours")):
        (folder / "old").mkdir(parents=True)
        for name in ("old/action.py", "old/schema.py", "help.md"):
            (folder / name).write_text(text)
    (copy / "new").mkdir()
    (copy / "new/action.py").write_text("skeleton")
    take_over(["help.md", "new/action.py", "old/action.py", "old/schema.py", "vanished"], copy, root)
    taken = {name: content.decode() for name, content in contents(root).items()}
    assert taken == {
        "help.md": "generated",
        "new/action.py": "skeleton",
        "old/action.py": "ours",
        "old/schema.py": "generated",
    }
