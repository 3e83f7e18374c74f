"""Fail where something disagrees with the version in plugin.spec.yaml, the one place that states it.

    python -m tools.release_check

Compared with it: the changelog's newest entry in the spec, the same list in help.md, setup.py, the entry point in bin/,
the client's pyproject.toml, the hashes in .CHECKSUM, and a tag vX.Y.Z on HEAD where there is one.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.tree import ROOT, read_spec

VERSION = re.compile(r"[1-9]\d*\.\d+\.\d+")


def read(root: Path, name: str) -> str:
    """A file of the tree."""
    return (root / name).read_text(encoding="utf-8")


def found(pattern: str, text: str) -> str:
    """What a pattern's group matches, or a word that says that it does not."""
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1) if match else "nothing"


def stated_versions(root: Path, spec: dict[str, Any]) -> dict[str, str]:
    """Each place that repeats the version, and the version that it states."""
    history = spec.get("version_history") or ["nothing"]
    return {
        "the newest entry of version_history in plugin.spec.yaml": str(history[0]).partition(" - ")[0],
        "the newest entry of Version History in help.md": found(
            r"^# Version History\n+\* (\S+) - ", read(root, "help.md")
        ),
        "haloitsm_client/pyproject.toml": found(r'^version = "([^"]*)"', read(root, "haloitsm_client/pyproject.toml")),
        "setup.py": found(r'version="([^"]*)"', read(root, "setup.py")),
        f"bin/komand_{spec['name']}": found(r'^Version = "([^"]*)"', read(root, f"bin/komand_{spec['name']}")),
    }


def problems_of_history(root: Path, spec: dict[str, Any]) -> Iterator[str]:
    """The changelog of the spec: newest first, each version once, and the same in help.md."""
    history = [str(entry) for entry in spec.get("version_history") or ()]
    versions = [tuple(int(part) for part in re.findall(r"\d+", entry.partition(" - ")[0])) for entry in history]
    if versions != sorted(set(versions), reverse=True):
        yield "version_history in plugin.spec.yaml is not sorted, newest first, each version once"
    section = read(root, "help.md").partition("# Version History")[2].partition("\n# ")[0]
    if [line.removeprefix("* ") for line in section.split("\n") if line.startswith("* ")] != history:
        yield "Version History in help.md is not version_history in plugin.spec.yaml"


def problems_of_checksum(root: Path, spec: dict[str, Any]) -> Iterator[str]:
    """The hashes by which Rapid7's validators tell that the spec was edited and nothing generated since."""
    stated = json.loads(read(root, ".CHECKSUM"))
    files = {"spec": "plugin.spec.yaml", "manifest": f"bin/komand_{spec['name']}", "setup": "setup.py"}
    for key, name in files.items():
        digest = hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
        if stated.get(key) != digest:
            yield f".CHECKSUM does not match {name}"


def git(root: Path, *arguments: str) -> list[str]:
    """The words of a git command's output; none where this is no git checkout or has no commit."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.split()


def problems_of_tags(root: Path, version: str) -> Iterator[str]:
    """Where HEAD is tagged as a release, it is of this version."""
    here = git(root, "tag", "--points-at", "HEAD", "--list", "v*")
    if here and f"v{version}" not in here:
        yield f"HEAD is tagged {', '.join(here)}, the version is {version}"


def problems(root: Path) -> list[str]:
    """Everything that disagrees."""
    spec = read_spec(root)
    version = str(spec.get("version"))
    disagreeing = [
        f"{place} says {stated}, plugin.spec.yaml says {version}"
        for place, stated in stated_versions(root, spec).items()
        if stated != version
    ]
    unreadable = [] if VERSION.fullmatch(version) else [f"{version} is no version of the form X.Y.Z"]
    others = [*problems_of_history(root, spec), *problems_of_checksum(root, spec), *problems_of_tags(root, version)]
    return unreadable + disagreeing + others


def main() -> int:
    """Entry point; returns the exit code."""
    wrong = problems(ROOT)
    for problem in wrong:
        print(f"FAILED: {problem}")
    if not wrong:
        tags = git(ROOT, "tag", "--points-at", "HEAD", "--list", "v*")
        tagged = f"and the tag {tags[0]} " if tags else ""
        print(f"OK: spec, changelog, help.md, setup.py, bin, .CHECKSUM {tagged}agree on {read_spec()['version']}")
    else:
        print("The version is edited in plugin.spec.yaml only (version and version_history); then: make regenerate")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
