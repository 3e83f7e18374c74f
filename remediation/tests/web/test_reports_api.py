"""Reports that programs send."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from remediation.jobs.incoming import new_token
from remediation.jobs.watched_folder import watching
from remediation.sources.any_report import ReportOptions
from remediation.store import models

AT = "/api/reports/a.csv"


@pytest.fixture
def token(store: str, tmp_path: Path) -> str:
    row = models.Source.objects.create(name="weekly", settings={"watch": watching(ReportOptions(), tmp_path)})
    return new_token(row)


def put(client: Client, token: str, content: bytes, parts: str = "") -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}", **({"Content-Range": parts} if parts else {})}
    answer = client.put(AT, content, content_type="text/csv", headers=headers)
    return answer.status_code, answer.json()


def test_a_report_whole_and_in_parts(stranger: Client, token: str, tmp_path: Path) -> None:
    assert put(stranger, token, b"abc") == (202, {"have": 3, "whole": True})
    assert (tmp_path / "a.csv").read_bytes() == b"abc"
    assert put(stranger, token, b"de", "bytes 0-1/4") == (202, {"have": 2, "whole": False})
    asked = stranger.get(AT, headers={"Authorization": f"Bearer {token}"})
    assert (asked.status_code, asked.json()) == (200, {"have": 2})
    assert put(stranger, token, b"h", "bytes 3-3/4")[0] == 409
    assert put(stranger, token, b"fg", "bytes 2-3/4") == (202, {"have": 4, "whole": True})
    # The first one still waits, and stays.
    assert sorted(path.read_bytes() for path in tmp_path.glob("*.csv")) == [b"abc", b"defg"]


@pytest.mark.parametrize("parts", ["bytes 0-1/3", "bytes 0-9/10", "0-2/3", "bytes 2-0/3", "bytes 1-3/3", "bytes 0-2/*"])
def test_a_range_that_does_not_fit_is_refused(stranger: Client, token: str, parts: str, tmp_path: Path) -> None:
    assert put(stranger, token, b"abc", parts)[0] == 400
    assert not list(tmp_path.glob("*.csv"))


def test_nobody_else_sends(stranger: Client, person: Client, token: str, tmp_path: Path) -> None:
    for client in (stranger, person):
        assert put(client, "wrong", b"abc")[0] == 401
        assert client.put(AT, b"abc", content_type="text/csv").status_code == 401
        assert client.get(AT).status_code == 401
    assert stranger.post(AT, b"abc", content_type="text/csv").status_code == 405
    models.Source.objects.update(settings={"token": models.Source.objects.get().settings["token"]})
    # No folder is watched any more.
    assert put(stranger, token, b"abc")[0] == 401
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full(stranger: Client, token: str, tmp_path: Path) -> None:
    (tmp_path / ".incoming").write_text("in the way")
    code, said = put(stranger, token, b"abc")
    assert code == 507 and "cannot be kept" in str(said["error"])
