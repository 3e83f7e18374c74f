"""Which known machine a name may mean."""

from __future__ import annotations

import pytest

from remediation.domain.near_names import DOMAIN, MOST, SWAPPED, TYPO, WRITTEN, KnownNames, is_like_a_name

NEAR = {
    "another domain": ("host01.corp", ["host01.example"], ("host01.example", DOMAIN)),
    "no domain": ("host01", ["host01.example"], ("host01.example", DOMAIN)),
    "a domain more": ("host01.corp", ["host01"], ("host01", DOMAIN)),
    "two with that short name": ("host01", ["host01.a", "host01.b"], None),
    "a hyphen": ("host01.corp", ["host-01"], ("host-01", WRITTEN)),
    "a low line": ("host_01", ["host-01.example"], ("host-01.example", WRITTEN)),
    "a zero in front": ("host1", ["host01"], ("host01", WRITTEN)),
    "zeros within a number": ("host101", ["host1001"], None),
    "a hyphen between numbers": ("rack101", ["rack1-01"], None),
    "a zero behind a hyphen": ("rack1_1", ["rack1-01"], ("rack1-01", WRITTEN)),
    "written so by two": ("host1", ["host01", "host-1"], None),
    "a letter is another": ("prantsrv1", ["printsrv1"], ("printsrv1", TYPO)),
    "a letter is missing": ("prntsrv1", ["printsrv1"], ("printsrv1", TYPO)),
    "a letter too many": ("prrintsrv1", ["printsrv1"], ("printsrv1", TYPO)),
    "a letter for a digit": ("hosto1", ["host01"], ("host01", TYPO)),
    "a digit for a letter": ("printsrv01", ["printsrvo1"], ("printsrvo1", TYPO)),
    "two letters exchanged": ("pritnsrv1", ["printsrv1"], ("printsrv1", SWAPPED)),
    "two digits exchanged": ("host12", ["host21"], ("host21", SWAPPED)),
    "two slips": ("prantsrv2", ["printsrv1"], None),
    "another number": ("web02", ["web01"], None),
    "a digit more": ("web011", ["web01"], None),
    "a digit less": ("web10", ["web110"], None),
    "near to two": ("hosta1", ["hostb1", "hostc1"], None),
    "one slip, and two devices": ("hosta1", ["hostb1.x", "hostb1.y"], None),
    "too short": ("wab1", ["web1"], None),
    "it is one": ("web01", ["web01", "wab01"], None),
    "an address": ("10.0.0.7", ["10.0.0.8", "host"], None),
    "a version": ("v1.2.3", ["v1"], None),
    "a vulnerability": ("cve-2026-1234", ["cve-2026-1235", "cve"], None),
    "a word": ("servers", ["server"], None),
    "www": ("www.example.com", ["www"], None),
    "nothing known": ("host01", [], None),
}


@pytest.mark.parametrize("word, known, found", NEAR.values(), ids=NEAR)
def test_what_is_near(word: str, known: list[str], found: tuple[str, str] | None) -> None:
    offers = KnownNames(zip(known, range(1, 9))).near([word])
    assert [(one.word, one.name, one.why) for one in offers] == ([(word, *found)] if found else [])


def test_two_names_of_one_device_are_one_machine() -> None:
    found = KnownNames([("host-01", 7), ("host01.example", 7)]).near(["host01.corp"])
    assert [(one.device, one.why) for one in found] == [(7, DOMAIN)]


def test_many_and_hostile_words_cost_little() -> None:
    known = KnownNames([(f"host{number}.example", number) for number in range(20_000)])
    words = [f"h0st{number}x" for number in range(2 * MOST)] + ["a-" * 5000, "-" * 100, "<script>1", "x1\0", "é1-ü", ""]
    assert len(known.near(words)) <= MOST
    assert not any(map(is_like_a_name, words[2 * MOST :]))
