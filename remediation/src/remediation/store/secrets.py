"""Seals what must not lie open in the database: passwords, client secrets, tokens.

The key is REMEDIATION_KEY or else the file ``key`` in the data folder, which is made at first use. Either may hold
several keys: the first seals, all open. Without the key, a backup of the database has lost its secrets.
"""

from __future__ import annotations

import hmac
import os
import tempfile
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from ..data_folder import make_data_folder

FILE = "key"


class KeyTrouble(RuntimeError):
    """There is no key that can be used, or it does not fit. The message says what to do."""


def seal(text: str) -> str:
    """The text, sealed with the first key. Raises KeyTrouble."""
    require_key()
    return _keys().encrypt(text.encode()).decode("ascii")


def open_(sealed: str) -> str:
    """The text that was sealed; an empty one for an empty one, which is what a row without a secret has.

    Raises KeyTrouble where no key fits.
    """
    if not sealed:
        return ""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise KeyTrouble(
            f"A secret in the database was sealed with another key than {key_place()}. Restore that key, "
            "or enter the secret again."
        ) from None


def require_key() -> None:
    """Make the key where there is none yet. Raises KeyTrouble where it cannot be used."""
    if not is_given():
        _make_unless_there(_file())
    _keys()


def has_key() -> bool:
    """Whether there is a key, of whatever use it is."""
    return is_given() or _file().exists()


def is_given() -> bool:
    """Whether REMEDIATION_KEY gives the keys, and no file does."""
    return bool(os.environ.get("REMEDIATION_KEY"))


def count_keys() -> int:
    """How many keys there are. Raises KeyTrouble for one that is none."""
    _keys()
    return len(_parts())


def sealed_by(sealed: str) -> int | None:
    """The place of the key that a text was sealed with, 0 for the first; None where no key fits. Raises KeyTrouble."""
    _keys()
    for place, part in enumerate(_parts()):
        try:
            Fernet(part).decrypt(sealed.encode())
            return place
        except InvalidToken:
            continue
    return None


def sealed_anew(sealed: str) -> str | None:
    """What was sealed, sealed with the first key; None where no key fits. Raises KeyTrouble."""
    try:
        return _keys().rotate(sealed.encode()).decode("ascii")
    except InvalidToken:
        return None


def add_key() -> None:
    """Put a new key before those in the key file. Raises KeyTrouble and OSError."""
    require_key()
    _write([Fernet.generate_key().decode(), *_parts()])


def keep_first_key() -> None:
    """Leave only the first key in the key file. Raises KeyTrouble and OSError."""
    _keys()
    _write(_parts()[:1])


def derived(purpose: str) -> list[str]:
    """A key for another purpose from each key, in their order: the first signs, all verify. Raises KeyTrouble, also
    where there is no key yet: who starts the service makes it."""
    _keys()
    return [hmac.new(part.encode(), purpose.encode(), sha256).hexdigest() for part in _parts()]


def _parts() -> list[str]:
    text = os.environ.get("REMEDIATION_KEY") or _file_text(_file())
    return text.replace(",", " ").split()


def _keys() -> MultiFernet:
    try:
        return MultiFernet([Fernet(part) for part in _parts()])
    except ValueError:
        raise KeyTrouble(
            f"{key_place()} holds no key. A key is what this prints: "
            'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        ) from None


def _file() -> Path:
    return Path(settings.DATA) / FILE


def key_place() -> str:
    """Where the key is, or would be, in words."""
    return "REMEDIATION_KEY" if is_given() else f"the file {_file()}"


def _file_text(path: Path) -> str:
    try:
        _refuse_open_file(path)
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyTrouble(
            f"There is no key: {path} is missing. Restore it, set REMEDIATION_KEY, or enter the secrets again."
        ) from None


def _refuse_open_file(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise KeyTrouble(f"Others can read {path}. Take their rights away: chmod 600 {path}")


def _make_unless_there(path: Path) -> None:
    """Write a new key, whole or not at all, and never over another; of two processes that do, one wins."""
    if path.exists():
        return
    try:
        make_data_folder(path.parent, to_write=True)
    except OSError as error:
        raise KeyTrouble(f"There is no key yet. Set REMEDIATION_KEY, or see that one can be made. {error}") from None
    made = _made(path, [Fernet.generate_key().decode()])
    try:
        os.link(made, path)
    except FileExistsError:
        pass
    finally:
        made.unlink()


def _write(keys: list[str]) -> None:
    """Put keys into the key file, all of them or none."""
    os.replace(_made(_file(), keys), _file())


def _made(path: Path, keys: list[str]) -> Path:
    """A new file beside a path, with keys that only its owner can read."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # 0600
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.writelines(f"{key}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
