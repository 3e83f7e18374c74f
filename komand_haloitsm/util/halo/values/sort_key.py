"""Moments of Halo's clock as text that sorts by time. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from .dates import parse_date


class SortKey(str):
    """A moment in UTC with nine fractional digits (Halo has seven, Python's datetime six); "" for none.

    It is a text, because it is compared, stored and made part of event ids as one.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> SortKey:
        """The moment of a date as Halo writes it; "" for a sentinel or for what is no date."""
        moment = parse_date(value)
        if moment is None:
            return cls()
        fraction = re.search(r"[.,]([0-9]+)", value)
        return cls.at(moment, fraction.group(1)[6:9] if fraction else "")

    @classmethod
    def at(cls, moment: datetime | None, beyond_microseconds: str = "") -> SortKey:
        """An aware UTC datetime; "" for None."""
        if moment is None:
            return cls()
        return cls(f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{beyond_microseconds:0<3}")

    @property
    def moment(self) -> datetime | None:
        """As an aware UTC datetime, cut to microseconds; None for none."""
        return parse_date(self)

    def earlier(self, by: timedelta) -> SortKey:
        """The moment so much earlier; "" for none."""
        moment = self.moment
        return SortKey.at(moment - by) if moment else self
