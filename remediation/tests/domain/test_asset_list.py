"""The list of a ticket's assets as a file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from remediation.domain.asset_list import attachment, harmless
from remediation.domain.ticket import Finding


def test_each_finding_is_a_row() -> None:
    found = Finding("7", "web, 01", "v1", 'A "title"', "open", "3", datetime(2026, 3, 2, 4, 5, tzinfo=UTC))
    bare = Finding("8", "", "v1", "", "left", None, None)
    made = attachment([found, bare])
    rows = list(csv.reader(io.StringIO(made["text"])))
    assert rows[0][:3] == ["asset", "host", "vulnerability"]
    assert rows[1] == ["7", "web, 01", "v1", 'A "title"', "open", "3", "2026-03-02 04:05 UTC"]
    assert rows[2] == ["8", "", "v1", "", "left", "", ""]
    assert made == attachment([found, bare]) and made["name"] != attachment([bare])["name"]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless(f"x{cell}") == f"x{cell}"
