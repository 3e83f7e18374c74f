"""A report from a browser: sent in parts, recognised or mapped, looked at without a trace, and taken in on a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from remediation.jobs import uploads, watched
from remediation.jobs.report_tasks import look_at_upload, take_in_upload
from remediation.store import models
from remediation.web.imports import imports
from tests.jobs.conftest import report, waiting_jobs

from .form_in_page import fields_of
from .test_connections import text_of

WEEKLY = "Hostname,CVE,Severity,Vulnerability Name\n{}"
ROWS = ["web1,CVE-2026-0001,High,One", "web2,CVE-2026-0001,High,One", "db1,CVE-2026-0002,Critical,Two"]


def weekly(*rows: str) -> bytes:
    return WEEKLY.format("".join(f"{row}\n" for row in rows or ROWS)).encode()


def sent(client: Client, content: bytes, name: str = "weekly.csv", size: int = 20) -> models.Upload:
    """An upload in parts of so many bytes, as the script sends them."""
    begun = client.post("/imports/begin", {"name": name, "size": len(content)})
    assert begun.status_code == 201
    number = begun.json()["number"]
    for at in range(0, len(content), size):
        part = content[at : at + size]
        answer = put(client, number, part, at, len(content))
        assert answer.status_code == 202 and answer.json()["have"] == at + len(part)
    return models.Upload.objects.get(pk=number)


def put(client: Client, number: int, part: bytes, at: int, size: int) -> Any:
    headers = {"content-range": f"bytes {at}-{at + len(part) - 1}/{size}"}
    return client.put(f"/imports/{number}/part", part, content_type="application/octet-stream", headers=headers)


def looked(client: Client, upload: models.Upload, **said: Any) -> models.Upload:
    answer = client.post(f"/imports/{upload.pk}/", {"source": "weekly", "coverage": "listed", **said})
    assert answer.status_code == 302, text_of(answer)
    assert waiting_jobs()[-1] == f"look-{upload.pk}"
    look_at_upload(upload.pk)
    upload.refresh_from_db()
    return upload


def confirmed(client: Client, upload: models.Upload, **said: str) -> None:
    now = models.Upload.objects.get(pk=upload.pk)
    client.post(f"/imports/{upload.pk}/confirm", {"seen": imports.seen_of(now), **said})


def taken_in(client: Client, upload: models.Upload, **said: str) -> models.Upload:
    confirmed(client, upload, **said)
    take_in_upload(upload.pk)
    upload.refresh_from_db()
    return upload


@pytest.fixture
def analyst(as_role: Callable[[str], Client]) -> Client:
    return as_role("analyst")


def test_from_a_dropped_file_to_findings(analyst: Client) -> None:
    upload = sent(analyst, weekly())
    page = text_of(analyst.get(f"/imports/{upload.pk}/"))
    assert "Recognised as weekly" in page and "Only what is listed" in page
    looked(analyst, upload)
    page = text_of(analyst.get(f"/imports/{upload.pk}/"))
    assert "3 findings on 3 assets: 3 new." in page and "1 critical" in page and "Take it in" in page
    assert not models.Finding.objects.exists() and not models.Source.objects.exists(), "looking leaves no trace"
    taken_in(analyst, upload)
    assert upload.state == "done" and models.Finding.objects.count() == 3
    assert "New vulnerabilities of weekly" in text_of(analyst.get(f"/imports/{upload.pk}/"))
    assert models.AuditEntry.objects.get(what="report taken in").who == "analyst"
    assert not uploads.report_of(upload).exists()

    again = looked(analyst, sent(analyst, weekly()))
    assert again.result["unchanged"] and "nothing changes" in text_of(analyst.get(f"/imports/{again.pk}/"))
    next_week = looked(analyst, sent(analyst, weekly(*ROWS[:2], "app1,CVE-2026-0003,Low,Three")), coverage="devices")
    assert "1 new" in next_week.told and models.Finding.objects.count() == 3


def test_the_projects_of_the_source_are_run_after_it(analyst: Client) -> None:
    taken_in(analyst, looked(analyst, sent(analyst, weekly())))
    source = models.Source.objects.get()
    halo = models.Connection.objects.create(name="halo")
    row = models.Project.objects.create(name="p", slug="p", connection=halo, source=source)
    models.Project.objects.create(name="q", slug="q", connection=halo, source=source, paused=True)
    taken_in(analyst, looked(analyst, sent(analyst, weekly("new1,CVE-2026-0009,High,Nine"))))
    assert [one for one in waiting_jobs() if one.startswith("project")] == [f"project-{row.pk}"]


def test_a_file_that_is_not_recognised_is_mapped_and_that_is_remembered(analyst: Client) -> None:
    content = b"Server;Finding;How bad\nweb1;<b>one</b>;High\nweb2;two;Low\n"
    upload = sent(analyst, content)
    page = analyst.get(f"/imports/{upload.pk}/").content.decode()
    assert "Not recognised" in page and '<option value="How bad">' in page
    said = {"map_host_name": "Server", "map_vulnerability": "Finding", "map_severity": "How bad"}
    looked(analyst, upload, **said)
    assert upload.state == "looked" and "2 new" in upload.told
    taken_in(analyst, upload)
    assert models.Source.objects.get().settings["mapping"] == {
        "host_name": "Server",
        "vulnerability": "Finding",
        "severity": "How bad",
    }
    assert "&lt;b&gt;one&lt;/b&gt;" in analyst.get("/vulnerabilities/").content.decode()


def test_errors_of_rows_are_told_and_can_be_had_whole(analyst: Client) -> None:
    rows = [f"web{number},CVE-2026-{number:04},High,V{number}" for number in range(100)]
    upload = looked(analyst, sent(analyst, weekly(*rows, ",CVE-2026-9999,High,=1+1"), size=5000))
    assert "Left out: 1 rows with errors" in upload.told
    answer = analyst.get(f"/imports/{upload.pk}/errors.csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.splitlines()[0] == "line,column,what,row_left_out" and text.splitlines()[1].startswith("102,")
    assert "=1+1" not in text


def test_what_is_no_report_is_refused_and_changes_nothing(analyst: Client) -> None:
    upload = looked(analyst, sent(analyst, b"\0\1\2 no report at all"))
    assert upload.state == "refused" and upload.told
    assert "Take it in" not in text_of(analyst.get(f"/imports/{upload.pk}/"))
    analyst.post(f"/imports/{upload.pk}/confirm")
    upload.refresh_from_db()
    assert upload.state == "refused" and not models.Source.objects.exists()


def test_coverage_that_shrank_waits_for_an_approver(
    analyst: Client, as_role: Callable[[str], Client], tmp_path: Path
) -> None:
    header, row = report(tmp_path / "r.csv", "web").read_bytes().splitlines()
    many = b"\n".join([header, *(row.replace(b"1", str(number).encode(), 1) for number in range(1, 11)), b""])
    taken_in(analyst, looked(analyst, sent(analyst, many, size=5000), coverage="devices"))
    few = many.rsplit(b"\n", 8)[0] + b"\n"
    upload = looked(analyst, sent(analyst, few, size=5000), coverage="devices")
    assert upload.state == "refused" and upload.result["suspicious"], upload.told
    assert "an approver can take it in here" in text_of(analyst.get(f"/imports/{upload.pk}/"))
    assert taken_in(analyst, upload, accept="yes").state == "refused"
    approver = as_role("approver")
    assert "This is real" in text_of(approver.get(f"/imports/{upload.pk}/"))
    assert taken_in(approver, upload, accept="yes").state == "done"
    assert models.AuditEntry.objects.get(what="report taken in, coverage accepted").who == "approver"


def test_parts_go_on_where_they_ended_and_none_is_lost(analyst: Client) -> None:
    content = weekly()
    number = analyst.post("/imports/begin", {"name": "x", "size": len(content)}).json()["number"]
    assert put(analyst, number, content[:30], 0, len(content)).json()["have"] == 30
    assert put(analyst, number, content[40:50], 40, len(content)).json() == {
        "error": "There is a gap before this part.",
        "have": 30,
    }
    assert analyst.get(f"/imports/{number}/part").json() == {"have": 30}
    assert put(analyst, number, content[20:], 20, len(content)).json()["whole"] is True
    assert uploads.report_of(models.Upload.objects.get()).read_bytes() == content
    assert put(analyst, number, b"more", 0, len(content)).status_code == 409
    other = analyst.post("/imports/begin", {"name": "x", "size": len(content)}).json()["number"]
    assert put(analyst, other, b"abcd", 0, 4).status_code == 400, "another size than was told"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>.csv", "a" * 5000, "x\ny.csv", "‮gpj.exe"]
)
def test_a_name_is_only_shown(name: str, analyst: Client) -> None:
    upload = sent(analyst, weekly(), name)
    assert uploads.report_of(upload) == settings.DATA / "uploads" / str(upload.pk) / "report"
    assert uploads.report_of(upload).stat().st_mode & 0o777 == 0o600
    page = analyst.get("/imports/").content.decode()
    assert "<script>alert" not in page and len(upload.name) <= 200


def test_without_a_script_a_small_file_is_sent_by_the_form(analyst: Client) -> None:
    answer = analyst.post("/imports/begin", {"file": SimpleUploadedFile("a.csv", weekly())})
    upload = models.Upload.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/imports/{upload.pk}/")
    assert upload.state == "sent"
    assert analyst.post("/imports/begin", {"file": SimpleUploadedFile("a.csv", b"")}).status_code == 302
    assert models.Upload.objects.count() == 1
    for size in ("0", "-1", "x", str(1 << 50)):
        assert analyst.post("/imports/begin", {"name": "x", "size": size}).status_code == 400


def test_what_contradicts_itself_is_said(analyst: Client) -> None:
    upload = sent(analyst, weekly())
    answer = analyst.post(f"/imports/{upload.pk}/", {"source": "w", "coverage": "listed", "vendors": "Cisco"})
    assert answer.status_code == 400 and "only matter where the file holds all findings" in text_of(answer)
    assert analyst.post(f"/imports/{upload.pk}/", {"source": "", "coverage": "listed"}).status_code == 400


def test_it_is_stopped_where_its_person_says_so(analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "PAUSE", 0.0)
    upload = sent(analyst, weekly())
    analyst.post(f"/imports/{upload.pk}/", {"source": "weekly", "coverage": "listed"})
    part = analyst.get(f"/imports/{upload.pk}/progress").content.decode()
    assert "every 1s" in part and "waits in the queue" in part
    before = uploads._import

    def stopped(row: models.Upload, tell: Any) -> Any:
        # As another process does it, which the transaction around this knows nothing of.
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("UPDATE store_upload SET cancel = true")
        other.close()
        return before(row, tell)

    monkeypatch.setattr(uploads, "_import", stopped)
    look_at_upload(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.told) == ("cancelled", "It was stopped. Nothing was changed.")
    assert not models.Source.objects.exists()
    assert analyst.get(f"/imports/{upload.pk}/progress").headers["HX-Refresh"] == "true"


def test_it_is_stopped_while_it_waits_in_the_queue_and_can_be_asked_for_again(analyst: Client) -> None:
    upload = looked(analyst, sent(analyst, weekly()))
    confirmed(analyst, upload)
    analyst.post(f"/imports/{upload.pk}/cancel")
    take_in_upload(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, models.Source.objects.count()) == ("cancelled", 0)
    analyst.post(f"/imports/{upload.pk}/", {"source": "weekly", "coverage": "listed"})
    look_at_upload(upload.pk)
    assert taken_in(analyst, upload).state == "done"


def test_of_two_words_that_come_at_once_one_takes_it_in(analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = looked(analyst, sent(analyst, weekly()))
    stale = models.Upload.objects.get(pk=upload.pk)
    seen = {"seen": imports.seen_of(stale)}
    assert taken_in(analyst, upload).state == "done"
    # The second one has read it before the first one stored anything.
    monkeypatch.setattr(imports, "get_object_or_404", lambda *_, **__: stale)
    analyst.post(f"/imports/{upload.pk}/confirm", seen)
    analyst.post(f"/imports/{upload.pk}/", {"source": "weekly", "coverage": "listed"})
    upload.refresh_from_db()
    assert upload.state == "done" and models.AuditEntry.objects.filter(what="report taken in").count() == 1


def test_what_was_looked_at_in_another_way_meanwhile_is_not_taken_in_unseen(analyst: Client) -> None:
    upload = looked(analyst, sent(analyst, weekly()))
    seen = {"seen": fields_of(analyst.get(f"/imports/{upload.pk}/").content.decode(), "seen")["seen"][0]}
    looked(analyst, upload, coverage="devices")
    answer = analyst.post(f"/imports/{upload.pk}/confirm", seen, follow=True)
    assert "in another way since" in text_of(answer)
    upload.refresh_from_db()
    assert upload.state == "looked" and not models.Source.objects.exists()
    assert taken_in(analyst, upload).state == "done"


def test_what_nobody_takes_in_is_forgotten(analyst: Client, tmp_path: Path) -> None:
    upload = sent(analyst, weekly())
    uploads.sweep(timezone.now())
    assert uploads.report_of(upload).exists()
    uploads.sweep(timezone.now() + uploads.KEPT * 2)
    assert not uploads.folder_of(upload).exists() and not models.Upload.objects.exists()


def test_who_may_not(analyst: Client, person: Client) -> None:
    upload = sent(analyst, weekly())
    assert person.get(f"/imports/{upload.pk}/").status_code == 200
    for address in ("begin", f"{upload.pk}/", f"{upload.pk}/confirm", f"{upload.pk}/cancel"):
        assert person.post(f"/imports/{address}").status_code == 403
    assert put(person, upload.pk, b"x", 0, 1).status_code == 403
    assert "Look at it" not in text_of(person.get(f"/imports/{upload.pk}/"))
