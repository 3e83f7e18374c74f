"""What became of a finding between two moments, in one word for each kind. Pure."""

from __future__ import annotations

from enum import Enum


class Difference(str, Enum):
    """NEW: it was never seen before. BACK: it was settled, and is there again. FIXED: a scan proved that it is gone.
    UNSEEN: it is no longer seen, which proves nothing. GONE: its source excepts it, or covers its asset no more.
    MOVED: it is there still, under another solution or on another asset of the same device.

    A finding that is there at both moments, seen, and did not move is still there: such ones are only counted.
    """

    NEW = "new"
    BACK = "back"
    MOVED = "moved"
    UNSEEN = "unseen"
    FIXED = "fixed"
    GONE = "gone"


WORDS = {
    Difference.NEW: "New",
    Difference.BACK: "Back again",
    Difference.MOVED: "Moved",
    Difference.UNSEEN: "No longer seen, not proved",
    Difference.FIXED: "Fixed",
    Difference.GONE: "Excepted or out of coverage",
}
# Of these kinds a finding is there at the later moment.
THERE = (Difference.NEW, Difference.BACK, Difference.MOVED, Difference.UNSEEN)
