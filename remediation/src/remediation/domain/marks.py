"""What stands at the end of our comments in HaloITSM, so that they are found again, also by a store that was restored.

``[MARK] [=SAID]``: MARK is one comment's own; SAID is the same for comments after which a ticket tells the same of its
living findings. Both are ten hexadecimal digits; SAID ends with REOPENED where the comment also tells that a person's
word is respected. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .ledger import ALIVE
from .plan import digest

REOPENED = "!"
_BOTH = re.compile(rf"\[([0-9a-f]{{10}})\] \[=([0-9a-f]{{10}}{REOPENED}?)\]")


def mark(key: str, before: int) -> str:
    """The mark of the comment of a step, by the step's key. The same step may have to be told again after other things:
    ``before`` counts how often it was."""
    return digest([key, before])


def said_by(told: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """What a comment says, by what its ticket ``told`` of its findings with it, and the body of its step.

    What is settled is left out: a store that was restored may never have known of it.
    """
    living = {text: state for text, state in told.items() if state in ALIVE}
    return digest([living, body.get("numbers", "")]) + (REOPENED if body.get("reopened") else "")


def marks_in(text: str) -> tuple[str, str] | None:
    """MARK and SAID of a comment, None for a text that is none of ours."""
    found = _BOTH.findall(text)
    return found[-1] if found else None
