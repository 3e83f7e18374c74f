"""An Ansible playbook and an inventory for solutions: what their texts tell unambiguously, and the rest for a person to
confirm. Pure.

No text of a scanner's is a name of a task, a command, an argument or a template: it stands in variables that Ansible
shows as they are. What goes into an argument has passed the strict patterns of ``remedy_text`` and ``hosts``. The
service runs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .hosts import Device, hosts_of, inventory
from .playbook_tasks import Task, by_hand, introduction, packages, services, updates
from .playbook_yaml import Unsafe, lines_of, seen, written
from .plan import digest
from .remedy_text import Told, told_by

# More solutions, or hosts, than anybody reads the play of.
MOST_FIXES, MOST_DEVICES, MOST_VULNERABILITIES = 50, 2000, 50

_HEADER = """\
# Written by the remediation service out of what a vulnerability scanner says. The service has run none of it, and
# nobody has tried it on these hosts.
#
# 1. Read it. The texts of the scanner are shown by tasks and are never run.
# 2. See what it would change:  ansible-playbook -i {inventory} {playbook} --check --diff
# 3. Run it on one host first:  ansible-playbook -i {inventory} {playbook} --limit HOST
# Nothing in it restarts a host. The last task of each play says whether the host is compliant.
{more}"""
_INVENTORY_HEADER = """\
# Written by the remediation service. How to reach the hosts (users, keys, winrm) is for you to add.
# Names that cannot be host names and were changed: {sanitised}. Devices that were left out: {left_out}.
"""


@dataclass(frozen=True)
class Fix:
    """A solution as its source tells of it, with what it removes and where. ``more``: on how many devices beyond
    those."""

    name: str
    text: str = ""
    kind: str = ""
    url: str = ""
    vulnerabilities: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    more: int = 0


@dataclass(frozen=True)
class Playbook:
    """``name`` and ``inventory_name`` are of the files, and tell of their content. ``by_hand``: how many of the fixes
    are for a person to carry out. ``sanitised``: how many host names were changed. ``left_out``: devices, and fixes,
    beyond what a playbook is made for."""

    name: str
    text: str
    inventory_name: str
    inventory: str
    fixes: int
    by_hand: int
    devices: int
    sanitised: int
    left_out: int
    left_out_fixes: int


def playbook_of(fixes: Sequence[Fix]) -> Playbook:
    """The playbook for fixes, in their order. The same fixes give the same text."""
    taken = fixes[:MOST_FIXES]
    every = list(dict.fromkeys(device for fix in taken for device in fix.devices))
    kept = set(every[:MOST_DEVICES])
    hosts = hosts_of(every[:MOST_DEVICES])
    groups = {f"remedy_{place}": [one for one in fix.devices if one in kept] for place, fix in enumerate(taken, 1)}
    told = [told_by(fix.name, fix.text) for fix in taken]
    left_out = len(every) - len(kept) + sum(fix.more for fix in taken)
    left_out_fixes = len(fixes) - len(taken)
    more = f"# Solutions that were left out, because one playbook has room for {MOST_FIXES}: {left_out_fixes}.\n"
    plays = [play_of(place, *pair) for place, pair in enumerate(zip(taken, told), 1)]
    listed = written(
        inventory(hosts, dict(groups)), _INVENTORY_HEADER.format(sanitised=hosts.sanitised, left_out=left_out)
    )
    inventory_name = f"inventory-{digest(listed)}.yml"
    known = {"inventory": inventory_name, "more": more if left_out_fixes else ""}
    # Its name is in its own text, so it is made of the text without.
    name = f"playbook-{digest([written(plays, ''), known])}.yml"
    return Playbook(
        name,
        written(plays, _HEADER.format(playbook=name, **known)),
        inventory_name,
        listed,
        len(taken),
        sum(not one for one in told),
        len(kept),
        hosts.sanitised,
        left_out,
        left_out_fixes,
    )


def play_of(place: int, fix: Fix, told: Told) -> dict[str, Any]:
    """The play of the fix at a place, counted from 1. Its variables begin with ``remedy_`` and the place."""
    prefix = f"remedy_{place}"
    tasks: list[Task] = [introduction(prefix)]
    if told.deb or told.rpm:
        tasks += packages(prefix)
    if told.services:
        tasks += services(prefix)
    if told.kbs:
        tasks += updates(prefix)
    if not told:
        tasks += by_hand(prefix)
    return {
        "name": f"Remedy {place}",
        "hosts": prefix,
        # What is shown only needs no way to the host.
        "gather_facts": bool(told),
        "vars": _variables(prefix, fix, told),
        "tasks": tasks,
    }


def _variables(prefix: str, fix: Fix, told: Told) -> dict[str, Any]:
    more = len(fix.vulnerabilities) - MOST_VULNERABILITIES
    removes = [Unsafe(seen(title)) for title in fix.vulnerabilities[:MOST_VULNERABILITIES]]
    known: dict[str, Any] = {
        f"{prefix}_name": lines_of(fix.name),
        f"{prefix}_steps": lines_of(fix.text),
        f"{prefix}_type": lines_of(fix.kind),
        f"{prefix}_url": lines_of(fix.url),
        f"{prefix}_removes": [line for title in removes for line in lines_of(title)]
        + ([Unsafe(f"... and {more} more")] if more > 0 else []),
    }
    if told.deb or told.rpm:
        known[f"{prefix}_deb"], known[f"{prefix}_rpm"] = dict(told.deb), dict(told.rpm)
    if told.services:
        known[f"{prefix}_services"] = list(told.services)
    if told.kbs:
        known[f"{prefix}_kbs"] = list(told.kbs)
    if not told:
        known[f"{prefix}_confirmed"] = False
    return known
