"""Where Django finds its database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from remediation.settings import database

ENGINE = {"ENGINE": "django.db.backends.postgresql"}
OPTIONS = {
    "application_name": "remediation",
    "connect_timeout": "10",
    "tcp_user_timeout": "20000",
    "options": "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:p%40ss@/mine?host=%2Frun%2Fa%20folder&port=5432&sslmode=prefer",
        "host='/run/a folder' port=5432 dbname=mine user=me password=p@ss sslmode=prefer",
    ],
)
def test_an_address_is_a_url_or_libpqs_words(address: str) -> None:
    named = {"NAME": "mine", "USER": "me", "PASSWORD": "p@ss", "HOST": "/run/a folder", "PORT": "5432"}
    assert database(address) == ENGINE | named | {"OPTIONS": {"sslmode": "prefer", **OPTIONS}}


def test_no_address_is_no_database() -> None:
    assert database("") == ENGINE | dict.fromkeys(["NAME", "USER", "PASSWORD", "HOST", "PORT"], "") | {
        "OPTIONS": OPTIONS
    }


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:pass@word@127.0.0.1:5432/mine",
        "postgresql://me:pass/word@127.0.0.1:5432/mine",
        "postgresql://me:12/34word@127.0.0.1:5432/mine",
        "postgresql://me:12@34word@127.0.0.1:5432/mine",
        "postgresql://me:pass/word?x=1@127.0.0.1:5432/mine",
        "postgresql://me:12/word?x=1@127.0.0.1:5432/mine",
        "postgresql://me:pass%word@127.0.0.1:5432/mine",
        "postgresql://me:[pass/word@127.0.0.1:5432/mine",
        "mysql://me:pass=word@127.0.0.1/mine",
        "postgresql+psycopg://me:pass word@127.0.0.1/mine",
        "host=127.0.0.1 user=me password=pass word",
        "host=127.0.0.1 password='password",
        "password",
    ],
)
def test_an_address_that_is_none_is_told_without_any_of_it(address: str, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured):
        database(address)
    own = {"DATABASE_URL": address, "REMEDIATION_DATA": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    for command in ("status", "worker"):
        words = [sys.executable, "-m", "remediation.cli", command]
        ended = subprocess.run(words, env=os.environ | own, capture_output=True, text=True, timeout=60, check=False)
        said = (ended.stdout + ended.stderr).replace("user:password@host", "").replace("the password", "")
        assert ended.returncode == 1 and "Write it as postgresql://" in said
        assert not [part for part in ("pass", "word", "12", "34") if part in said], said


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("postgresql://me:p%40ss%2Fword@host:5432/mine", "p@ss/word"),
        ("postgresql://me:p:a?s#s@host/mine?application_name=a@b/c", "p:a?s#s"),
        ("postgresql://host/mine?user=me@server&password=x", "x"),
        ("postgresql://me:x@one:5432,two:5433/mine", "x"),
    ],
)
def test_what_libpq_understands_is_taken(address: str, password: str) -> None:
    assert database(address)["PASSWORD"] == password
