"""A real PostgreSQL for the tests: one server for each process of the session, an empty database before each test.

REMEDIATION_TEST_DATABASE_URL names another server (its role must be a superuser), and
REMEDIATION_TEST_POSTGRES_BIN other programs for the embedded one, such as /usr/lib/postgresql/15/bin.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import django
import psycopg
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.db import connection
from hypothesis import settings as properties
from psycopg import sql

from remediation import settings
from remediation.store.embedded import EmbeddedPostgres
from remediation.tickets import lease
from stand_ins.cisco_openvuln import CiscoOpenVuln
from stand_ins.cve_feeds import CveFeeds, Exploited
from tests.reused_database import ReusedDatabase, drop_database, make_database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remediation.settings")
# No test, and no process that one starts, asks the real feeds.
os.environ.update(REMEDIATION_KEV_URL="off", REMEDIATION_EPSS_URL="off", REMEDIATION_CISCO_URL="off")
settings.FEEDS.update(kev="", epss="")
settings.CISCO.update(api="")
django.setup()
# A password's hash tells by how many rounds it was made, so what is made here is good elsewhere. A million would be a
# good part of each test that signs somebody in.
PBKDF2PasswordHasher.iterations = 1

# The same cases in every run, so that no run fails for luck: a few of each. HALOITSM_HYPOTHESIS=explore looks for new
# ones.
properties.register_profile("fixed", derandomize=True, database=None, deadline=None, max_examples=50)
properties.register_profile("explore", derandomize=False, deadline=None, max_examples=3000)
properties.load_profile(os.environ.get("HALOITSM_HYPOTHESIS", "fixed"))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The embedded server of this test process."""
    programs = os.environ.get("REMEDIATION_TEST_POSTGRES_BIN")
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), Path(programs) if programs else None)
    server.start()
    with psycopg.connect(server.address(), autocommit=True) as connection:
        # No test takes the power away, and each makes a database: waiting for the disk would be most of their time.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
        if connection.info.server_version >= 160000:
            # Each test connects often, and 4,096 rounds of a hash are a good part of that.
            connection.execute("SET scram_iterations = 1")
            password = sql.Literal(urlsplit(server.address()).password)
            connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(password))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The address of a database on the server of this test process, from which others are made."""
    elsewhere = os.environ.get("REMEDIATION_TEST_DATABASE_URL")
    server: EmbeddedPostgres | None = None if elsewhere else request.getfixturevalue("embedded")
    return elsewhere or (server.address() if server else "")


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    make_database(postgres, name)
    yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
    drop_database(postgres, name)


@pytest.fixture(scope="session")
def migrated(postgres: str) -> Iterator[str]:
    """The name of a database that has all tables and no rows, to be copied."""
    name = f"template_{uuid4().hex}"
    make_database(postgres, name)
    with django_on(urlsplit(postgres)._replace(path=f"/{name}").geturl()):
        call_command("migrate", verbosity=0, interactive=False)
    yield name
    drop_database(postgres, name)


@pytest.fixture(scope="session")
def reused(postgres: str, migrated: str) -> Iterator[ReusedDatabase]:
    """The database of ``store``."""
    database = ReusedDatabase(postgres, migrated)
    yield database
    database.drop()


@pytest.fixture
def store(reused: ReusedDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a migrated database without rows, which Django uses for the time of the test.

    The data folder is ``data`` in the test's temporary folder.
    """
    monkeypatch.setattr("django.conf.settings.DATA", tmp_path / "data")
    reused.prepare()
    with django_on(reused.address):
        yield reused.address
    reused.empty()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """``with held(connection.pk):`` another one is the writer to a connection for the block, and lives."""
    # So that it shows soon.
    monkeypatch.setattr(lease, "_RENEWALS", 40)
    return held_by_another


@contextmanager
def held_by_another(connection_id: int) -> Iterator[None]:
    begun, ended = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with lease.one_writer(connection_id):
                begun.set()
                ended.wait(60)
        finally:
            connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        ended.set()
        other.join()


@pytest.fixture
def empty_store(database: str) -> Iterator[str]:
    """The address of a database without tables, which Django uses for the time of the test."""
    with django_on(database):
        yield database


@pytest.fixture
def databases(postgres: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases, and drops them after the test. Each call gives the address of one."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test_{uuid4().hex}")
        make_database(postgres, made[-1])
        return urlsplit(postgres)._replace(path=f"/{made[-1]}").geturl()

    yield make
    for name in made:
        drop_database(postgres, name)


@pytest.fixture
def django_at() -> Callable[[str], AbstractContextManager[None]]:
    """``with django_at(address):`` Django uses another database for the block."""
    return django_on


@contextmanager
def django_on(address: str) -> Iterator[None]:
    """Point Django's default connection at a database for the block."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(settings.database(address))
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CveFeeds]:
    """Two CVEs in the catalogue, of which one has a score, and a score of a third. The service's settings name them."""
    with CveFeeds(date(2026, 11, 20)) as running:
        running.exploited = {
            "CVE-2026-1111": Exploited(date(2026, 11, 1), date(2026, 11, 22), "Known"),
            "CVE-2025-123456": Exploited(date(2025, 3, 1), date(2026, 12, 24)),
        }
        running.scores = {"CVE-2026-1111": (0.97, 0.999), "CVE-2026-2222": (0.01, 0.5)}
        monkeypatch.setattr("django.conf.settings.FEEDS", {"kev": running.kev_url, "epss": running.epss_url})
        yield running


@pytest.fixture
def cisco(monkeypatch: pytest.MonkeyPatch) -> Iterator[CiscoOpenVuln]:
    """openVuln with an advisory about a CVE, which IOS XE 17.9.1 has. The service's settings name it."""
    with CiscoOpenVuln() as running:
        running.publish(
            "cisco-sa-iosxe-webui-x1",
            "Cisco IOS XE Software Web UI Vulnerability",
            ["CVE-2026-30001"],
            sir="Critical",
            cvss=9.8,
            products=["Cisco IOS XE Software"],
            fixed={("iosxe", "17.9.1"): ["17.9.4a"]},
        )
        monkeypatch.setattr("django.conf.settings.CISCO", {"api": running.api_url, "token": running.token_url})
        yield running
