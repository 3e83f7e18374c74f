"""What an unfinished reading keeps for the next."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from remediation.sources.kept_reading import kept_reading


def test_one_that_ends_while_another_begins_leaves_it_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lock = tmp_path / "1.jsonl", fcntl.flock
    with pytest.raises(ZeroDivisionError), kept_reading(path, "x", lambda: 0.0) as reading:
        reading.put("asset", "1", "read")
        raise ZeroDivisionError

    def end_first(file: Any, how: int) -> None:
        path.unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", end_first)
    with kept_reading(path, "x", lambda: 0.0) as reading:
        assert not reading.of("asset")
