"""Looks at playbooks of examples with Ansible's own tools, in the environment of requirements/ansible.txt.

Usage: python -m tools.check_playbooks FOLDER, which holds a folder for each example (stand_ins.playbooks).
ansible-lint by its strictest profile, ansible-playbook --syntax-check, and a run of the hostile example, which shows
its texts and reaches no host: no template in them is filled in.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent
# What ansible-core does not bring. Both tools only have to know that there is such a module.
MODULES = ("ansible_collections/ansible/windows/plugins/modules/win_updates.py",)
LINT = "profile: production\noffline: true\nuse_default_rules: true\n"


def main(folder: Path) -> int:
    """The code to exit with."""
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        for module in MODULES:
            (home / module).parent.mkdir(parents=True)
            (home / module).write_text("", encoding="utf-8")
        (home / "lint.yml").write_text(LINT, encoding="utf-8")
        environment = {
            **os.environ,
            "HOME": made,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": made,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        failed = [
            name
            for name, arguments in _checks(folder, home)
            if _failed(name, subprocess.run(arguments, env=environment, cwd=folder, capture_output=True, check=False))
        ]
        hostile = _run(folder / "hostile", environment)
    failed += [] if hostile else ["hostile"]
    print(f"{len(failed)} checks FAILED: {', '.join(failed)}" if failed else "All playbooks passed.")
    return 1 if failed else 0


def _checks(folder: Path, home: Path) -> list[tuple[str, list[str | Path]]]:
    playbooks = sorted(folder.glob("*/playbook.yml"))
    lint: list[str | Path] = [BIN / "ansible-lint", "-q", "-c", home / "lint.yml", *playbooks]
    syntax: list[tuple[str, list[str | Path]]] = [
        (
            f"syntax of {one.parent.name}",
            [BIN / "ansible-playbook", "--syntax-check", "-i", one.parent / "inventory.yml", one],
        )
        for one in playbooks
    ]
    return [("ansible-lint", lint), *syntax]


def _failed(name: str, ended: subprocess.CompletedProcess[bytes]) -> bool:
    if ended.returncode:
        print(f"{name}:\n{(ended.stdout + ended.stderr).decode(errors='replace')}")
    return bool(ended.returncode)


def _run(example: Path, environment: dict[str, str]) -> bool:
    """Whether a run of the hostile example shows its texts as they are."""
    command: list[str | Path] = [
        BIN / "ansible-playbook",
        "--check",
        "-i",
        example / "inventory.yml",
        example / "playbook.yml",
    ]
    ended = subprocess.run(command, env=environment, cwd=example, capture_output=True, check=False)
    said = ended.stdout.decode(errors="replace")
    is_shown = "{{ 7 * 7 }}-{% for x in [1] %}loop{% endfor %}" in said and "49-" not in said
    is_good = ended.returncode == 0 and is_shown and "not verified: wait for the next scan" in said
    if not is_good:
        print(f"The hostile example, run with --check:\n{said}{ended.stderr.decode(errors='replace')}")
    return is_good


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
