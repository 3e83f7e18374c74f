"""Which names of hosts are the same."""

from __future__ import annotations

import polars as pl
import pytest

from remediation.domain.naming import Naming, host_key, is_address

SUFFIXES = ("corp.example.com", "Example.com.", "")

KEYS = {
    "case-blanks-and-dot": (Naming(), " Web1.Example.COM. ", "web1.example.com"),
    "empty": (Naming(), "  ", None),
    "none": (Naming(), None, None),
    "the-longest-suffix": (Naming(suffixes=SUFFIXES), "web1.corp.example.com", "web1"),
    "another-suffix": (Naming(suffixes=SUFFIXES), "web1.example.com", "web1"),
    "only-at-a-dot": (Naming(suffixes=SUFFIXES), "myexample.com", "myexample.com"),
    "not-in-the-middle": (Naming(suffixes=SUFFIXES), "web1.example.com.org", "web1.example.com.org"),
    "a-dot-is-no-pattern": (Naming(suffixes=("example.com",)), "web1.exampleXcom", "web1.examplexcom"),
    "alias": (Naming({"OLD": "New"}), "old", "new"),
    "alias-after-suffix": (Naming({"old": "new.example.com"}, SUFFIXES), "OLD.example.com", "new"),
    "chain": (Naming({"a": "b", "b": "c"}), "a", "c"),
    "alias-to-itself": (Naming({"a": "A."}), "a", "a"),
}


@pytest.mark.parametrize("naming, name, key", KEYS.values(), ids=KEYS)
def test_what_a_name_is_compared_by(naming: Naming, name: str | None, key: str | None) -> None:
    frame = pl.DataFrame({"name": [name]}, schema={"name": pl.String})
    assert frame.select(host_key(pl.col("name"), naming)).item() == key


@pytest.mark.parametrize("aliases", [{"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}, {"a": "B.", "b": "A"}])
def test_aliases_that_go_round_are_refused(aliases: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="circle"):
        Naming(aliases)


@pytest.mark.parametrize(
    "text, is_one",
    [
        ("10.0.0.1", True),
        (" 10.0.0.1 ", True),
        ("fe80::1", True),
        ("::1", True),
        ("2001:db8:0:0:0:0:0:1", True),
        ("web1", False),
        ("10.0.0.1.example.com", False),
        ("1.2.3", False),
        ("a:b", False),
        ("", False),
    ],
)
def test_addresses(text: str, is_one: bool) -> None:
    assert pl.DataFrame({"name": [text]}).select(is_address(pl.col("name"))).item() is is_one
