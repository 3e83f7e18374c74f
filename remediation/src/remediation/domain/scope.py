"""Which findings a project is about: where they are, and how bad they have to be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from .snapshot import SEVERITIES

TAGS = ("owner_tags", "criticality_tags", "location_tags", "custom_tags")


@dataclass(frozen=True)
class Scope:
    """What is not given does not narrow. Several of one kind: any of them; several kinds: all of them.

    ``sites`` and ``tags`` (of any kind) are names, ``assets`` are patterns as in ``web*.example.com`` or ``10.0.0.*``
    for host names, addresses and the source's own ids; case does not matter. ``solutions`` are the source's own ids of
    them, or of vulnerabilities for which it names none. ``min_cvss`` is 0 to 10, ``min_risk`` the
    source's own score, ``min_epss`` 0 to 1. ``exploitable``: an exploit is known. ``kev``: CISA lists it as exploited.
    A finding of which a number is not known is below every minimum.
    """

    sites: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    solutions: tuple[str, ...] = ()
    min_cvss: float = 0.0
    min_risk: float = 0.0
    min_epss: float = 0.0
    exploitable: bool = False
    kev: bool = False

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Scope:
        """Out of a TOML or JSON table. Raises ValueError for a key that there is none of, or a bad value."""
        known = cls.__dataclass_fields__
        if unknown := sorted(set(table) - set(known)):
            raise ValueError(f"A scope has no {unknown[0]!r}. It has: {', '.join(sorted(known))}.")
        values = dict(table)
        for name in ("sites", "tags", "assets", "solutions"):
            given = values.get(name, ())
            if isinstance(given, str) or not all(isinstance(one, str) for one in given):
                raise ValueError(f"{name} of a scope is a list of texts.")
            values[name] = tuple(given)
        for name, most in (("min_cvss", 10.0), ("min_risk", float("inf")), ("min_epss", 1.0)):
            if not 0 <= float(values.get(name, 0)) <= most:
                raise ValueError(f"{name} of a scope is a number from 0 to {most:g}.")
        return cls(**values)

    def to_table(self) -> dict[str, Any]:
        """JSON-able values, which ``from_table`` reads."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        }

    def where(self) -> pl.Expr:
        """Whether a finding is on one of the project's assets, and is about one of its solutions."""
        parts = [pl.lit(True)]
        if self.sites:
            parts.append(_holds_any("sites", self.sites))
        if self.tags:
            parts.append(pl.any_horizontal(_holds_any(name, self.tags) for name in TAGS))
        if self.assets:
            patterns = "|".join(f"^{_expression(pattern.lower())}$" for pattern in self.assets)
            names = (pl.col(name).str.to_lowercase().str.contains(patterns) for name in ("host_name", "ip", "asset"))
            parts.append(pl.any_horizontal(name.fill_null(False) for name in names))
        if self.solutions:
            parts.append(pl.coalesce("solution", "vulnerability").is_in(self.solutions).fill_null(False))
        return pl.all_horizontal(parts)

    def bad_enough(self, min_severity: str) -> pl.Expr:
        """Whether a finding passes the filters."""
        parts = [pl.col("severity").is_in(SEVERITIES[: SEVERITIES.index(min_severity) + 1])]
        for name, least in (("cvss", self.min_cvss), ("risk", self.min_risk), ("epss", self.min_epss)):
            if least:
                parts.append((pl.col(name) >= least).fill_null(False))
        if self.exploitable:
            parts.append((pl.col("exploits") > 0).fill_null(False))
        if self.kev:
            parts.append(pl.col("kev").fill_null(False))
        return pl.all_horizontal(parts)

    def in_words(self, min_severity: str) -> str:
        """What does not pass the filters, as in ``less severe than medium or CVSS below 7``."""
        words = [f"less severe than {min_severity}"] if min_severity != SEVERITIES[-1] else []
        words += [f"CVSS below {self.min_cvss:g}"] if self.min_cvss else []
        words += [f"risk below {self.min_risk:g}"] if self.min_risk else []
        words += [f"EPSS below {self.min_epss:g}"] if self.min_epss else []
        words += ["without a known exploit"] if self.exploitable else []
        words += ["not in CISA's catalogue"] if self.kev else []
        return " or ".join(words)


def _expression(pattern: str) -> str:
    """A pattern as a regular expression. That of fnmatch uses what polars' engine does not know."""
    return "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)


def _holds_any(column: str, names: tuple[str, ...]) -> pl.Expr:
    wanted = [name.lower() for name in names]
    return pl.col(column).list.eval(pl.element().str.to_lowercase().is_in(wanted)).list.any().fill_null(False)
