"""A folder that reports are put into: each is taken in once and put away, and none is lost."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import pytest

from remediation.jobs import incoming, report_tasks, watched_folder
from remediation.jobs.incoming import INCOMING, WrongPart, add_part, have, new_token, source_of
from remediation.jobs.watched_folder import ready, take_in_folder, watching
from remediation.sources.any_report import ReportOptions
from remediation.store import models
from tests.sources.one_scan import nessus_csv

from .conftest import waiting_jobs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reports"
    made.mkdir()
    return made


@pytest.fixture
def source(store: str, folder: Path) -> models.Source:
    return models.Source.objects.create(name="weekly", settings={"watch": watching(ReportOptions(), folder)})


def put(folder: Path, name: str, content: str, age: float = 60.0) -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8", newline="")
    moment = time.time() - age
    os.utime(file, (moment, moment))
    return file


def there(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_are_taken_in_the_oldest_first_and_put_away(source: models.Source, folder: Path) -> None:
    put(folder, "b.csv", nessus_csv(), age=90)
    put(folder, "a.csv", nessus_csv())
    put(folder, "c.csv", "Total\n7\n", age=30)
    ended = take_in_folder(source)
    assert list(ended) == ["b.csv", "a.csv", "c.csv"]
    assert [one.ending.word for one in ended.values()] == ["done", "done", "refused"]
    assert there(folder) == [
        *("done/a.csv", "done/a.csv.txt", "done/b.csv", "done/b.csv.txt"),
        *("refused/c.csv", "refused/c.csv.txt"),
    ]
    assert "5 findings on 3 assets" in (folder / "done/b.csv.txt").read_text("utf-8")
    assert "columns" in (folder / "refused/c.csv.txt").read_text("utf-8")
    assert models.Finding.objects.count() == 5 and take_in_folder(source) == {}


def test_a_file_of_the_same_name_overwrites_none(source: models.Source, folder: Path) -> None:
    for content in (nessus_csv(), nessus_csv().replace("445", "446")):
        put(folder, "a.csv", content)
        take_in_folder(source)
    assert len([name for name in there(folder) if name.endswith("a.csv")]) == 2


def test_what_is_not_whole_or_no_file_waits(folder: Path) -> None:
    put(folder, "fresh.csv", "x", age=1)
    put(folder, "growing.csv.part", "x")
    put(folder, ".hidden.csv", "x")
    put(folder, "empty.csv", "")
    (folder / "folder.csv").mkdir()
    (folder / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo.csv")
    whole = put(folder, "whole.csv", "x")
    assert ready(folder, time.time()) == [whole]
    # A file from the future has not changed either, once that is long enough away.
    put(folder, "future.csv", "x", age=-3600)
    assert len(ready(folder, time.time())) == 2


def test_trouble_that_is_not_the_file_s_own_leaves_it(
    source: models.Source, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a.csv", nessus_csv(), age=90)
    put(folder, "b.csv", nessus_csv())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(watched_folder, "import_file", full)
        assert [one.ending.word for one in take_in_folder(source).values()] == ["failed", "failed"]
    assert there(folder) == ["a.csv", "b.csv"]
    assert [one.ending.word for one in take_in_folder(source).values()] == ["done", "done"]


def test_a_kill_between_the_taking_in_and_the_putting_away_changes_nothing_twice(
    source: models.Source, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a.csv", nessus_csv())
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(watched_folder, "_put_away", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        take_in_folder(source)
    counts = models.Observation.objects.count()
    (ended,) = take_in_folder(source).values()
    assert ended.value["unchanged"] and models.Observation.objects.count() == counts


def test_a_worker_looks_for_files_and_runs_projects_where_there_is_news(source: models.Source, folder: Path) -> None:
    report_tasks.look_for_files(0)
    assert waiting_jobs() == []
    put(folder, "a.csv", nessus_csv())
    for _ in range(2):
        report_tasks.look_for_files(0)
    assert waiting_jobs() == [f"folder-{source.pk}"]
    halo = models.Connection.objects.create(name="halo")
    project = models.Project.objects.create(name="p", slug="p", connection=halo, source=source)
    report_tasks.import_folder(source.pk)
    assert waiting_jobs() == [f"folder-{source.pk}", f"project-{project.pk}"]
    assert models.Run.objects.get(kind="import").outcome == "done"


def test_a_folder_that_is_gone_ends_nothing(source: models.Source, folder: Path) -> None:
    folder.rmdir()
    report_tasks.look_for_files(0)
    report_tasks.import_folder(source.pk)
    assert waiting_jobs() == []


def test_the_last_part_that_is_sent_twice_at_once_is_there_once(
    source: models.Source, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = incoming.append

    def and_another(place: Path, *part: Any) -> bool:
        whole = append(place, *part)
        monkeypatch.setattr(incoming, "append", append)
        return add_part(source, "a.csv", *part) and whole

    monkeypatch.setattr(incoming, "append", and_another)
    assert add_part(source, "a.csv", 0, b"x", 1)
    assert [path.read_bytes() for path in folder.glob("*.csv")] == [b"x"]


def test_parts_make_a_report_in_any_order_that_leaves_no_gap(source: models.Source, folder: Path) -> None:
    content = nessus_csv().encode()
    size, half = len(content), len(content) // 2
    assert not add_part(source, "a.csv", 0, content[:half], size)
    with pytest.raises(WrongPart) as gap:
        add_part(source, "a.csv", half + 1, content[half + 1 :], size)
    assert gap.value.have == half == have(source, "a.csv")
    # The same part again adds nothing.
    assert not add_part(source, "a.csv", 0, content[:half], size)
    assert ready(folder, time.time() + 60) == []
    assert add_part(source, "a.csv", half - 5, content[half - 5 :], size)
    assert (folder / "a.csv").read_bytes() == content and have(source, "a.csv") == 0


def test_reports_that_nobody_goes_on_with_are_removed(source: models.Source, folder: Path) -> None:
    for name, days in (("old.csv", 8), ("new.csv", 6), ("held.csv", 8)):
        assert not add_part(source, name, 0, b"x", 2)
        moment = time.time() - days * 86400
        os.utime(folder / INCOMING / name, (moment, moment))
    with (folder / INCOMING / "held.csv").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        report_tasks.look_for_files(0)
        assert there(folder) == [f"{INCOMING}/held.csv", f"{INCOMING}/new.csv"]
    # Who goes on all the same begins anew.
    with pytest.raises(WrongPart) as gap:
        add_part(source, "old.csv", 1, b"y", 2)
    assert gap.value.have == 0
    assert add_part(source, "new.csv", 1, b"y", 2) and (folder / "new.csv").read_bytes() == b"xy"


@pytest.mark.parametrize("name", ["../a.csv", "a/b.csv", ".hidden", "", "a" * 200, "a\n.csv", "done/../../x"])
def test_names_that_lead_elsewhere_are_refused(source: models.Source, folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        add_part(source, name, 0, b"x", 1)
    assert there(folder) == []


def test_a_token_is_of_one_source_and_the_newest_counts(source: models.Source) -> None:
    first, second = new_token(source), new_token(source)
    assert source_of(second) == source and source_of(first) is None and source_of("") is None
    assert first not in str(source.settings) and second not in str(source.settings)
