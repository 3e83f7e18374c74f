"""Plain data as YAML in which a text is a text: quoted, and marked where Ansible may not look for templates. Pure."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from typing import Any

import yaml

# So long is a line of a text, and so many lines are kept of one.
WIDTH = 100
MOST_LINES = 200
_COLUMNS = 130
# What needs no quotes: it is a text to every reader of YAML.
_PLAIN = re.compile(r"[a-z][a-z0-9_.]*")
_RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


class Unsafe(str):
    """A text of somebody else's. Ansible shows it as it is: nothing in it is a template."""

    __slots__ = ()


class Expression(str):
    """A text of ours with a template that Ansible fills in. It may be broken into lines at any space."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Two spaces for each level, also in lists, as ansible-lint wants it, and no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    is_plain = bool(_PLAIN.fullmatch(text)) and text not in _RESERVED
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if is_plain else '"')


def _unsafe(dumper: yaml.SafeDumper, text: Unsafe) -> yaml.Node:
    return dumper.represent_scalar("!unsafe", str(text), '"')


def _expression(dumper: yaml.SafeDumper, text: Expression) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), ">" if len(text) > WIDTH else '"')


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Expression, _expression)
_Dumper.add_representer(Unsafe, _unsafe)


def written(data: Any, header: str) -> str:
    """A document with comments of ours before it, each line of which begins with ``#``."""
    body = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_COLUMNS)
    return f"---\n{header}{body}"


def lines_of(text: str) -> list[Unsafe]:
    """A text of somebody else's as lines: what cannot be seen is left out, and what is too long is cut."""
    lines = [part for line in text.splitlines() for part in _wrapped(seen(line))]
    more = len(lines) - MOST_LINES
    cut = [*lines[:MOST_LINES], f"... and {more} more lines"] if more > 0 else lines
    return [Unsafe(line) for line in cut]


def seen(text: str) -> str:
    """A text on one line, without what changes how the rest looks: controls, and marks of direction."""
    kept = ("" if unicodedata.category(char)[0] == "C" and char not in "\t\n\r" else char for char in text)
    return " ".join("".join(kept).split())


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, break_on_hyphens=False)
