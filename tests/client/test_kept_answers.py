"""Guards the file of kept answers: whole or absent, ours or ignored, and no trouble with it is ever an error."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import pytest

from komand_haloitsm.util.halo.tickets import kept_answers
from komand_haloitsm.util.halo.tickets.kept_answers import KeptAnswers, answers_path

ADDRESS = "https://halo.example/api"
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
ROWS = [{"id": 4, "name": "Network"}, {"id": 5, "name": "Zürich \ud800"}]


def answers(path: Path | None, *, address: str = ADDRESS, later: float = 0.0) -> KeptAnswers:
    """As a process has them that runs some seconds after noon."""
    return KeptAnswers(path, address, logger=logging.getLogger("kept"), now=lambda: NOON + timedelta(seconds=later))


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = answers_path(tmp_path, (ADDRESS, "id"))
    answers(path).put("team", ROWS)
    return path


@pytest.fixture(autouse=True)
def _info(caplog):
    caplog.set_level(logging.INFO, "kept")


def test_another_process_finds_what_was_kept_and_its_age(path, caplog):
    found = answers(path, later=90).get("team", 600)
    assert found is not None and (found.value, found.age) == (ROWS, 90)
    assert answers(path).get("agent", 600) is None and caplog.records == []


@pytest.mark.parametrize(("later", "there"), [(0, True), (599.9, True), (600, False), (-0.1, False), (-1e9, False)])
def test_what_is_too_old_or_from_the_future_is_not_there(path, later, there):
    assert (answers(path, later=later).get("team", 600) is not None) is there


def test_an_answer_replaces_the_one_of_its_name_and_no_other(path):
    answers(path, later=5).put("agent", [])
    answers(path, later=7).put("team", None)
    one = answers(path, later=9)
    assert [(name, found.value, found.age) for name in ("team", "agent") if (found := one.get(name, 600))] == [
        ("team", None, 2),
        ("agent", [], 4),
    ]


def test_without_a_path_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nowhere = answers(None)
    nowhere.put("team", ROWS)
    assert nowhere.get("team", 600) is None and list(tmp_path.iterdir()) == []


def test_two_connections_have_two_files(tmp_path):
    connections = [("a", "b", "", ""), ("a", "c", "", ""), ("a", "b", "c", ""), ("a", "b", "", "c"), ("c", "b", "", "")]
    assert len({answers_path(tmp_path, connection) for connection in connections}) == len(connections)
    (name,) = {answers_path(tmp_path, ("https://halo.example/api", "../../client id")).name}
    assert "client" not in name and "halo.example" not in name and "/" not in name


def test_only_the_owner_may_read_the_file_whatever_the_mask(tmp_path):
    mask = os.umask(0)
    try:
        answers(tmp_path / "file").put("team", ROWS)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ------------------------------------------------------------------------------------------- what counts as absent


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def of_version_2(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}), encoding="ascii")


def with_kept(path: Path, kept: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "answers": kept}), encoding="ascii")


def with_time(path: Path, at: str) -> None:
    path.write_text(path.read_text().replace(str(NOON.timestamp()), at), encoding="ascii")


def padded(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" " * 4 * 1024 * 1024)


def as_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def as_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_a_pipe_with_a_writer(path: Path) -> None:
    text = path.read_bytes()
    as_a_pipe(path)
    os.write(os.open(path, os.O_RDWR), text)


def as_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BAD: dict[str, Callable[[Path], object]] = {
    "cut off": cut,
    "empty": lambda path: path.write_bytes(b""),
    "no JSON": lambda path: path.write_bytes(b"\xff\x00" * 50),
    "no object": lambda path: path.write_text("[1]"),
    "too deep": lambda path: path.write_text("[" * 200_000 + "]" * 200_000),
    "another version": of_version_2,
    "no answers": lambda path: with_kept(path, None),
    "answers of another kind": lambda path: with_kept(path, {"team": [1]}),
    "an answer without a time": lambda path: with_kept(path, {"team": {"value": ROWS}}),
    "an answer without a value": lambda path: with_kept(path, {"team": {"at": NOON.timestamp()}}),
    "a time that is none": lambda path: with_time(path, '"noon"'),
    "a time without end": lambda path: with_time(path, "9" * 400),
    "no number": lambda path: with_time(path, "NaN"),
    "too large": padded,
    "a link": as_a_link,
    "a pipe": as_a_pipe,
    "a pipe with a writer": as_a_pipe_with_a_writer,
    "a folder": as_a_folder,
    "writable by the group": lambda path: path.chmod(0o620),
    "writable by all": lambda path: path.chmod(0o602),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=list(BAD))
def test_a_file_that_is_damaged_or_not_safely_ours_is_as_none(path, spoil, caplog):
    spoil(path)
    one = answers(path)
    assert one.get("team", 600) is None and one.get("team", 600) is None
    assert len(caplog.records) <= 1 and all(record.levelno == logging.INFO for record in caplog.records)


@pytest.mark.parametrize("spoil", [BAD[name] for name in BAD if name != "a folder"], ids=lambda spoil: "")
def test_the_next_answer_makes_it_good_again(path, spoil):
    spoil(path)
    answers(path).put("team", ROWS)
    found = answers(path).get("team", 600)
    assert found is not None and found.value == ROWS
    assert path.is_file() and not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_link_led_to_stays_as_it_is(path):
    as_a_link(path)
    before = path.with_name("elsewhere").read_bytes()
    answers(path, later=9).put("agent", [])
    assert path.with_name("elsewhere").read_bytes() == before


def test_the_file_of_another_instance_is_as_none(path):
    assert answers(path, address="https://other.example/api").get("team", 600) is None


def test_the_file_of_another_user_is_as_none(path, monkeypatch):
    owner = path.stat().st_uid
    monkeypatch.setattr(kept_answers.os, "geteuid", lambda: owner + 1)
    assert answers(path).get("team", 600) is None


# ------------------------------------------------------------------------------------------ what cannot be written


def no_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def no_room(path: Path) -> None:
    as_a_folder(path)


@pytest.mark.parametrize("spoil", [no_folder, no_room])
def test_what_cannot_be_written_is_told_once_and_leaves_nothing_behind(path, spoil, caplog):
    spoil(path)
    before = sorted(path.parent.iterdir()) if path.parent.exists() else None
    one = answers(path)
    for _ in range(3):
        one.put("team", ROWS)
        assert one.get("team", 600) is None
    assert (sorted(path.parent.iterdir()) if path.parent.exists() else None) == before
    assert [record.levelno for record in caplog.records] == [logging.INFO]
    assert str(path.parent) in caplog.text and path.name not in caplog.text and "Network" not in caplog.text


def test_what_is_too_large_is_not_written(path):
    answers(path, later=1).put("agent", ["x" * 4 * 1024 * 1024])
    assert answers(path, later=2).get("agent", 600) is None and answers(path, later=2).get("team", 600) is not None


# --------------------------------------------------------------------------------------------------- several at once


def put_many(path: Path, name: str) -> int:
    """How often another process finds no file, or half of one, while it writes to it."""
    one, missing = answers(path), 0
    for number in range(100):
        one.put(name, [number] * 1000)
        missing += not one._load()
    return missing


def test_processes_at_once_never_see_half_a_file(path):
    with ProcessPoolExecutor(3, get_context("spawn"), initializer=sys.path.append, initargs=(os.getcwd(),)) as pool:
        assert list(pool.map(put_many, [path] * 3, ["a", "b", "c"])) == [0, 0, 0]
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_threads_lose_nothing(path):
    one = answers(path)
    threads = [threading.Thread(target=one.put, args=(str(number), number), daemon=True) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [found.value for number in range(20) if (found := one.get(str(number), 600))] == list(range(20))
