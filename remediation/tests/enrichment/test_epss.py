"""FIRST's scores: what is understood of them, and what is refused."""

from __future__ import annotations

import gzip
from datetime import date

import pytest

from remediation.enrichment import epss
from remediation.enrichment.epss import parse
from remediation.sources.errors import CutOff, NotUnderstood

COMMENT = "#model_version:v2025.03.14,score_date:2026-11-20T12:55:00Z"
HEADER = "cve,epss,percentile"
LINES = [COMMENT, HEADER, "CVE-1999-0001,0.0142,0.7991", "CVE-2026-1234567,0.97000,1"]


def text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(text(*LINES)),
        gzip.compress(text(*LINES[:3])) + gzip.compress(text(LINES[3])),
        text(*LINES),
        text(*LINES).replace(b"\n", b"\r\n"),
    ],
    ids=["gzip", "gzip in two members", "unpacked by a mirror", "carriage returns"],
)
def test_scores_are_read_packed_or_not(content: bytes) -> None:
    facts = parse(content)
    assert (facts.day, facts.release) == (date(2026, 11, 20), "v2025.03.14")
    assert facts.rows.rows() == [("CVE-1999-0001", 0.0142, 0.7991), ("CVE-2026-1234567", 0.97, 1.0)]


@pytest.mark.parametrize(
    "comment",
    [
        "#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000",
        "#model_version:v2025.03.14,score_date:2026-11-20",
        "#score_date:2026-11-20T00:00:00+0000, model_version:v2025.03.14",
    ],
)
def test_all_forms_of_the_comment_are_read(comment: str) -> None:
    facts = parse(text(comment, *LINES[1:]))
    assert (facts.day, facts.release) == (date(2026, 11, 20), "v2025.03.14")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "first line"),
        (text("<html>Sign in</html>"), "first line"),
        (text(*LINES[1:]), "first line"),
        (text("#model_version:v1,score_date:2026-13-20", *LINES[1:]), "no date"),
        (text("#score_date:2026-11-20", *LINES[1:]), "first line"),
        (text(COMMENT), "header"),
        (text(COMMENT, "cve,percentile,epss", *LINES[2:]), "header"),
        (text(COMMENT, HEADER), "hold no CVE"),
        (text(*LINES, "CVE-2026-1,0.1,0.1"), "Line 5"),
        (text(*LINES, "cve-2026-1111,0.1,0.1"), "Line 5"),
        (text(*LINES, "CVE-2026-1111,1.1,0.1"), "Line 5"),
        (text(*LINES, "CVE-2026-1111,0.1,-0.1"), "Line 5"),
        (text(*LINES, "CVE-2026-1111,NaN,0.1"), "Line 5"),
        (text(*LINES, "CVE-2026-1111,,0.1"), "Line 5"),
        (text(*LINES, "CVE-2026-1111,0.1"), "no CVE with two numbers"),
        (text(*LINES, "CVE-2026-1111,0.1,0.1,0.1"), "no CVE with two numbers"),
        (text(*LINES, "CVE-2026-1111,much,0.1"), "no CVE with two numbers"),
        (text(*LINES, ""), "no CVE with two numbers"),
        (text(*LINES, LINES[2]), "CVE-1999-0001 twice"),
        (text(*LINES) + b"\xff\xfe\n", "no CVE with two numbers"),
        (gzip.compress(text(*LINES))[:-8] + b"\0" * 8, "damaged"),
        (b"\x1f\x8b" + b"\0" * 40, "damaged"),
    ],
)
def test_what_is_not_understood_is_refused_whole(content: bytes, said: str) -> None:
    with pytest.raises(NotUnderstood, match=said):
        parse(content)


def test_any_cut_is_noticed_but_one_between_lines_of_an_unpacked_file() -> None:
    packed = gzip.compress(text(*LINES), mtime=0)
    for length in range(len(packed)):
        with pytest.raises((CutOff, NotUnderstood)):
            parse(packed[:length])
    plain = text(*LINES)
    ends = {plain.index(line.encode()) + len(line) + 1 for line in LINES[2:]}
    for length in set(range(len(plain))) - ends:
        with pytest.raises((CutOff, NotUnderstood)):
            parse(plain[:length])


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epss, "LARGEST_UNPACKED", 1 << 20)
    with pytest.raises(NotUnderstood, match="1 MiB"):
        parse(gzip.compress(b"\0" * (3 << 20)))
