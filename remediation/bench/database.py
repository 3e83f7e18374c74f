"""A real PostgreSQL in a temporary folder, with an empty database of the service for each measurement."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from remediation.store.embedded import EmbeddedPostgres

_TEMPLATE = "migrated"


class Server:
    """Makes databases and drops them."""

    def __init__(self, address: str, folder: Path) -> None:
        self._address = address
        self.folder = folder
        self._numbers = count(1)

    @contextmanager
    def database(self, template: str = _TEMPLATE) -> Iterator[str]:
        """The address of a new database, with all tables and no rows, or a copy of another; gone after the block."""
        name = f"bench_{next(self._numbers)}"
        self.make(name, template)
        yield self.address(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def make(self, name: str, template: str) -> None:
        """Make a database as a copy of another that nobody uses. Strategy: by files, quicker for a large one."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")

    def run(self, statement: str) -> None:
        """Run a statement that no transaction may be around."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(statement)

    def address(self, name: str) -> str:
        """The address of a database."""
        return urlsplit(self._address)._replace(path=f"/{name}").geturl()


@contextmanager
def server() -> Iterator[Server]:
    """The embedded server, with a migrated database to copy, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="remediation-bench-") as folder:
        with EmbeddedPostgres(Path(folder, "postgres")) as embedded:
            made = Server(embedded.address(), Path(folder))
            made.make(_TEMPLATE, "template0")
            _migrate(made.address(_TEMPLATE), folder)
            yield made


def _migrate(address: str, folder: str) -> None:
    """Make the service's tables, in a process that ends, because nobody may use a database that is copied."""
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
        env={
            **os.environ,
            "DATABASE_URL": address,
            "REMEDIATION_DATA": folder,
        },
        check=True,
    )
