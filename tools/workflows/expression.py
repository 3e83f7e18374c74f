"""The condition of a decision: from text, ``{{[Step].[found]}} == true``, to the tree that a workflow file holds.

Known are AND and OR, comparisons, ``length(...)`` and ``is_defined(...)``, variables, texts, numbers, true and false.
All of these stand in published workflows, and the tree has their shape.
"""

from __future__ import annotations

import re
from typing import Any

Tree = dict[str, Any]
_TOKEN = re.compile(
    r'\s*(?:(?P<variable>\{\{[^}]+\}\})|(?P<text>"[^"]*")|(?P<number>-?\d+)|(?P<word>\w+)|(?P<sign>[=!<>]=|[<>()]))'
)
_COMPARISONS = frozenset({"==", "!=", ">", ">=", "<", "<=", "contains"})
_FUNCTIONS = frozenset({"length", "is_defined"})
_VALUES = {"true": True, "false": False}


def parse(text: str) -> Tree:
    """The tree of a condition. Raises ValueError for what is not understood."""
    tokens, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if not match:
            raise ValueError(f"cannot read the condition {text!r} at {text[place:]!r}")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        place = match.end()
    tree = _either(tokens, "OR")
    if tokens:
        raise ValueError(f"the condition {text!r} goes on where it should end, at {tokens[0][1]!r}")
    return tree


def variable_name(tag: str) -> str:
    """What the tree calls a variable: ``a.b`` for ``{{[a].[b]}}``."""
    return tag.strip("{} ").replace("[", "").replace("]", "")


Tokens = list[tuple[str, str]]


def _either(tokens: Tokens, word: str) -> Tree:
    left = _either(tokens, "AND") if word == "OR" else _comparison(tokens)
    if tokens and tokens[0] == ("word", word):
        tokens.pop(0)
        return _binary(left, word, _either(tokens, word))
    return left


def _comparison(tokens: Tokens) -> Tree:
    left = _operand(tokens)
    if tokens and tokens[0][1] in _COMPARISONS:
        return _binary(left, tokens.pop(0)[1], _operand(tokens))
    return left


def _operand(tokens: Tokens) -> Tree:
    if not tokens:
        raise ValueError("a condition ends where a value should follow")
    kind, token = tokens.pop(0)
    if kind == "variable":
        return {"name": variable_name(token), "type": "variable"}
    if kind == "word" and token in _FUNCTIONS and tokens[:1] == [("sign", "(")]:
        tokens.pop(0)
        argument = _operand(tokens)
        if tokens[:1] != [("sign", ")")]:
            raise ValueError(f"{token}( is not closed")
        tokens.pop(0)
        return {"args": [argument], "name": token, "type": "function"}
    if kind == "text":
        return {"type": "literal", "value": token[1:-1]}
    if kind == "number":
        return {"type": "literal", "value": int(token)}
    if token in _VALUES:
        return {"type": "literal", "value": _VALUES[token]}
    raise ValueError(f"{token!r} is no value")


def _binary(left: Tree, operation: str, right: Tree) -> Tree:
    return {"left": left, "op": operation, "right": right, "type": "binary"}
