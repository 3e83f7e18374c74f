"""``backup``, ``restore`` and ``check`` as a person uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from halo_emulator import HaloEmulator
from remediation import folder_check
from remediation.store import models
from stand_ins.insightvm_console import Console

TWO = ("1 v1 s1", "2 v1 s1", "1 v2 s2")
ALL_SIX = ["Remediated=Closed", "Awaiting Verification=On Hold", "Will Not Fix=Closed", "Exception=Closed"]


@pytest.fixture
def console(databases: Callable[[], str]) -> Iterator[Console]:
    with Console(databases()) as running:
        yield running


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMEDIATION_KEY", raising=False)


def connect(line: Any, *statuses: str, **options: str) -> None:
    words = [word for status in statuses for word in ("--status", status)]
    words += [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    assert line("connect", "halo", *words).code == 0


def add_console(line: Any, console: Console, name: str = "console", password: str = "") -> None:
    file = line.file("password", password or console.password)
    words = ("--kind", "insightvm", "--url", console.url, "--user", console.user, "--password-file", file)
    assert line("source", "add", name, *words).code == 0


def checked(line: Any) -> dict[str, tuple[bool, str]]:
    ended = line("check", "--json")
    value = ended.json
    assert ended.code == (0 if value["ok"] else 1)
    assert value["ok"] == all(one["ok"] for one in value["checks"])
    return {one["what"]: (one["ok"], one["text"]) for one in value["checks"]}


# Backup and restore


def test_there_and_back(line: Any, halo: HaloEmulator, databases: Callable[[], str], monkeypatch: Any) -> None:
    line.project(*TWO)
    assert line("apply", "p").code == 0
    file = str(line.folder / "backup")
    made = line("backup", file, "--json")
    assert made.code == 0
    assert made.json["file"] == file and made.json["rows"] > 10 and made.json["key"].endswith("data/key")
    again = line("backup", file)
    assert again.code == 4 and "--force" in again.err
    told = line("backup", file, "--force")
    assert told.code == 0 and "Not in it is the key" in told.out and "the 1 secrets" in told.out

    refused = line("restore", file)
    assert refused.code == 4 and "not empty" in refused.err and "store_ticket (3 rows)" in refused.err
    models.Project.objects.update(name="damaged")
    replaced = line("restore", file, "--replace")
    assert replaced.code == 0, replaced.err
    assert "opens all of 1 secrets" in replaced.out
    before = halo.tickets.keys()
    assert line("plan", "p").out.endswith("nothing to do\n")
    assert halo.tickets.keys() == before


def test_restore_tells_that_the_key_does_not_fit(line: Any, halo: HaloEmulator) -> None:
    connect(line)
    file = str(line.folder / "backup")
    assert line("backup", file).code == 0
    key = line.folder / "data" / "key"
    right = key.read_text()
    key.unlink()
    lost = line("restore", file, "--replace")
    assert lost.code == 0 and "1 of 1 secrets cannot be opened" in lost.out
    assert f"There is no key: {key} is missing" in lost.out
    assert not key.exists(), "a new key would hide that the old one is missing"
    key.write_text(Fernet.generate_key().decode())
    key.chmod(0o600)
    other = line("restore", file, "--replace", "--json")
    assert other.json["unopened"] == ["connection halo"]
    key.write_text(right)
    assert line("restore", file, "--replace", "--json").json["unopened"] == []


def test_a_damaged_file_is_4_and_a_missing_one_is_1(line: Any) -> None:
    ended = line("restore", line.file("broken", "PK"))
    assert ended.code == 4 and "broken" in ended.err
    missing = line("restore", str(line.folder / "missing"))
    assert missing.code == 1 and "missing" in missing.err
    nowhere = line("backup", str(line.folder / "no" / "folder"))
    assert nowhere.code == 1 and "no/folder" in nowhere.err


# Check


def test_all_is_well(line: Any, halo: HaloEmulator, console: Console) -> None:
    connect(line, *ALL_SIX, ticket_type="Vulnerability", closing_agent="Marcus Okafor")
    add_console(line, console)
    halo.requests.clear()
    console.requests.clear()
    found = checked(line)
    assert [ok for ok, _ in found.values()] == [True] * len(found), found
    assert list(found) == [
        *("data folder", "disk", "database", "migrations", "key"),
        *("connection halo", "connection halo, statuses", "connection halo, ticket types"),
        *("connection halo, closing agent", "source console"),
    ]
    assert {request.method for request in halo.requests if "/token" not in request.path} == {"GET"}
    assert {method for method, _ in console.requests} == {"GET"}
    text = line("check")
    assert text.code == 0 and text.out.count("OK ") == len(found) and f"All {len(found)} are well" in text.out


def test_what_the_connection_names_and_halo_has_not(line: Any, halo: HaloEmulator) -> None:
    connect(line, "Remediated=Closed", ticket_type="Vulnerability", closing_agent="Marcus Okafor")
    row = models.Connection.objects.get()
    row.settings |= {"parent_type": "Change of the moon", "closing_agent": "Nobody Nowhere"}
    row.save()
    found = checked(line)
    ok, text = found["connection halo, statuses"]
    assert not ok and "Will Not Fix, Exception" in text and "Remediated," not in text
    ok, text = found["connection halo, ticket types"]
    assert not ok and "'Change of the moon'" in text and "It has: " in text and "'Vulnerability'" not in text
    ok, text = found["connection halo, closing agent"]
    assert not ok and "'Nobody Nowhere'" in text and "Marcus Okafor" in text
    row.settings["statuses"] = {"Remediated": "No such status"}
    row.save()
    ok, text = checked(line)["connection halo, statuses"]
    assert not ok and "No such status" in text


def test_a_halo_that_refuses_and_one_that_is_away(
    line: Any, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(line)
    monkeypatch.setenv("HALO_CLIENT_SECRET", "revoked")
    ok, text = checked(line)["connection halo"]
    assert not ok and "does not accept the client ID and client secret" in text and "revoked" not in text
    halo.stop()
    found = checked(line)
    assert not found["connection halo"][0] and "cannot be reached" in found["connection halo"][1]
    assert "connection halo, statuses" not in found
    halo.start()


def test_a_console_that_refuses_and_one_that_is_away(line: Any, console: Console) -> None:
    add_console(line, console)
    add_console(line, console, "second", "a wrong password")
    found = checked(line)
    assert found["source console"][0]
    ok, text = found["source second"]
    assert not ok and "refuses the user or the password" in text and "a wrong password" not in text
    console.stop()
    ok, text = checked(line)["source console"]
    assert not ok and "gives no answer" in text
    console.start()


def test_a_key_that_does_not_fit(line: Any, halo: HaloEmulator) -> None:
    connect(line)
    key = line.folder / "data" / "key"
    key.write_text(Fernet.generate_key().decode())
    ok, text = checked(line)["key"]
    assert not ok and "1 of 1 secrets" in text and "connection halo" in text
    key.unlink()
    ok, text = checked(line)["key"]
    assert not ok and "There is no key" in text and not key.exists()


def test_a_database_without_tables_is_said_and_left_alone(
    line: Any, databases: Callable[[], str], django_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with django_at(databases()):
        found = checked(line)
        assert list(found) == ["data folder", "disk", "database", "migrations"]
        ok, text = found["migrations"]
        assert not ok and "store.0001_tables" in text
        assert checked(line)["migrations"][0] is False, "the check applies nothing"


def test_a_database_that_is_away(line: Any, django_at: Any) -> None:
    with django_at("postgresql://somebody:secret-word@127.0.0.1:9/none"):
        ended = line("check")
    assert ended.code == 1 and "WRONG  database: It does not answer" in ended.out
    assert "secret-word" not in ended.out + ended.err


def test_an_embedded_database_that_does_not_start(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    data = line.folder / "data" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("11\n")
    found = checked(line)
    assert list(found) == ["data folder", "disk", "database"]
    assert "are of PostgreSQL 11" in found["database"][1]


def test_the_folders_rights_and_the_disk(line: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert [one.ok for one in folder_check.check_folder(folder)] == [False]
    folder.mkdir(mode=0o711)  # what the embedded server needs where it runs under another account
    assert [one.ok for one in folder_check.check_folder(folder, free=1 << 40)] == [True, True]
    rights, disk = folder_check.check_folder(folder, free=(1 << 30) - 1)
    assert rights.ok and not disk.ok and "1.0 GiB free" in disk.text
    folder.chmod(0o750)
    ok, text = checked(line)["data folder"]
    assert not ok and f"chmod go-rw {folder}" in text
