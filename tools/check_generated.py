"""Compare the generated files with what Rapid7's generator makes of the spec today.

    python -m tools.check_generated            exit 1 and a diff where a file differs, is missing or is new
    python -m tools.check_generated --write    take over what the generator makes (make regenerate)

The generator runs on a clean copy, because it reformats every Python file below the current folder and hashes whatever
schema.py it finds there. Only what it owns is taken over from the copy.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.tree import ROOT, export_plugin

OWNED_FILES = frozenset({".CHECKSUM", "Dockerfile", "help.md", "setup.py"})
OWNED_NAMES = ("/__init__.py", "/schema.py")


def refresh(folder: Path) -> None:
    """Run `insight-plugin refresh` in a folder, without the stubs of unit tests that it would add."""
    scripts = Path(sys.executable).parent
    done = subprocess.run(
        [str(scripts / "insight-plugin"), "refresh", "--ignore", "unit_test"],
        cwd=folder,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # Its exit code is 0 even where it failed, so the closing line is asked for.
    if done.returncode != 0 or "Refresh process complete!" not in done.stdout:
        raise SystemExit(f"insight-plugin refresh failed (exit {done.returncode}):\n{done.stdout}")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative name. Compiled Python does not count."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, str]:
    """What the generator changed: name of the file to a unified diff, sorted by name."""
    found = {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        old, new = (side.get(name, b"").decode(errors="replace").splitlines(True) for side in (before, after))
        origin = f"a/{name}" if name in before else "/dev/null (missing in the tree)"
        result = f"b/{name}" if name in after else "/dev/null (removed by the generator)"
        found[name] = "".join(difflib.unified_diff(old, new, origin, result)) or f"{origin} -> {result}\n"
    return found


def is_owned(name: str) -> bool:
    """Whether the generator, not a person, writes this file."""
    return name in OWNED_FILES or name.startswith("bin/") or f"/{name}".endswith(OWNED_NAMES)


def take_over(names: list[str], copy: Path, root: Path) -> None:
    """Copy into the tree what the generator owns, and the skeletons it made for what is new in the spec."""
    for name in names:
        if (copy / name).is_file() and (is_owned(name) or not (root / name).exists()):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(copy / name, root / name)
            print(f"written: {name}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Compare generated files with the spec.")
    parser.add_argument("--write", action="store_true", help="take over what the generator makes")
    write = parser.parse_args(arguments).write
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "haloitsm")
        export_plugin(copy)
        before = contents(copy)
        refresh(copy)
        found = differences(before, contents(copy))
        if write:
            take_over(list(found), copy, ROOT)
            print(f"regenerated from plugin.spec.yaml: {len(found)} of {len(before)} files differed")
            return 0
    if found:
        print("".join(found.values()), end="")
        print(f"FAILED: {len(found)} of {len(before)} files differ from what the spec generates: {', '.join(found)}")
        print("Run `make regenerate`; a file that people write is in the list when black would format it.")
        return 1
    print(f"OK: {len(before)} files are what insight-plugin refresh makes of plugin.spec.yaml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
