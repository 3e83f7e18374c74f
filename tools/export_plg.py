"""Write the file that InsightConnect imports: dist/VENDOR_NAME_VERSION.plg, a gzipped docker archive (make export).

    python -m tools.export_plg [--twice]       --twice: build it twice and fail unless both are the same, byte for byte

Only what stands on Rapid7's base image has that name. What is built on the stand-in base is called
VENDOR_NAME_VERSION-standin.plg, inherits a label of that base that says so, and has a text beside it. There is one
artefact of a version in dist/: a new one takes the place of the one before, whichever base that stood on. Beside it is
a .json of the same name, which says what it was made from; the checks read it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import archive
from tools.image import build, full, image_tag, timestamp
from tools.tree import ROOT, read_spec

STAND_IN_MARK = "-standin"
STAND_IN_NOTE = (
    "NOT FOR RELEASE: this .plg stands on a stand-in made from Debian's packages, not on Rapid7's base image {base}.\n"
    "It is good for tests. Build the one to import where a docker engine can pull that image: make export\n"
)


def plg_path(stand_in: bool) -> Path:
    """Where the artefact lies: named as Rapid7's own export names it, unless it stands on the stand-in base."""
    spec = read_spec()
    mark = STAND_IN_MARK if stand_in else ""
    return ROOT / "dist" / f"{spec['vendor']}_{spec['name']}_{spec['version']}{mark}.plg"


def exported() -> Path:
    """The artefact in dist/. Raises SystemExit where there is none, or one of each name."""
    there = [path for path in (plg_path(stand_in=False), plg_path(stand_in=True)) if path.exists()]
    if not there:
        raise SystemExit("FAILED: no .plg of this version is in dist/ (make export)")
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise SystemExit(f"FAILED: {names} are both in dist/: remove the one that is not meant")
    return there[0]


def note_path(plg: Path) -> Path:
    """The text that lies beside an artefact that must not be released."""
    return plg.with_suffix(".NOT-FOR-RELEASE.txt")


def export(folder: Path) -> tuple[Path, dict[str, object]]:
    """Build the image and write it to a folder; returns its file, which its base names, and what it was made from."""
    built = build()
    target = folder / plg_path(built.stand_in).name
    tag, epoch = image_tag(read_spec()), timestamp()
    base_layers = built.layers(full(built.base) if built.stand_in else built.base)
    with tempfile.TemporaryDirectory() as temporary:
        saved = Path(temporary, "saved.tar")
        built.save(saved)
        with archive.opened(saved) as source:
            if source.digests[: len(base_layers)] != base_layers:
                raise SystemExit(f"the image does not stand on the layers of {built.base}")
            archive.write(target, source, len(base_layers), tag, epoch)
    return target, {
        "plg": archive.sha256(target),
        "tag": tag,
        "base": built.base,
        "base_layers": base_layers,
        "stand_in": built.stand_in,
        "source_date_epoch": epoch,
        "commit": commit(),
    }


def commit() -> str:
    """The commit that the tree stands on, and whether the tree holds more than that."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changes = " with uncommitted changes" if git("status", "--porcelain") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "no commit") + changes


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the .plg that InsightConnect imports.")
    parser.add_argument("--twice", action="store_true", help="fail unless a second build gives the same bytes")
    twice = parser.parse_args(arguments).twice
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    plg, facts = export(dist)
    other = plg_path(stand_in=not facts["stand_in"])
    for path in (other, other.with_suffix(".json"), note_path(other), note_path(plg)):
        path.unlink(missing_ok=True)
    plg.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{plg.relative_to(ROOT)}: {plg.stat().st_size / 1e6:.1f} MB, {facts['plg']}, tag {facts['tag']}")
    print(f"stands on {facts['base']}, made from {facts['commit']}")
    if facts["stand_in"]:
        text = STAND_IN_NOTE.format(base=facts["base"])
        note_path(plg).write_text(text, encoding="utf-8")
        print(text, end="")
    if twice:
        with tempfile.TemporaryDirectory() as temporary:
            again = export(Path(temporary))[1]["plg"]
        if again != facts["plg"]:
            print(f"FAILED: a second build of the same tree gave {again}")
            return 1
        print("A second build gave the same bytes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
