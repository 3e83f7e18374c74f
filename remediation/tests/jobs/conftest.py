"""Jobs on a store of the test's own, worker processes that do them, and an emulated Halo."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from halo_emulator import HaloEmulator
from remediation.jobs.work import import_report
from remediation.sources.insightvm_rows import FINDINGS_COLUMNS
from remediation.sources.report_file import read_report
from remediation.store import models
from remediation.store.secrets import seal

PATIENCE = 60


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def waiting_jobs() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


Project = Callable[[str, str], models.Project]


@pytest.fixture
def project(store: str, halo: HaloEmulator, tmp_path: Path) -> Project:
    """Makes a project by its name and its connection's, with one finding of its own, so that it has two tickets."""

    def made(name: str, of: str = "halo") -> models.Project:
        into = connected(halo, of)
        source = models.Source(name=name, kind="insightvm-report")
        import_report(source, read_report(report(tmp_path / f"{name}.csv", name), taken=timezone.now()))
        return models.Project.objects.create(name=name, slug=name, connection=into, source=source)

    return made


def connected(halo: HaloEmulator, name: str = "halo", **settings: Any) -> models.Connection:
    """A connection to an emulated HaloITSM, made where there is none of that name."""
    known = {
        "resource_server": halo.resource_server,
        "auth_server": halo.auth_server,
        "client_id": halo.client_id,
        "ticket_type": "Vulnerability",
        "parent_type": "Vulnerability",
        **settings,
    }
    defaults = {"settings": known, "secret": seal(halo.client_secret)}
    return models.Connection.objects.get_or_create(name=name, defaults=defaults)[0]


def report(path: Path, name: str) -> Path:
    moment = "2026-11-20 01:00:00"
    row = {
        "asset_id": "1",
        "host_name": f"{name}.corp.example",
        "vulnerability_key": "v1",
        "vulnerability_title": "Title",
        "solution_key": f"fix-{name}",
        "solution_summary": f"Fix {name}",
        "severity_score": "8",
        "instances": "1",
        "last_scan_id": "1",
        "scan_started": moment,
        "scan_finished": moment,
        "credential_status": "4",
        "last_assessed": moment,
        "most_recently_discovered": moment,
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FINDINGS_COLUMNS)
        writer.writeheader()
        writer.writerow(row)
    return path


@pytest.fixture
def environment(store: str, tmp_path: Path) -> dict[str, str]:
    """Of a process of the service on this test's store."""
    own = {
        "DATABASE_URL": store,
        "REMEDIATION_DATA": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "remediation.settings",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return {**os.environ, **own}


class Worker:
    """A worker process. Everything it says is in ``log``."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("w", encoding="utf-8") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "remediation.jobs.worker", "60"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Starts a worker process, which ends with the test."""
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(environment, tmp_path / f"worker-{len(started)}.log"))
        return started[-1]

    yield start
    for one in started:
        with suppress(ProcessLookupError):
            one.kill()


@pytest.fixture
def no_round(store: str) -> None:
    """As if a round had just begun: a worker does what the test asks for, and nothing else."""
    models.Run.objects.create(kind="round", finished=timezone.now(), outcome="done")
