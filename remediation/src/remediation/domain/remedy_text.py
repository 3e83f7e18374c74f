"""What the text of a solution tells unambiguously: packages to update, services to disable, updates of Windows. Pure.

Everything else is left to a person. A text is cut into sentences and commands; one with a word that takes it back,
such as *not* or *instead*, tells nothing. A name is taken only where it stands where a name has to stand, and where it
is one by a strict pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T", str, tuple[str, str])

# The longest text that is looked at. A vendor's steps are shorter.
LONGEST = 20_000
MOST_NAMES = 50

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")
"""A package or a service. Nothing in it means anything to YAML, Jinja or a shell."""
KB = re.compile(r"KB[0-9]{6,8}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:_-]{0,99}")
# Stands for a version that is none by this pattern, so that nothing is found to be as new.
_ANOTHER = "another"

_SENTENCES = re.compile(r"\n|(?<=[.!?]) ")
_COMMANDS = re.compile(r"&&|;|`")
_TAKEN_BACK = re.compile(
    r"\b(?:not|never|no longer|don't|doesn't|cannot|avoid|except|instead|without|uninstall\w*|remov\w*|roll(?:ed)? back"
    r"|revert\w*|supersed\w*|replac\w*)\b",
    re.IGNORECASE,
)
_IF = re.compile(r"\b(?:if|unless|or|either|alternativ\w*|when|temporar\w*|workaround|consider)\b", re.IGNORECASE)
# Words that stand where a name would, and those that follow one in a sentence.
_WORDS = frozenset(
    "a above affected all an and any appropriate as at available below by corresponding each every following for from "
    "has have if in installed is it its latest listed more named need needed new newer newest now of offending old on "
    "only operating or other outdated package packages patched please relevant respective same security service "
    "services software specific such system that the their then these this to update updated updates upgrade using "
    "vendor version versions via vulnerable when which with your".split()
)
# Whoever disables these may not come in again to enable them.
_LOCKS_OUT = re.compile(
    r"sshd?|openssh.*|network.*|systemd.*|dbus.*|winrm|firewalld|iptables|nftables|getty.*|.*\.(?:target|slice)",
    re.IGNORECASE,
)

_FLAGS = r"(?:\s+-{1,2}[A-Za-z][\w=-]*)*"
_RPM = re.compile(rf"(?:yum|dnf){_FLAGS}\s+(?:update|upgrade|install){_FLAGS}\s+(?P<names>.+)")
_DEB = re.compile(rf"(?:apt-get|apt|aptitude){_FLAGS}\s+(?:upgrade|install|full-upgrade){_FLAGS}\s+(?P<names>.+)")
_COMMAND = re.compile(r"(?:^|[\s\"'(>#$])(?P<command>(?:yum|dnf|apt-get|apt|aptitude|systemctl|chkconfig)\s.*)")
_PACKAGE = re.compile(
    r"\b(?:upgrade|update)\s+(?:to\s+the\s+latest\s+version\s+of\s+)?(?:the\s+)?"
    r"(?:package\s+(?P<after>\S+)|(?P<before>\S+)\s+package\b)(?:\s+to\s+(?:version\s+)?(?P<version>\S+))?",
    re.IGNORECASE,
)
_SERVICE = re.compile(r"\bdisable\s+(?:the\s+)?(?:service\s+(?P<after>\S+)|(?P<before>\S+)\s+service\b)", re.IGNORECASE)
_SYSTEMCTL = re.compile(rf"systemctl{_FLAGS}\s+(?:disable|mask){_FLAGS}\s+(?P<names>.+)")
_CHKCONFIG = re.compile(r"chkconfig\s+(?P<names>\S+)\s+off\W*")
_INSTALL = re.compile(r"\b(?:install\w*|appl(?:y|ied)|download|update|patch|hotfix)\b", re.IGNORECASE)
_KB = re.compile(r"\bKB\s?([0-9]{6,8})\b")
_AROUND = "\"'`()[]<>,.:!?"


@dataclass(frozen=True)
class Told:
    """``deb`` and ``rpm``: packages by name, as that family of systems calls them, each with the version that the text
    asks for, "" where it asks for the newest one. ``services`` are to be stopped and disabled; ``kbs`` are updates of
    Windows, as in KB5034441."""

    deb: tuple[tuple[str, str], ...] = ()
    rpm: tuple[tuple[str, str], ...] = ()
    services: tuple[str, ...] = ()
    kbs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.deb or self.rpm or self.services or self.kbs)


def told_by(*texts: str) -> Told:
    """What texts tell together."""
    deb, rpm, services, kbs = dict[str, str](), dict[str, str](), dict[str, str](), dict[str, str]()
    for sentence in (one for text in texts for one in _sentences(text[:LONGEST])):
        is_sure = not _IF.search(sentence)
        for part in _COMMANDS.split(sentence):
            found = _COMMAND.search(part)
            command = found["command"].strip() if found else ""
            deb |= _packages(_DEB.fullmatch(command)) or ({} if command else _named_packages(part))
            rpm |= _packages(_RPM.fullmatch(command)) or ({} if command else _named_packages(part))
            if is_sure:
                services |= _disabled(command) if command else _named_services(part)
        if _INSTALL.search(sentence):
            kbs |= {f"KB{number}": "" for number in _KB.findall(sentence)}
    return Told(_first(deb.items()), _first(rpm.items()), _first(services), _first(kbs))


def _first(names: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(sorted(names)[:MOST_NAMES])


def _sentences(text: str) -> Iterator[str]:
    """The sentences that take nothing back. A line that ends with a colon goes on in the next one."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    whole = "".join(f"{line} " if line.endswith(":") else f"{line}\n" for line in lines if line)
    for part in _SENTENCES.split(whole):
        sentence = part.strip()
        if sentence and not _TAKEN_BACK.search(sentence):
            yield sentence


def _name(word: str) -> str:
    """A word as a name, "" where it is none."""
    bare = word.strip(_AROUND)
    return bare if NAME.fullmatch(bare) and bare.lower() not in _WORDS else ""


def _names(text: str) -> list[str]:
    """All words of the rest of a command as names; none where one of them is no name: it is a sentence then."""
    words = text.split()
    found = [_name(word) for word in words]
    return found if all(found) else []


def _packages(command: re.Match[str] | None) -> dict[str, str]:
    if command is None:
        return {}
    pairs = [word.strip(_AROUND).partition("=")[::2] for word in command["names"].split()]
    names = _names(" ".join(name or "=" for name, _ in pairs))
    return dict(zip(names, [_version(version) for _, version in pairs])) if names else {}


def _named_packages(sentence: str) -> dict[str, str]:
    found = {}
    for match in _PACKAGE.finditer(sentence):
        if name := _name(match["after"] or match["before"]):
            version = (match["version"] or "").strip(_AROUND)
            found[name] = "" if version.lower() in _WORDS else _version(version)
    return found


def _version(word: str) -> str:
    return word if not word or VERSION.fullmatch(word) else _ANOTHER


def _disabled(command: str) -> dict[str, str]:
    match = _SYSTEMCTL.fullmatch(command) or _CHKCONFIG.fullmatch(command)
    return {} if match is None else _services(_names(match["names"]))


def _named_services(sentence: str) -> dict[str, str]:
    return _services(_name(match["after"] or match["before"]) for match in _SERVICE.finditer(sentence))


def _services(names: Iterable[str]) -> dict[str, str]:
    bare = [name.removesuffix(".service") for name in names]
    return {name: "" for name in bare if name and not _LOCKS_OUT.fullmatch(name)}
