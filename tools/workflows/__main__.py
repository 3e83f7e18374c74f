"""Build the bundles in workflows/, or check that they are what would be built and that they hold together.

python -m tools.workflows            writes them (make workflows)
python -m tools.workflows --check    exit 1 where one is not as it would be built, or is not sound
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tools.tree import ROOT, read_spec
from tools.workflows import bundle
from tools.workflows.description import every_description
from tools.workflows.icon import Json, icon
from tools.workflows.schemas import all_plugins, read_facts
from tools.workflows.structure import problems

FOLDER = ROOT / "workflows"


def build() -> Iterator[tuple[str, Json, dict[str, bytes]]]:
    """Of each workflow its name, the content of its file, and the files of its folder."""
    plugins, facts, spec = all_plugins(), read_facts("insightconnect"), read_spec()
    for description in every_description():
        content = icon(description, plugins, facts)
        yield description["name"], content, bundle.bundle(description, content, spec)


def _pixels(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.convert("RGB").tobytes()


def is_same(name: str, old: bytes, new: bytes) -> bool:
    """Whether a file is what was built. A picture may be packed differently on another processor."""
    return old == new or (name == bundle.PICTURE and _pixels(old) == _pixels(new))


def differences(folder: Path, files: dict[str, bytes]) -> list[str]:
    """The files of a folder that are not as they would be built, missing or too many."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    different = [
        name for name in files.keys() & there.keys() if not is_same(name, there[name].read_bytes(), files[name])
    ]
    return sorted([*different, *(files.keys() ^ there.keys())])


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build or check the workflows.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    found = 0
    for name, content, files in build():
        wrong = problems(content)
        if check:
            wrong += [f"{file} is not what make workflows writes" for file in differences(FOLDER / name, files)]
        else:
            shutil.rmtree(FOLDER / name, ignore_errors=True)
            bundle.write(FOLDER / name, files)
        for problem in wrong:
            print(f"FAILED: {name}: {problem}")
        found += len(wrong)
        print(f"{name}: {len(content['kom']['workflowVersions'][0]['steps'])} steps, {len(wrong)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
