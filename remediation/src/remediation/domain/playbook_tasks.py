"""The tasks of a playbook. All that differs between two of them is the prefix of the variables' names. Pure.

Facts of Ansible that they rest on, from its documentation: apt with ``only_upgrade`` and dnf with ``update_only``
install nothing that is not there; ``check_mode: true`` lets a module only look, in every run; ``package_facts`` and
``service_facts`` know no Windows. Those of apt were tried with ansible-core 2.19 on Debian, the others on no host.
"""

from __future__ import annotations

from typing import Any

from .playbook_yaml import Expression

Task = dict[str, Any]

_NOT_WINDOWS = "ansible_facts.os_family != 'Windows'"
_APT = "ansible_facts.pkg_mgr == 'apt'"
_DNF = "ansible_facts.pkg_mgr in ['dnf', 'dnf5', 'yum']"
_UNVERIFIED = "not verified: wait for the next scan"


def introduction(prefix: str) -> Task:
    """Shows what the scanner says, once for all hosts."""
    shown = ("name", "type", "removes", "steps", "url")
    return {
        "name": "Show what the scanner says is to be done",
        "ansible.builtin.debug": {"msg": {part: _variable(f"{prefix}_{part}") for part in shown}},
        "run_once": True,
    }


def by_hand(prefix: str) -> list[Task]:
    """The vendor's steps are for a person, who confirms them by a variable on the command line."""
    confirmed = f"{prefix}_confirmed"
    return [
        {
            "name": "Confirm that the vendor's steps were carried out",
            "ansible.builtin.assert": {
                "that": [f"{confirmed} | bool"],
                "fail_msg": f"Carry out the steps that are shown above, then run this again with -e {confirmed}=true",
                "success_msg": "Somebody has confirmed it",
            },
            "when": "not ansible_check_mode",
        },
        _verdict(f"'{_UNVERIFIED}'"),
    ]


def packages(prefix: str) -> list[Task]:
    """Updates packages that are installed, and asks the repositories whether they have anything newer."""
    wanted, found, left = f"{prefix}_wanted", f"{prefix}_found", f"{prefix}_left"
    update = {"name": _variable(found), "state": "latest"}
    apt, dnf = {**update, "only_upgrade": True, "update_cache": True}, {**update, "update_only": True}
    is_there = f"{found} | length > 0"
    installed = (
        "ansible_facts.packages[item.key] | map(attribute='version') | map('regex_search', '[0-9]+([.][0-9]+)*')"
    )
    # Of several that are installed, the oldest counts.
    return [
        _in_block(
            "Update packages",
            [
                _facts("package"),
                {
                    "name": "Choose the packages that are installed",
                    "ansible.builtin.set_fact": {
                        wanted: _variable(f"{prefix}_deb if {_APT} else {prefix}_rpm if {_DNF} else {{}}"),
                    },
                },
                {
                    "name": "Leave out what is not installed",
                    "ansible.builtin.set_fact": {
                        found: _variable(f"{wanted}.keys() | select('in', ansible_facts.packages) | list")
                    },
                },
                {
                    "name": "Update them with apt",
                    "ansible.builtin.apt": apt,
                    "become": True,
                    "when": [is_there, _APT],
                },
                {
                    "name": "Update them with dnf",
                    "ansible.builtin.dnf": dnf,
                    "become": True,
                    "when": [is_there, _DNF],
                },
                {
                    "name": "Ask apt whether anything newer is left",
                    "ansible.builtin.apt": {**update, "only_upgrade": True},
                    "check_mode": True,
                    "become": True,
                    "register": f"{left}_apt",
                    "when": [is_there, _APT],
                },
                {
                    "name": "Ask dnf whether anything newer is left",
                    "ansible.builtin.dnf": dnf,
                    "check_mode": True,
                    "become": True,
                    "register": f"{left}_dnf",
                    "when": [is_there, _DNF],
                },
                {**_facts("package"), "name": "Read which packages are installed now"},
                {
                    "name": "Find packages that are older than the version that is asked for, or cannot be compared",
                    "ansible.builtin.set_fact": {
                        f"{prefix}_older": _variable(
                            f"{prefix}_older | default([]) + [item.key] if not (item.value is"
                            " match('^[0-9]+([.][0-9]+)*$')"
                            f" and {installed} | reject('version', item.value, '>=') | list | length == 0)"
                            f" else {prefix}_older | default([])"
                        )
                    },
                    "loop": _variable(
                        f"{wanted} | dict2items | selectattr('value') | selectattr('key', 'in', {found})"
                    ),
                },
                _verdict(
                    f"'{_UNVERIFIED} (none of the packages is installed under these names)' if not {found}"
                    f" else 'not compliant: the repositories have something newer'"
                    f" if ({left}_apt is changed or {left}_dnf is changed)"
                    f" else 'not verified: the repositories have nothing newer, and the version that is asked for is"
                    f" not found; wait for the next scan' if {prefix}_older | default([])"
                    " else 'compliant: the repositories have nothing newer'"
                ),
            ],
            _NOT_WINDOWS,
        ),
        _elsewhere("packages of a Linux system", "ansible_facts.os_family == 'Windows'"),
    ]


def services(prefix: str) -> list[Task]:
    """Stops and disables services that are there."""
    found, names = f"{prefix}_present", f"{prefix}_services"
    # As systemd calls them, or as others do.
    known = "ansible_facts.services"
    # Only systemd says of a service that it is not found.
    present = (
        f"({names} | select('in', {known}) | list) +"
        f" ({names} | map('regex_replace', '$', '.service') | select('in', {known}) | list)"
    )
    running = f"{found} | map('extract', {known}) | selectattr('state', 'equalto', 'running') | list"
    enabled = f"{found} | map('extract', {known}) | selectattr('status', 'equalto', 'enabled') | list"
    return [
        _in_block(
            "Disable services",
            [
                _facts("service"),
                {
                    "name": "Choose the services that are there",
                    "ansible.builtin.set_fact": {found: _variable(present)},
                },
                {
                    "name": "Stop and disable them",
                    "ansible.builtin.service": {"name": _variable("item"), "state": "stopped", "enabled": False},
                    "become": True,
                    "loop": _variable(found),
                },
                {**_facts("service"), "name": "Read how the services are now"},
                _verdict(
                    f"'{_UNVERIFIED} (none of the services is there under these names)' if not {found}"
                    f" else 'not compliant: a service is running or enabled' if ({running} or {enabled})"
                    " else 'compliant: no service of them is running or enabled'"
                ),
            ],
            _NOT_WINDOWS,
        ),
        _elsewhere("services of a Linux system", "ansible_facts.os_family == 'Windows'"),
    ]


def updates(prefix: str) -> list[Task]:
    """Installs updates of Windows, and asks Windows Update whether it still offers one of them."""
    wanted = {"accept_list": _variable(f"{prefix}_kbs"), "category_names": ["*"]}
    return [
        _in_block(
            "Install updates of Windows",
            [
                {
                    "name": "Install the updates, without a restart",
                    "ansible.windows.win_updates": {**wanted, "state": "installed", "reboot": False},
                },
                {
                    "name": "Ask Windows Update which of them it still offers",
                    "ansible.windows.win_updates": {**wanted, "state": "searched"},
                    "register": f"{prefix}_offered",
                },
                _verdict(
                    "'not compliant: Windows Update still offers one of them'"
                    f" if {prefix}_offered.found_update_count > 0"
                    # A newer update may have taken its place, or it may be for another edition.
                    f" else 'not verified: Windows Update offers none of them; wait for the next scan'"
                ),
            ],
            "ansible_facts.os_family == 'Windows'",
        ),
        _elsewhere("updates of Windows", _NOT_WINDOWS),
    ]


def _variable(expression: str) -> Expression:
    return Expression(f"{{{{ {expression} }}}}")


def _facts(of: str) -> Task:
    return {"name": f"Read the {of}s of the host", f"ansible.builtin.{of}_facts": {}}


def _in_block(name: str, tasks: list[Task], when: str) -> Task:
    return {"name": name, "when": when, "block": tasks}


def _elsewhere(what: str, when: str) -> Task:
    """The verdict on hosts that these tasks are not for."""
    return {**_verdict(f"'{_UNVERIFIED} (the solution tells of {what})'"), "when": when}


def _verdict(expression: str) -> Task:
    return {
        "name": "Say whether the host is compliant",
        "ansible.builtin.debug": {"msg": _variable(expression)},
    }
