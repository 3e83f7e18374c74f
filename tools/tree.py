"""The files of the working tree, and clean copies of them.

Rapid7's tools look at whatever lies in the plugin's folder. They get a copy that holds what git would hold, so that
neither caches nor build output nor other people's half-written, ignored files change their verdict.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# What Rapid7's repository would hold of a plugin: what its tool generates or asks for, and the start messages.
PLUGIN_FILES = frozenset(
    {
        ".CHECKSUM",
        ".dockerignore",
        "Dockerfile",
        "Makefile",
        "extension.png",
        "help.md",
        "icon.png",
        "plugin.spec.yaml",
        "requirements.txt",
        "setup.py",
    }
)
PLUGIN_FOLDERS = ("bin/", "komand_haloitsm/")


def tree_files(root: Path = ROOT) -> list[str]:
    """Names, relative to the root, of all files that git tracks or would track if they were added."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    return sorted(name for name in set(listing.split("\0")) if name and (root / name).is_file())


def is_plugin_file(name: str) -> bool:
    """Whether a file belongs to the plugin as Rapid7 knows it, rather than to our repository around it."""
    start_message = name.startswith("tests/") and name.endswith(".json") and name.count("/") == 1
    return name in PLUGIN_FILES or name.startswith(PLUGIN_FOLDERS) or start_message


def export_plugin(target: Path, root: Path = ROOT) -> list[str]:
    """Copy the plugin's files to a folder, with their modes; returns their names."""
    names = [name for name in tree_files(root) if is_plugin_file(name)]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    return names


def read_spec(root: Path = ROOT) -> dict[str, object]:
    """The plugin specification: the one place that knows the plugin's name, vendor and version."""
    spec = yaml.safe_load((root / "plugin.spec.yaml").read_text(encoding="utf-8"))
    if not isinstance(spec, dict):
        raise ValueError("plugin.spec.yaml is no mapping")
    return spec
