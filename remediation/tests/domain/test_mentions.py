"""Which words of a text may be names of machines."""

from __future__ import annotations

import time

import pytest

from remediation.domain.mentions import LONGEST, MOST, words_in


@pytest.mark.parametrize(
    ("text", "found", "not_found"),
    [
        ("Patch host01, then (HOST02).", {"host01", "host02"}, {"host0"}),
        ("web01-old and web01.corp.example.com.", {"web01-old", "web01.corp.example.com"}, {"web01"}),
        ("https://host01:8443/x?y=host02 or \\\\host03\\share", {"host01", "host02", "host03"}, {"host01:8443"}),
        ("10.0.0.7:443 10.0.0.8/24 fe80::1", {"10.0.0.7", "10.0.0.8", "fe80::1"}, {"10.0.0.7:443"}),
        ("root@db 'app_1' host04's", {"db", "app_1", "host04"}, {"root@db"}),
        ("zürich-1", {"zürich-1"}, set()),
        ("", set(), {""}),
        ("x" * (LONGEST + 1), set(), {"x"}),
    ],
)
def test_whole_words(text: str, found: set[str], not_found: set[str]) -> None:
    words = words_in([text])
    assert found <= words and not words & not_found


def test_a_hostile_text_takes_no_time_and_no_room() -> None:
    began = time.perf_counter()
    for text in ("a." * 500_000, "-:" * 500_000, " ".join(map(str, range(200_000)))):
        assert len(words_in([text])) <= MOST
    assert time.perf_counter() - began < 3
