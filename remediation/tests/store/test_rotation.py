"""Another key takes the place of the one that seals secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from remediation.store import models, secrets
from remediation.store.rotation import KeyInUse, Sealed, forget_older, rotate, sealed


@pytest.fixture(autouse=True)
def file(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("REMEDIATION_KEY", raising=False)
    monkeypatch.setattr("django.conf.settings.DATA", tmp_path / "data", raising=False)
    return tmp_path / "data" / "key"


def add(name: str, text: str) -> models.Source:
    return models.Source.objects.create(name=name, kind="insightvm", secret=secrets.seal(text) if text else "")


def opened() -> dict[str, str]:
    return {row.name: secrets.open_(row.secret) for row in models.Source.objects.all()}


def test_a_new_key_seals_all_and_the_older_ones_are_forgotten(file: Path) -> None:
    add("a", "one"), add("b", "two"), add("files", "")
    before = file.read_text().split()
    assert rotate() == Sealed(secrets=2, older=0, lost=0, keys=2)
    assert file.read_text().split()[1:] == before and file.stat().st_mode & 0o077 == 0
    assert opened() == {"a": "one", "b": "two", "files": ""}
    forget_older()
    assert len(file.read_text().split()) == 1 and opened()["b"] == "two"
    assert sealed() == Sealed(2, 0, 0, 1)
    assert sorted(path.name for path in file.parent.iterdir()) == ["key"]


def test_ended_after_the_new_key_was_written_it_goes_on(file: Path) -> None:
    add("a", "one")
    secrets.add_key()
    assert sealed() == Sealed(1, 1, 0, 2)
    with pytest.raises(KeyInUse, match="1 secrets are sealed with an older key"):
        forget_older()
    assert rotate() == Sealed(1, 0, 0, 3) and opened() == {"a": "one"}


def test_what_no_key_opens_stays_and_keeps_the_keys(file: Path) -> None:
    add("a", "one")
    lost = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    models.Source.objects.create(name="b", kind="insightvm", secret=lost)
    assert rotate() == Sealed(2, 0, 1, 2)
    assert models.Source.objects.get(name="b").secret == lost
    with pytest.raises(KeyInUse, match="1 are opened by none"):
        forget_older()


def test_keys_of_the_environment_are_not_made_here(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    monkeypatch.setenv("REMEDIATION_KEY", old)
    add("a", "one")
    monkeypatch.setenv("REMEDIATION_KEY", f"{new} {old}")
    assert sealed().older == 1 and rotate() == Sealed(1, 0, 0, 2)
    with pytest.raises(KeyInUse, match="REMEDIATION_KEY"):
        forget_older()
    monkeypatch.setenv("REMEDIATION_KEY", new)
    assert opened() == {"a": "one"} and not file.exists()
