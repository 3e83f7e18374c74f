"""Writes playbooks of examples to a folder, to be looked at by Ansible's own tools (make check-playbooks).

Usage: python -m stand_ins.playbooks FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from remediation.domain.hosts import Device
from remediation.domain.playbook import Fix, playbook_of

DEVICES = (
    Device("1", "web.corp.example", "192.0.2.10", "Ubuntu Linux 22.04"),
    Device("2", "db.corp.example", "192.0.2.11", "Red Hat Enterprise Linux 8.9"),
    Device("3", "files.corp.example", "192.0.2.12", "Microsoft Windows Server 2022"),
    Device("4", "", "2001:db8::7", "Cisco IOS XE 17.9"),
)
NASTY = (
    "{{ 7 * 7 }}-{% for x in [1] %}loop{% endfor %}-{{ lookup('pipe', 'touch /tmp/x') }}",
    '"; touch /tmp/x; #\n- hosts: all\n  tasks:\n    - shell: touch /tmp/x',
    "!!python/object/apply:os.system ['touch /tmp/x']",
    "'\": | > & * ! % @ ` # \\ \N{RIGHT-TO-LEFT OVERRIDE}\N{NULL}\N{LINE SEPARATOR} $(reboot) `reboot` ${IFS}",
    "yum update $(reboot) {{ 7 * 7 }} && systemctl disable {{ 7 * 7 }}",
    "x" * 10_000,
    "",
)
NASTY_DEVICES = tuple(
    Device(str(number), name, address, name)
    for number, (name, address) in enumerate(
        [
            ("localhost", "127.0.0.1"),
            ("all", ""),
            ("-oProxyCommand=reboot", "192.0.2.20"),
            ("host[1:9999]", "not an address"),
            ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
            ("web.corp.example", "192.0.2.10"),
            ("WEB.corp.example", "192.0.2.21"),
            ("no", "null"),
            ("a: b\n  c: d", "fe80::1%eth0"),
        ]
    )
)
EXAMPLES: dict[str, tuple[Fix, ...]] = {
    "packages": (
        Fix("Update openssl", "Run this:\nyum update openssl\napt-get install --only-upgrade libssl3", devices=DEVICES),
        Fix("Upgrade nginx", "Update the package nginx to version 1.24.0.", devices=DEVICES[:2]),
    ),
    "services": (Fix("Disable telnet", "Disable the service telnet.", devices=DEVICES[:3]),),
    "windows": (Fix("2024-01 Cumulative Update", "Download and install KB5034129.", devices=DEVICES[2:3]),),
    "by-hand": (
        Fix(
            "Restrict access to the management interface",
            "Log in to the device.\n\nAdd an access list to the interface.",
            "workaround",
            "https://vendor.example/advisory",
            ("Management interface open",),
            DEVICES[3:],
        ),
    ),
    "hostile": tuple(Fix(text, text, text, text, NASTY, NASTY_DEVICES) for text in NASTY),
    "nobody": (Fix("Update bash", "yum update bash"),),
}


def main(folder: Path) -> None:
    """A folder for each example, with ``playbook.yml`` and ``inventory.yml``."""
    for name, fixes in EXAMPLES.items():
        made = playbook_of(fixes)
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "playbook.yml").write_text(made.text, encoding="utf-8")
        (folder / name / "inventory.yml").write_text(made.inventory, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
