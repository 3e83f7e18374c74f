"""A real PostgreSQL for the tests: one server for each process of the session, an empty database for each test.

REMEDIATION_TEST_DATABASE_URL names another server (its role must be allowed to make databases), and
REMEDIATION_TEST_POSTGRES_BIN other programs for the embedded one, such as /usr/lib/postgresql/15/bin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from remediation.store.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database on the server of this test process, from which others are made."""
    elsewhere = os.environ.get("REMEDIATION_TEST_DATABASE_URL")
    if elsewhere:
        yield elsewhere
        return
    programs = os.environ.get("REMEDIATION_TEST_POSTGRES_BIN")
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), Path(programs) if programs else None)
    yield server.start()
    server.stop()


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    make_database(postgres, name)
    yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
    drop_database(postgres, name)


def make_database(server: str, name: str, template: str = "template0") -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def drop_database(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
