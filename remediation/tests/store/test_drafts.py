"""What a draft changes of a connection, and what it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.store.drafts import merged


@pytest.mark.parametrize(
    ("base", "mine", "stored", "whole"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 3}, {"a": 2}, {"a": 3}),
        ({}, {"a": ""}, {}, {"a": ""}),
        ({"a": 1}, {"a": 1}, {"a": 1, "skew": 5}, {"a": 1, "skew": 5}),
        (
            {"new_projects": {"comment": "x", "fields": {}}},
            {"new_projects": {"comment": "y", "fields": {}}},
            {"new_projects": {"comment": "x", "fields": {"A": "b"}}},
            {"new_projects": {"comment": "y", "fields": {"A": "b"}}},
        ),
        ({}, {"new_projects": {"comment": "y"}}, {}, {"new_projects": {"comment": "y"}}),
    ],
)
def test_only_what_is_changed_is_written(
    base: dict[str, Any], mine: dict[str, Any], stored: dict[str, Any], whole: dict[str, Any]
) -> None:
    assert merged(base, mine, stored) == whole
