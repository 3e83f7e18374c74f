"""A sleep that only counts."""

from __future__ import annotations

import pytest


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that were made: ``pauses.append`` is a sleep."""
    return []
