"""The hosts of an inventory for Ansible: names that cannot be host names are made into some, and counted. Pure.

A name of a device is what a scanner repeats of it, so it may be anything: a range that Ansible expands, an option of
ssh, the machine that Ansible itself runs on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9.-]+")
_LONGEST_NAME = 253
# To Ansible, these are not devices.
_OTHERS = frozenset(("localhost", "localhost.localdomain", "ip6-localhost", "all", "ungrouped"))
WINDOWS, LINUX, OTHER = "os_windows", "os_linux", "os_other"
_LINUXES = re.compile(
    r"linux|ubuntu|debian|red ?hat|rhel|centos|rocky|alma|fedora|suse|sles|oracle enterprise|photon", re.IGNORECASE
)


@dataclass(frozen=True)
class Device:
    """A machine as a source tells of it. ``name`` stands for it where there is neither a host name nor an address."""

    name: str
    host_name: str = ""
    address: str = ""
    os: str = ""


@dataclass(frozen=True)
class Hosts:
    """``names``: what each device is called in the inventory. ``variables``: those of each host, by its name.
    ``sanitised``: how many names were no host names, or another's already."""

    names: dict[Device, str]
    variables: dict[str, dict[str, str]]
    sanitised: int


def hosts_of(devices: Iterable[Device]) -> Hosts:
    """The hosts that stand for devices: each device once, and no two of one name."""
    names: dict[Device, str] = {}
    variables: dict[str, dict[str, str]] = {}
    sanitised = 0
    for device in devices:
        if device in names:
            continue
        wanted, address = device.host_name or device.address or device.name, _address(device.address)
        name = _name(wanted)
        unique, count = name, 1
        while unique.lower() in variables:
            count += 1
            unique = f"{name[:200]}-{count}"
        sanitised += unique != wanted
        names[device] = unique
        variables[unique.lower()] = {"ansible_host": address} if address and address != unique else {}
    return Hosts(names, {name: variables[name.lower()] for name in names.values()}, sanitised)


def group_of(os: str) -> str:
    """The group of an operating system, by the name that a scanner gives it."""
    if "windows" in os.lower():
        return WINDOWS
    return LINUX if _LINUXES.search(os) else OTHER


def inventory(hosts: Hosts, groups: dict[str, Iterable[Device]]) -> dict[str, Any]:
    """The inventory as plain data: all hosts with their variables, by groups of operating systems and of ``groups``."""
    children: dict[str, Any] = {}
    for device, name in hosts.names.items():
        children.setdefault(group_of(device.os), {"hosts": {}})["hosts"][name] = hosts.variables[name]
    for group, members in groups.items():
        children[group] = {"hosts": {hosts.names[device]: {} for device in members}}
    return {"all": {"children": children}}


def _address(text: str) -> str:
    """An address that a device can have, "" for others."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    is_nobodys = address.is_loopback or address.is_unspecified or address.is_multicast
    return "" if is_nobodys or "%" in text else str(address)


def _name(text: str) -> str:
    """A name that Ansible takes for one host and ssh for no option."""
    is_one = bool(_HOST_NAME.fullmatch(text)) and len(text) <= _LONGEST_NAME and text.lower() not in _OTHERS
    # One of numbers only is an address, if anything.
    if is_one and (not text.replace(".", "").isdecimal() or _address(text) == text):
        return text
    bare = re.sub(r"[.-]*\.[.-]*", ".", _NOT_OF_A_NAME.sub("-", text)).strip(".-")[:100].strip(".-")
    return f"device-{bare}" if bare else "device"
