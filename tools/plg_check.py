"""Open the exported .plg and check that it holds the plugin and nothing else (make plg-check).

    python -m tools.plg_check [--release]      --release: one that stands on the stand-in base is refused, too

What may be inside is listed: the plugin, what the generated Dockerfile leaves behind, and the packages that its
own requirements add to the runtime's. Anything else fails the check, be it a test, a cache, a secret or git data.
"""

from __future__ import annotations

import argparse
import csv
import json
import posixpath
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools import archive
from tools.export_plg import STAND_IN_MARK, exported
from tools.image import image_tag
from tools.tree import ROOT, read_spec

# Bytes that we may add over the base image. orjson is 0.4 MB of them; our own code counts twice, because the generated
# Dockerfile leaves a copy of it behind.
LARGEST = 1_850_000
ENTRY_POINT = ["python", "/workspace/bin/komand_haloitsm"]

PLUGIN = re.compile(
    r"plugin\.spec\.yaml|workspace/(plugin\.spec\.yaml|requirements\.txt|setup\.py|bin/komand_haloitsm"
    r"|komand_haloitsm/[\w/]+\.py|komand_haloitsm/util/halo/py\.typed)"
)
# The generated Dockerfile copies the builder's /workspace whole, and `pip install .` leaves its build folder and its
# metadata there. They are a second copy of the same code, on no import path; the Dockerfile is not ours to change.
TOLERATED = re.compile(
    r"workspace/(build/lib/komand_haloitsm/([\w/]+\.py|util/halo/py\.typed)|haloitsm_rapid7_plugin\.egg-info/[\w.-]+)"
)
FOLDERS = re.compile(
    r"workspace(/(bin|cache|tmp|komand_haloitsm(/\w+)*"
    r"|build(/bdist[\w.-]*|/lib(/\w+)*)?|haloitsm_rapid7_plugin\.egg-info))?"
)
# What removing a step's own leftovers in the base image's folders leaves in a layer: markers without content.
REMOVED = re.compile(r"(root|tmp)/\.wh\.[\w.-]+")
SECRETS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.|\bAKIA[0-9A-Z]{16}\b")


def entries(layers: tuple[Path, ...]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Everything in the layers that the build added, with its content."""
    for layer in layers:
        with tarfile.open(layer) as files:
            for entry in files:
                content = files.extractfile(entry) if entry.isreg() else None
                yield entry, content.read() if content else b""


def problems_of_config(image: archive.Archive, spec: dict[str, Any]) -> Iterator[str]:
    """The tag, the user and the entry point."""
    settings = image.config["config"]
    if image.tags != (image_tag(spec),):
        yield f"its tags are {image.tags}, not only {image_tag(spec)}"
    if settings.get("User") != "nobody":
        yield f"it runs as {settings.get('User')!r}, not as nobody"
    if settings.get("Entrypoint") != ENTRY_POINT or settings.get("Cmd"):
        yield f"its entry point is {settings.get('Entrypoint')} {settings.get('Cmd')}"
    if "PYTHONPATH=/workspace" not in {entry.rstrip(":") for entry in settings.get("Env", ())}:
        yield "/workspace is not on its PYTHONPATH"


def locked(lock: Path) -> set[str]:
    """The packages of a lock file, as NAME-VERSION in the spelling of installed metadata."""
    pins = re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {f"{re.sub(r'[-_.]+', '_', name).lower()}-{version}" for name, version in pins}


def package_files(contents: dict[str, bytes], allowed: set[str]) -> set[str]:
    """The files of installed packages, by their own lists of files, where the package is one of those allowed."""
    files = set()
    for name, content in contents.items():
        match = re.fullmatch(r"(usr/.*/(?:site|dist)-packages)/([^/]+)\.dist-info/RECORD", name)
        if match and match[2].lower() in allowed:
            rows = csv.reader(content.decode().splitlines())
            files |= {posixpath.normpath(f"{match[1]}/{row[0]}") for row in rows}
    return files


def is_expected(entry: tarfile.TarInfo, packages: set[str]) -> bool:
    """Whether something belongs into the image."""
    name = entry.name.removeprefix("./").rstrip("/")
    if name in packages:
        return True
    if entry.isdir():  # layers name the base image's folders above what they bring, too
        return not name.startswith("workspace") or bool(FOLDERS.fullmatch(name))
    return any(pattern.fullmatch(name) for pattern in (PLUGIN, TOLERATED, REMOVED))


def problems_of_content(added: list[tuple[tarfile.TarInfo, bytes]], root: Path) -> Iterator[str]:
    """Files that have no business there, secrets, a specification that is not ours, size."""
    contents = {entry.name.removeprefix("./"): content for entry, content in added}
    # What the plugin needs beyond the runtime; those that the base image has are not installed again.
    own = locked(root / "requirements/image.txt") - locked(root / "requirements/base.txt")
    packages = package_files(contents, own)
    for entry, content in added:
        if not is_expected(entry, packages):
            yield f"/{entry.name} does not belong into the image"
        if SECRETS.search(content):
            yield f"/{entry.name} holds what looks like a key or a token"
    for name in ("plugin.spec.yaml", "workspace/plugin.spec.yaml"):
        if contents.get(name) != (root / "plugin.spec.yaml").read_bytes():
            yield f"/{name} is missing or is not the tree's"
    size = sum(entry.size for entry, _ in added)
    if size >= LARGEST:
        yield f"adds {size} bytes to the base image, more than {LARGEST}"


def problems_of_base(plg: Path, stand_in: bool, release: bool) -> Iterator[str]:
    """The file's name has to say what it stands on, since that is all that is left of it once it is passed on."""
    if stand_in != plg.stem.endswith(STAND_IN_MARK):
        base = "a stand-in for the base image" if stand_in else "Rapid7's base image"
        yield f"it stands on {base}, and {plg.name} does not say so"
    if stand_in and release:
        yield "it stands on a stand-in for the base image and must not be released"


def check(plg: Path, release: bool) -> list[str]:
    """Everything that is wrong with an artefact; says what it is on the way."""
    facts = json.loads(plg.with_suffix(".json").read_text(encoding="utf-8"))
    if archive.sha256(plg) != facts["plg"]:
        return ["it is not the file that the text beside it describes: export it again"]
    with archive.opened(plg) as image:
        below = facts["base_layers"]
        if image.digests[: len(below)] != below:
            return ["its lowest layers are not those of its base image"]
        added = list(entries(image.layers[len(below) :]))
        found = [*problems_of_config(image, read_spec()), *problems_of_content(added, ROOT)]
        marked = "not-for-release" in (image.config["config"].get("Labels") or {})  # by the stand-in base
    found += problems_of_base(plg, marked or bool(facts["stand_in"]), release)
    tolerated = [entry for entry, _ in added if TOLERATED.fullmatch(entry.name) and entry.isreg()]
    print(f"{plg.name}: {plg.stat().st_size / 1e6:.1f} MB, tag {facts['tag']}, stands on {facts['base']}", end="")
    print(" (a stand-in: NOT FOR RELEASE)" if facts["stand_in"] else "")
    print(f"adds {len(added)} entries, {sum(entry.size for entry, _ in added)} bytes, to the base image")
    print(
        f"of these, tolerated as left behind by the generated Dockerfile's pip install: {len(tolerated)} files, ",
        end="",
    )
    print(f"{sum(entry.size for entry in tolerated)} bytes, in /workspace/build and *.egg-info")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check the exported .plg.")
    parser.add_argument("--release", action="store_true", help="refuse one that stands on the stand-in base")
    release = parser.parse_args(arguments).release
    plg = exported()
    found = check(plg, release)
    for problem in found:
        print(f"FAILED: {problem}")
    if not found:
        print("OK: tag, user, entry point, spec, size and content are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
