"""Secrets are sealed with a key that does not lie in the database."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from remediation.store.secrets import KeyTrouble, derived, open_, seal

SECRET = "pässword with ünicode"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("REMEDIATION_KEY", raising=False)
    monkeypatch.setattr("django.conf.settings.DATA", tmp_path / "data", raising=False)
    return tmp_path / "data"


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_what_is_sealed_can_be_opened_and_not_be_read() -> None:
    assert open_(seal(SECRET)) == SECRET
    assert SECRET not in seal(SECRET)
    assert seal(SECRET) != seal(SECRET), "two rows with the same secret do not look the same"


def test_a_row_without_a_secret_has_none() -> None:
    assert open_("") == ""
    assert open_(seal("")) == ""


def test_the_key_is_made_once_and_for_its_owner_alone(data: Path) -> None:
    sealed = seal(SECRET)
    key = (data / "key").read_text()
    assert stat.S_IMODE((data / "key").stat().st_mode) == 0o600
    assert [path.name for path in data.iterdir()] == ["key"]
    assert open_(sealed) == SECRET
    assert (data / "key").read_text() == key


def test_a_key_in_the_environment_needs_no_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATION_KEY", new_key())
    assert open_(seal(SECRET)) == SECRET
    assert not data.exists()


def test_an_old_key_opens_and_the_new_one_seals(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = new_key(), new_key()
    monkeypatch.setenv("REMEDIATION_KEY", old)
    sealed = seal(SECRET)
    monkeypatch.setenv("REMEDIATION_KEY", f"{new}, {old}")
    assert open_(sealed) == SECRET
    again = seal(SECRET)
    monkeypatch.setenv("REMEDIATION_KEY", new)
    assert open_(again) == SECRET


def test_another_key_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal(SECRET)
    (data / "key").write_text(new_key())
    with pytest.raises(KeyTrouble, match=f"another key than the file {data / 'key'}.*Restore that key"):
        open_(sealed)
    monkeypatch.setenv("REMEDIATION_KEY", new_key())
    with pytest.raises(KeyTrouble, match="another key than REMEDIATION_KEY"):
        open_(sealed)


@pytest.mark.parametrize("text", ["hunter2", "x" * 44, "é", " "])
def test_what_is_no_key_is_said_without_showing_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATION_KEY", text)
    with pytest.raises(KeyTrouble, match="REMEDIATION_KEY holds no key. A key is what this prints") as trouble:
        seal(SECRET)
    assert text == " " or text not in str(trouble.value)


def test_an_empty_file_is_no_key(data: Path) -> None:
    data.mkdir()
    (data / "key").touch(mode=0o600)
    with pytest.raises(KeyTrouble, match="holds no key"):
        seal(SECRET)


def test_a_key_that_others_can_read_is_refused(data: Path) -> None:
    seal(SECRET)
    (data / "key").chmod(0o640)
    with pytest.raises(KeyTrouble, match="chmod 600"):
        seal(SECRET)


def test_no_key_is_made_to_derive_others_from(data: Path) -> None:
    with pytest.raises(KeyTrouble, match="There is no key"):
        derived("a purpose")
    seal(SECRET)
    assert derived("a purpose") != derived("another")


def test_many_at_once_make_one_key() -> None:
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(seal, [SECRET] * 32))
    assert {open_(one) for one in sealed} == {SECRET}
