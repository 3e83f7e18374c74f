"""By which rules names of hosts are the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Naming:
    """``aliases`` are names of machines that are now called otherwise, from old to new; a new one may be an old one
    itself. ``suffixes`` are domains that are left out of names. Case and a dot at the end never count.

    Raises ValueError where aliases go round in a circle.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    suffixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.final_names()

    def final_names(self) -> dict[str, str]:
        """From each old name to the one that is no old one, both without the suffixes."""
        next_name = {self._bare(old): self._bare(new) for old, new in self.aliases.items()}
        final = {}
        for old, name in next_name.items():
            passed = {old}
            while name in next_name and name != next_name[name]:
                if name in passed:
                    raise ValueError(f"The aliases of {old!r} go round in a circle.")
                passed.add(name)
                name = next_name[name]
            final[old] = name
        return final

    def domain(self) -> str:
        """What is left out of the end of a name, as a regular expression. It finds the longest."""
        domains = {re.escape(_plain(suffix).strip(".")) for suffix in self.suffixes} - {""}
        return rf"\.(?:{'|'.join(domains)})$" if domains else "$^"

    def _bare(self, name: str) -> str:
        return re.sub(self.domain(), "", _plain(name), count=1)


def host_key(column: pl.Expr, naming: Naming = Naming()) -> pl.Expr:
    """What a host's name is compared by: null for no name."""
    key = column.str.strip_chars().str.to_lowercase().str.strip_suffix(".").replace("", None)
    key = key.str.replace(naming.domain(), "") if naming.suffixes else key
    final = naming.final_names()
    return key.replace(final) if final else key


def is_address(column: pl.Expr) -> pl.Expr:
    """Whether a text is an IP address, of version 4 or 6, and no name."""
    return column.str.contains(
        r"^\s*\d{1,3}(?:\.\d{1,3}){3}\s*$|^\s*[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:%\w+)?\s*$"
    )


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")
