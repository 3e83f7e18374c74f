"""Guards the search for clients, sites and users: by whole names, in lists of any length."""

from __future__ import annotations

import pytest
from fast_client import fast_client


def ids(rows):
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("kind", "name", "within", "found"),
    [
        ("client", "northwind clinics", {}, [12]),
        ("client", "Northwind", {}, []),
        ("site", "Unknown", {}, [11]),
        ("site", "Northwind Lab", {"client_id": 12}, [19]),
        ("site", "Northwind Lab", {"client_id": 13}, []),
        ("user", " Alice Brandt ", {}, [52]),
        ("user", "ALICE.BRANDT@northwind.example", {"site_id": 18}, [52]),
        ("user", "Alice Brandt", {"site_id": 19}, []),
        ("user", "alice.brandt", {}, []),
    ],
)
@pytest.mark.parametrize("narrows", [True, False], ids=["narrowed by Halo", "not narrowed by Halo"])
def test_whole_names_only(halo, monkeypatch, kind, name, within, found, narrows):
    if not narrows:
        monkeypatch.setattr("halo_emulator.routes_lookups._PLACES", {})
    assert ids(fast_client(halo).lookups.named(kind, name, **within)) == found


def test_a_name_is_found_on_any_page(halo):
    halo.lists.clients += [{"id": 1000 + number, "name": f"Acme {number}"} for number in range(250)]
    halo.lists.clients.append({"id": 2000, "name": "Acme"})
    lookups = fast_client(halo).lookups
    assert ids(lookups.named("client", "Acme")) == [2000]
    assert len(lookups.search("client", "", most_pages=1)) == 100
    assert len(lookups.search("client", "acme")) == 251
