"""How PostgreSQL's programs are run where the service itself runs as root, which they refuse.

First choice: a user namespace in which root has another number. It needs no account and changes no rights. Where the
system refuses such a namespace: the account ``nobody``, with a copy of the programs in a folder that it can read.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "nobody"


class EmbeddedError(RuntimeError):
    """The embedded server could not be made, started or stopped. The message says why and what to do."""


class NoAccount(EmbeddedError):
    """Root can run the server neither in a user namespace nor by an unprivileged account."""


@dataclass(frozen=True)
class Account:
    """A prefix for every command, or the numbers of the user and group to become; nothing for an ordinary user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def owner(self) -> int:
        """The number of the user that owns the server's files, as this process sees it."""
        return os.geteuid() if self.uid is None else self.uid

    def own(self, path: Path) -> None:
        """Give a file or folder to the account or, as root, back to root. An ordinary user has only its own."""
        if os.geteuid() == 0:
            os.chown(path, self.owner, 0 if self.gid is None else self.gid, follow_symlinks=False)

    def own_all(self, folder: Path) -> None:
        """The same for a folder and all that is in it."""
        self.own(folder)
        for path in folder.rglob("*"):
            self.own(path)

    def require_way_to(self, folder: Path) -> None:
        """Raise NoAccount where the account may not walk through a parent of the folder. No rights are changed."""
        if self.uid is None:
            return
        for parent in folder.parents:
            seen = parent.stat()
            bit = 0o100 if seen.st_uid == self.uid else 0o010 if seen.st_gid == self.gid else 0o001
            if not seen.st_mode & bit:
                raise NoAccount(
                    f"{parent} is closed to the user {ACCOUNT}, who would have to run the embedded database in "
                    f"{folder}. Start the service as an ordinary user, move its data folder, or set DATABASE_URL."
                )


def account() -> Account:
    """Choose how this process runs the server's programs. Raises NoAccount, which says what to do."""
    if os.geteuid() != 0:
        return Account()
    if namespaces_allowed():
        return Account(prefix=namespace())
    return unprivileged_account()


def namespace() -> tuple[str, ...]:
    """What makes a command run in a namespace. Its number there is one that has a name, for which initdb asks."""
    try:
        found = pwd.getpwnam(ACCOUNT)
        uid, gid = found.pw_uid, found.pw_gid
    except KeyError:
        uid, gid = 1000, 1000
    return "unshare", "--user", f"--map-user={uid}", f"--map-group={gid}"


def namespaces_allowed() -> bool:
    """Whether root may make a user namespace here; containers and hardened systems often refuse."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*namespace(), "true"], capture_output=True, check=False, timeout=30).returncode == 0


def unprivileged_account() -> Account:
    """The account ``nobody``. Raises NoAccount where the system has none."""
    try:
        found = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise NoAccount(
            "PostgreSQL does not run as root, and this system has neither user namespaces nor the user "
            f"{ACCOUNT}. Start the service as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
        ) from None
    return Account(uid=found.pw_uid, gid=found.pw_gid)
