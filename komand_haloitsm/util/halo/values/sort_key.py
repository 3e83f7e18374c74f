"""Moments of Halo's clock, as text that sorts by time. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from .dates import parse_date


class SortKey(str):
    """A moment in UTC with nine fractional digits (Halo has seven, Python's datetime six); "" for none.

    It is a text because it is compared as text, stored as text and part of event ids.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> SortKey:
        """The moment of a date as Halo writes it; "" for "not set" and for anything that is no date."""
        moment = parse_date(value)
        if moment is None:
            return cls()
        fraction = re.search(r"[.,]([0-9]+)", value)
        return cls.at(moment, fraction.group(1)[6:9] if fraction else "")

    @classmethod
    def at(cls, moment: datetime | None, beyond_microseconds: str = "") -> SortKey:
        """The moment of an aware UTC datetime; "" for None."""
        if moment is None:
            return cls()
        return cls(f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{beyond_microseconds:0<3}")

    @property
    def moment(self) -> datetime | None:
        """The aware UTC datetime, cut to microseconds; None for ""."""
        return parse_date(self)

    def earlier(self, by: timedelta) -> SortKey:
        """The moment that is ``by`` earlier; "" for "", and the same at the beginning and the end of time."""
        moment = self.moment
        try:
            return SortKey.at(moment - by) if moment else self
        except OverflowError:
            return self
