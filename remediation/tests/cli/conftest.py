"""The command line as a person uses it: in this process, on a store of the test's own, with an emulated Halo."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from halo_emulator import HaloEmulator
from haloitsm_client import HaloClient
from remediation import cli
from remediation.sources.insightvm_rows import FINDINGS_COLUMNS, SCAN
from remediation.store import models
from remediation.tickets import run
from remediation.tickets.run import client_of

# To make the commands out of all signatures takes longer than most of them do, and they are the same each time.
commands = functools.cache(typer.main.get_command)
VARIABLES = ("HALO_RESOURCE_SERVER", "HALO_AUTH_SERVER", "HALO_CLIENT_ID", "HALO_CLIENT_SECRET")


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Line:
    """The command line. Calling it runs a command."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.folder = folder

    def __call__(self, *words: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["remediation", *words])
        self._monkeypatch.setattr(typer.main, "get_command", commands)
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = self._capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        assert "Traceback" not in err
        return Ended(code, out, err)

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return str(path)

    def report(self, name: str, *found: str, day: int = 20, wide: bool = True) -> str:
        """A report file: each row is "asset vulnerability solution"; ``wide``: with the scan."""
        text = io.StringIO()
        names = [name for name in FINDINGS_COLUMNS if wide or name not in SCAN]
        writer = csv.DictWriter(text, names, extrasaction="ignore")
        writer.writeheader()
        moment = f"2026-11-{day:02d} 01:00:00"
        for line in found:
            asset, vulnerability, solution = line.split()
            row = {
                "asset_id": asset,
                "host_name": f"host{asset}.corp.example",
                "vulnerability_key": vulnerability,
                "vulnerability_title": f"Title of {vulnerability}",
                "solution_key": solution,
                "solution_summary": f"Apply {solution}",
                "severity_score": "8",
                "cvss_v3_score": "8.1",
                "cves": "CVE-2026-1,CVE-2026-2",
                "instances": "2",
                "last_scan_id": str(day),
                "scan_started": moment,
                "scan_finished": moment,
                "credential_status": "4",
                "last_assessed": moment,
                "most_recently_discovered": moment,
            }
            writer.writerow(row)
        return self.file(name, text.getvalue())

    def project(self, *found: str, **settings: Any) -> None:
        """A connection, a source that has read a report, and a project named p."""
        assert self("connect", "halo", "--ticket-type", "Vulnerability").code == 0
        assert self("import", self.report("first.csv", *found), "--source", "weekly").code == 0
        table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        file = self.file("settings.toml", table)
        assert self("project", "create", "p", "--connection", "halo", "--settings", file).code == 0


@pytest.fixture
def halo(monkeypatch: pytest.MonkeyPatch) -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        values = (running.resource_server, running.auth_server, running.client_id, running.client_secret)
        for name, value in zip(VARIABLES, values):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HALO_TENANT", raising=False)
        yield running


@pytest.fixture
def line(store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Line:
    monkeypatch.setenv("DATABASE_URL", store)
    monkeypatch.setenv("REMEDIATION_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(run, "client_of", patient_only_by_its_clock)
    return Line(monkeypatch, capsys, tmp_path)


def patient_only_by_its_clock(connection: models.Connection, before_request: Any = lambda: None) -> HaloClient:
    """The client of a connection, which does not really wait."""
    client = client_of(connection)
    elapsed = [0.0]

    def sleep(seconds: float) -> None:
        elapsed[0] += seconds

    return HaloClient(
        client_id=connection.settings["client_id"],
        client_secret=os.environ["HALO_CLIENT_SECRET"],
        auth_server=connection.settings["auth_server"],
        resource_server=client.address,
        clock=lambda: elapsed[0],
        sleep=sleep,
        jitter=lambda: 1.0,
        before_request=before_request,
    )
