"""Where Django finds its database."""

from __future__ import annotations

import pytest

from remediation.settings import database

ENGINE = {"ENGINE": "django.db.backends.postgresql"}


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:p%40ss@/mine?host=%2Frun%2Fa%20folder&port=5432&sslmode=prefer",
        "host='/run/a folder' port=5432 dbname=mine user=me password=p@ss sslmode=prefer",
    ],
)
def test_an_address_is_a_url_or_libpqs_words(address: str) -> None:
    named = {"NAME": "mine", "USER": "me", "PASSWORD": "p@ss", "HOST": "/run/a folder", "PORT": "5432"}
    assert database(address) == ENGINE | named | {"OPTIONS": {"sslmode": "prefer"}}


def test_no_address_is_no_database() -> None:
    assert database("") == ENGINE | dict.fromkeys(["NAME", "USER", "PASSWORD", "HOST", "PORT"], "") | {"OPTIONS": {}}
