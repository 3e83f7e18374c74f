"""What an instance has answered about itself, in a JSON file that the next process reads instead of asking again.

The file holds names and numbers of settings (statuses, priorities, teams, agents, ticket types, categories), whether
plain lists hide closed tickets, and ids of tickets whose key was kept: no text of a ticket, no secret, no token. Each
answer has its time, by the machine's clock. Who reads one says how old it may be.

The file is a convenience. One that is damaged, another instance's or not safely ours counts as absent. Two processes
that write at once lose at most an answer, which is then asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Iterable

from ..clock import utc_now

_VERSION = 1
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """A JSON value, and the seconds since Halo gave it."""

    value: Any
    age: float


class KeptAnswers:
    """The answers of one connection, by name. Safe to share among threads. Nothing here raises.

    ``path`` is the file, None for nowhere: then nothing is ever found. ``address`` is the resource server. That the
    file cannot be read or written is told once, as an info line.
    """

    def __init__(
        self, path: Path | None, address: str = "", *, logger: Any = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._path = path
        self._address = address
        self._logger = logger
        self._now = now
        self._lock = threading.Lock()
        self._told = False

    def get(self, name: str, lifetime: float) -> Answer | None:
        """The answer of that name if it is younger than ``lifetime`` seconds, and not from the future."""
        kept = self._load().get(name)
        if not isinstance(kept, dict) or not isinstance(kept.get("at"), float) or "value" not in kept:
            return None
        age = self._now().timestamp() - kept["at"]
        return Answer(kept["value"], age) if 0 <= age < lifetime else None

    def put(self, name: str, value: Any) -> None:
        """Keep a JSON value that Halo has given just now."""
        if self._path is None:
            return
        with self._lock:
            answers = {**self._load(), name: {"at": self._now().timestamp(), "value": value}}
            try:
                text = json.dumps({"version": _VERSION, "address": self._address, "answers": answers}).encode("ascii")
                if len(text) > _MOST_BYTES:
                    raise ValueError("too large")
                _replace(self._path, text)
            except (OSError, ValueError, RecursionError) as error:
                self._tell(error)

    def _load(self) -> dict[str, Any]:
        """The answers in the file; none where it is not there, or not to be trusted."""
        if self._path is None:
            return {}
        try:
            kept = json.loads(_read(self._path))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._tell(error)
            return {}
        if not isinstance(kept, dict) or (kept.get("version"), kept.get("address")) != (_VERSION, self._address):
            return {}
        answers = kept.get("answers")
        return answers if isinstance(answers, dict) else {}

    def _tell(self, error: Exception) -> None:
        if not self._told and self._logger is not None and self._path is not None:
            self._told = True
            self._logger.info(
                f"HaloITSM: what {self._path.parent} keeps from one process to the next cannot be read or written "
                f"({type(error).__name__}), so HaloITSM is asked for it."
            )


def answers_path(folder: str | os.PathLike[str], connection: Iterable[str]) -> Path:
    """The file of a connection: what makes two connections different (address, client id, ...) is hashed."""
    digest = hashlib.sha256("\n".join(connection).encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / f"{digest[:32]}.haloitsm-names.json"


def _read(path: Path) -> bytes:
    """The content of a file of our own. Raises OSError, ValueError for one that others could have written."""
    # Not to wait where somebody has put a pipe there.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise ValueError("not a file of our own")
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError("too large")
    return text


def _replace(path: Path, text: bytes) -> None:
    """Write a whole file for its owner only, or none. Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
