"""Write the plugin's own folder, as it would stand in Rapid7's repository, to dist/plugins/NAME (make plugin).

It holds what Rapid7's tools generate and ask for, the unit tests with the stand-in for HaloITSM that they talk to, and
a Makefile that needs nothing of this repository. Rapid7's rules are meant for this folder: they read every Python file
below the folder that they are given, so in this repository they would judge the tools and the service, too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tools.tree import ROOT, export_plugin, read_spec, tree_files

MAKEFILE = "tools/plugin.mk"
TESTS, STAND_IN = "unit_test/", "halo_emulator/"
# The stand-in's command line: the tests start it by themselves.
LEFT_OUT = frozenset({"halo_emulator/__main__.py"})


def write(target: Path, root: Path = ROOT) -> list[str]:
    """Copy all of it into an empty folder; returns the names of the files."""
    names = export_plugin(target, root)
    places = {MAKEFILE: "Makefile"}
    for name in tree_files(root):
        if name.startswith(TESTS):
            places[name] = name
        elif name.startswith(STAND_IN) and name not in LEFT_OUT:
            places[name] = TESTS + name
    for name, place in places.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / place)
    return sorted({*names, *places.values()})


def main() -> int:
    """Entry point; returns the exit code."""
    target = ROOT / "dist" / "plugins" / str(read_spec()["name"])
    shutil.rmtree(target, ignore_errors=True)
    names = write(target)
    print(f"{target.relative_to(ROOT)}: {len(names)} files, as they would stand in plugins/ of Rapid7's repository")
    print("make validate runs Rapid7's rules on such a folder, make help there lists what can be done in it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
