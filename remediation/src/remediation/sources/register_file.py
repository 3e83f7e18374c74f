"""Reads the organisation's register of devices from any delimited text: whole, or not at all.

Which column is what is told by its name, else by what it holds, else by the person. No error holds a cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import polars as pl

from ..domain.register import Entry, contradictions, key_of
from .copied import copied
from .delimited import Delimited, read_delimited
from .errors import NotUnderstood
from .scanner_rows import LINE

# For each field of a device, what registers call it, the best first. Guessed from what people write, and no standard.
NAMES: dict[str, tuple[str, ...]] = {
    "name": (
        *("name", "device name", "device", "host name", "hostname", "host", "computer name", "computer"),
        *("asset name", "ci name", "system name", "server name", "fqdn", "dns name", "machine"),
    ),
    "aliases": (
        *("aliases", "alias", "other names", "other name", "also known as", "aka", "old names", "old name"),
        *("former name", "former names", "dns aliases", "netbios name", "short name", "cname"),
    ),
    "addresses": ("addresses", "ip addresses", "ip address", "ip", "ips", "ipv4 address", "ipv4", "address", "ipv6"),
    "owner": (
        *("owner", "owner/team", "team", "owner team", "owning team", "owned by", "responsible", "managed by"),
        *("support group", "assignment group", "contact"),
    ),
    "site": ("site", "location", "office", "building", "data centre", "data center", "datacenter", "site name"),
    "criticality": ("criticality", "business criticality", "asset criticality", "importance", "priority", "tier"),
}
MOST_ROWS, LONGEST_NAME, LONGEST_TEXT, MOST_NAMES = 100_000, 253, 200, 100
# Lines that an error names.
MOST_TOLD = 20
# Between the names or addresses of one cell.
_BETWEEN = re.compile(r"[\s,;|]+")
_HOST = r"^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$"
_LETTER = "[A-Za-z]"
# Of the cells of a column, so many are what it is taken for.
_MOST = 0.9
_AGAIN = "Nothing was changed. Correct these lines and bring the file again."


@dataclass(frozen=True)
class ReadRegister:
    """``columns`` says for each field which column it was read from, as the file calls it. ``rows``: the devices."""

    entries: list[Entry]
    columns: dict[str, str] = field(default_factory=dict)


def read_register(file: Path, chosen: Mapping[str, str] | None = None) -> ReadRegister:
    """Read it; a gzip file as well. ``chosen``: fields and the columns that a person names for them.

    Raises a SourceError: CutOff and NotUnderstood, whose text names the lines that are wrong; NotReadable; NoRoom.
    """
    with copied(file) as plain:
        told = read_delimited(plain)
    _refuse_wrong_rows(told)
    columns = columns_of(told, chosen or {})
    entries, wrong = [], []
    for line, cells in _cells(told.rows, columns):
        try:
            entries.append((line, entry_of(cells)))
        except ValueError as error:
            wrong.append((line, str(error)))
    wrong += contradictions(entries)
    if wrong:
        raise NotUnderstood(f"The register cannot be used: {_told(sorted(wrong))}.", _AGAIN)
    if not entries:
        raise NotUnderstood("The register has no device: there is a header, and no row.", "Bring one that has rows.")
    return ReadRegister([entry for _, entry in entries], columns)


def columns_of(told: Delimited, chosen: Mapping[str, str]) -> dict[str, str]:
    """The column of each field, of those that are told. Raises NotUnderstood where there is none with names of devices,
    or one is chosen that is not there."""
    missing = sorted({column for column in chosen.values() if column} - set(told.header))
    if missing:
        raise NotUnderstood(
            f"The file has no column {missing[0]!r}.", f"Choose one that it has: {', '.join(told.header[:30])}."
        )
    plain = {_plain(column): column for column in reversed(told.header)}
    found = {name: column for name, column in chosen.items() if column and name in NAMES}
    for name, words in NAMES.items():
        column = next((plain[word] for word in words if plain.get(word) not in (None, *found.values())), None)
        if name not in found and column:
            found[name] = column
    for name, is_one in (("name", _are_names), ("addresses", _are_addresses)):
        if name not in found:
            alike = [one for one in told.header if one not in found.values() and is_one(told.rows[one])]
            if len(alike) == 1:
                found[name] = alike[0]
    if "name" not in found:
        raise NotUnderstood(
            "No column is known to hold the names of devices, by its own name or by what it holds.",
            f"Choose it, of: {', '.join(told.header[:30])}.",
        )
    return {name: found[name] for name in NAMES if name in found}


def entry_of(cells: Mapping[str, str]) -> Entry:
    """A device from the texts of its fields. Raises ValueError, whose text holds none of them."""
    name = _text(cells, "name", LONGEST_NAME)
    if not name.strip("."):
        raise ValueError("the name is empty")
    aliases = [one for one in _BETWEEN.split(cells.get("aliases", "")) if one.strip(".")]
    addresses = [one for one in _BETWEEN.split(cells.get("addresses", "")) if one]
    if len(aliases) > MOST_NAMES or len(addresses) > MOST_NAMES:
        raise ValueError(f"it has more than {MOST_NAMES} other names or addresses")
    for one in aliases:
        if len(one) > LONGEST_NAME or not one.isprintable():
            raise ValueError(
                f"one of its other names has more than {LONGEST_NAME} characters, or one that is no letter"
            )
    kept: dict[str, str] = {}
    for one in aliases:
        if key_of(one) != key_of(name):
            kept.setdefault(key_of(one), one)
    return Entry(
        name,
        tuple(kept[key] for key in sorted(kept)),
        tuple(sorted(set(map(_address, addresses)))),
        *(_text(cells, one, LONGEST_TEXT) for one in ("owner", "site", "criticality")),
    )


def _text(cells: Mapping[str, str], name: str, longest: int) -> str:
    text = " ".join(cells.get(name, "").split())
    if len(text) > longest:
        raise ValueError(f"the {name} has more than {longest} characters")
    if not text.isprintable():
        raise ValueError(f"the {name} holds a character that cannot be printed")
    return text


def _address(text: str) -> str:
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        raise ValueError("an address is none of IPv4 or IPv6") from None


def _cells(rows: pl.DataFrame, columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    if rows.height > MOST_ROWS:
        raise NotUnderstood(
            f"The register has {rows.height:,} rows, and {MOST_ROWS:,} are the most.",
            "Bring one of what scans can see.",
        )
    names = list(columns)
    for line, *texts in rows.select(LINE, *(pl.col(columns[name]).alias(f"cell {name}") for name in names)).iter_rows():
        yield line, {name: text or "" for name, text in zip(names, texts)}


def _refuse_wrong_rows(told: Delimited) -> None:
    wrong = [(one.line, f"{one.column}: {one.what}" if one.column else one.what) for one in told.errors]
    if wrong:
        raise NotUnderstood(f"The register cannot be read: {_told(wrong)}.", _AGAIN)


def _told(wrong: list[tuple[int, str]]) -> str:
    more = f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    return "; ".join(f"line {line}, {what}" for line, what in wrong[:MOST_TOLD]) + more


def _plain(column: str) -> str:
    return " ".join(column.lower().replace("_", " ").replace("-", " ").split())


def _are_names(cells: pl.Series) -> bool:
    """Whether most cells are names of hosts with a letter, each of another host."""
    there = cells.drop_nulls()
    alike = there.str.contains(_HOST) & there.str.contains(_LETTER) & there.map_elements(_is_no_address, pl.Boolean)
    return bool(there.len()) and there.len() == cells.len() and alike.mean() >= _MOST and there.is_unique().all()  # type: ignore[operator]


def _are_addresses(cells: pl.Series) -> bool:
    there = cells.drop_nulls()
    return bool(there.len()) and sum(not _is_no_address(cell) for cell in there) >= there.len() * _MOST


def _is_no_address(cell: str) -> bool:
    try:
        ip_address(_BETWEEN.split(cell.strip())[0])
    except ValueError:
        return True
    return False
