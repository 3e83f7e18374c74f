"""Which of Cisco's systems a device runs, by the text that a scanner has of it. Pure.

A guess where it has to be one: no scanner documents how it writes them. A text that could mean two things means none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# By Cisco's own short names (official), with how people call them.
TITLES: Mapping[str, str] = {
    "aci": "NX-OS in ACI mode",
    "asa": "ASA",
    "ftd": "FTD",
    "fmc": "FMC",
    "fxos": "FXOS",
    "ios": "IOS",
    "iosxe": "IOS XE",
    "nxos": "NX-OS",
}
# IOS XR is none that Cisco answers for, and not IOS.
_OTHER = re.compile(r"\bIOS[ _-]?XR", re.IGNORECASE)
_NAMES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "iosxe": r"IOS[ _-]?XE",
        "ios": r"\bIOS\b(?![ _-]?X[ER])",
        "nxos": r"\bNX-?OS\b",
        "aci": r"\bACI\b",
        "asa": r"\bASA\b|Adaptive Security Appliance",
        "ftd": r"\bFTD\b|(Firepower|Secure Firewall) Threat Defense",
        "fmc": r"\bFMC\b|(Firepower|Secure Firewall) Management Center",
        "fxos": r"\bFXOS\b|Firepower Extensible Operating System",
    }.items()
}
_DOTTED = r"\d{1,2}(?:\.\d{1,3}){2,3}"
_VERSIONS: Mapping[str, str] = {
    "iosxe": r"\d{1,2}\.\d{1,2}\.\d{1,2}[A-Za-z]{0,3}\d{0,2}",
    "ios": r"\d{2}\.\d{1,2}\(\d{1,3}[a-z]?\)[A-Z]{0,4}\d{0,3}[a-z]?",
    "nxos": r"\d{1,2}\.\d{1,2}\(\d{1,3}[a-z]{0,2}\)(?:[A-Z]{1,3}\d*(?:\(\d+(?:\.\d+)?[a-z]?\))?)?",
    "aci": r"1\d\.\d\(\d{1,3}[a-z]{1,2}\)",
    "asa": rf"\d{{1,2}}\.\d{{1,2}}\(\d{{1,3}}\)\d{{0,3}}|{_DOTTED}",
    "ftd": _DOTTED,
    "fmc": _DOTTED,
    "fxos": r"\d\.\d{1,2}\(\d{1,3}\.\d{1,4}\)|\d\.\d{1,2}(?:\.\d{1,4}){2}",
}
_WHOLE = {name: re.compile(rf"(?<![\w.(-])(?:{pattern})(?![\w(-]|\.\w)") for name, pattern in _VERSIONS.items()}
# Of these, Cisco writes 9.16.4.19 where the device itself says 9.16(4)19 (seen).
_WITH_DOTS = ("asa", "fxos")
# The longest text that is looked at.
_LONGEST = 500


@dataclass(frozen=True)
class Software:
    """``os_type`` is one of TITLES; ``version`` as Cisco writes it."""

    os_type: str
    version: str

    @property
    def title(self) -> str:
        """``Cisco IOS XE 17.9.4a``."""
        return f"Cisco {TITLES[self.os_type]} {self.version}"


def software_of(text: str | None) -> Software | None:
    """What a text tells of a system, None where it is not sure: no system of Cisco's, two of them, no whole version."""
    text = (text or "")[:_LONGEST]
    if "cisco" not in text.casefold() or _OTHER.search(text):
        return None
    named = systems_named(text)
    if len(named) != 1:
        return None
    found = {_as_cisco_writes(named[0], version) for version in _WHOLE[named[0]].findall(text)}
    return Software(named[0], found.pop()) if len(found) == 1 else None


def systems_named(text: str) -> list[str]:
    """The short names of all systems that a text names."""
    named = [name for name, pattern in _NAMES.items() if pattern.search(text)]
    # "Cisco IOS Software, ... (CAT9K_IOSXE)" is what IOS XE calls itself.
    return [name for name in named if name != "ios" or "iosxe" not in named]


def _as_cisco_writes(os_type: str, version: str) -> str:
    if os_type in _WITH_DOTS:
        version = re.sub(r"[()]", ".", version).strip(".")
    # IOS XE calls itself 17.09.04a.
    return re.sub(r"(?<![\d])0+(?=\d)", "", version) if os_type == "iosxe" else version
