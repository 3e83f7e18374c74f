"""Run commands in an exported image as its own user: by docker where an engine answers, else in its unpacked root.

Without an engine, the layers of the .plg are laid over each other in a folder, and a command gets that folder as its
root (chroot), the image's user, environment and working directory, and /dev and /proc of its own mount namespace. It
shares the network with the host, so that servers on loopback can be reached from both sides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from tools import archive

CACHE = "workspace/cache"
WHITEOUT = ".wh."
# $1 is the root, $2 the user, $3 the working directory; the rest is the command. Nothing forks, so that a signal to the
# process that was started reaches the command itself.
ENTER = """
mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && cp /etc/resolv.conf /etc/hosts "$1/etc/" &&
root=$1 user=$2 folder=$3 && shift 3 &&
exec chroot --userspec="$user" --groups="${user#*:}" "$root" /usr/bin/env -i --chdir="$folder" "$@"
"""


@dataclass(frozen=True)
class StateFile:
    """A file in the image's cache folder, as it is on its volume."""

    name: str
    content: bytes
    owner: int
    mode: int


class Container(Protocol):
    """A place to run the image's commands in; what they write to the cache folder lasts as long as it does."""

    @property
    def how(self) -> str:
        """In words, how commands are run."""

    def command(self, *arguments: str) -> list[str]:
        """The host's command line for a command in the image. Its standard input and signals go through."""

    def state(self) -> list[StateFile]:
        """What lies in the cache folder."""


@dataclass(frozen=True)
class Chroot:
    """The unpacked root of the image on this machine."""

    root: Path
    user: str
    environment: tuple[str, ...]
    folder: str
    how: str = "in its unpacked root, without an engine"

    def command(self, *arguments: str) -> list[str]:
        """Enter the root in a mount namespace of its own."""
        enter = ["unshare", "--mount", "--", "sh", "-c", ENTER, "sh", str(self.root), self.user, self.folder]
        return [*enter, *self.environment, *arguments]

    def state(self) -> list[StateFile]:
        """The cache folder lies on this machine."""
        files = sorted(path for path in (self.root / CACHE).iterdir() if path.is_file())
        return [
            StateFile(path.name, path.read_bytes(), path.stat().st_uid, path.stat().st_mode & 0o777) for path in files
        ]


@dataclass(frozen=True)
class Docker:
    """Containers of the loaded image, one for each command, with one volume for their cache folder."""

    tag: str
    volume: str
    how: str = "by docker"

    def command(self, *arguments: str) -> list[str]:
        """A container per command, on the host's network; --init because a process 1 would not see SIGTERM."""
        run = ["docker", "run", "--rm", "--interactive", "--init", "--network=host"]
        mount = f"--volume={self.volume}:/{CACHE}"
        return [*run, mount, f"--entrypoint={arguments[0]}", self.tag, *arguments[1:]]

    def state(self) -> list[StateFile]:
        """The volume, read as a tar archive through a container."""
        packed = subprocess.run(
            self.command("tar", "--create", "--directory", f"/{CACHE}", "."), capture_output=True, check=True
        ).stdout
        with tempfile.TemporaryFile() as stream:
            stream.write(packed)
            stream.seek(0)
            with tarfile.open(fileobj=stream) as files:
                return [
                    StateFile(
                        PurePosixPath(entry.name).name, archive.member(files, entry.name).read(), entry.uid, entry.mode
                    )
                    for entry in files
                    if entry.isfile()
                ]


@contextmanager
def docker_container(plg: Path, tag: str) -> Iterator[Container]:
    """Load the image into the engine; its cache volume goes away at the end."""
    subprocess.run(["docker", "load", "--input", str(plg)], stdin=subprocess.DEVNULL, check=True)
    volume = f"haloitsm-check-{uuid.uuid4().hex}"
    try:
        yield Docker(tag, volume)
    finally:
        subprocess.run(["docker", "volume", "rm", "--force", volume], capture_output=True, check=False)


@contextmanager
def chroot_container(plg: Path) -> Iterator[Container]:
    """Unpack the image into a temporary folder (as root, for the owners of its files)."""
    with tempfile.TemporaryDirectory() as temporary, archive.opened(plg) as image:
        root = Path(temporary, "root")
        root.mkdir()
        for layer in image.layers:
            lay_over(root, layer)
        for folder in ("dev", "proc"):
            (root / folder).mkdir(exist_ok=True)
        settings = image.config["config"]
        user = numeric_user(settings["User"], (root / "etc/passwd").read_text(encoding="utf-8"))
        yield Chroot(root, user, tuple(settings["Env"]), settings["WorkingDir"])


def numeric_user(name: str, passwd: str) -> str:
    """uid:gid of a user, as the image's own /etc/passwd says."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return f"{fields[2]}:{fields[3]}"
    raise ValueError(f"the image has no user {name}")


def lay_over(root: Path, layer: Path) -> None:
    """Apply a layer: first what it removes (files named .wh.NAME), then what it brings."""
    with tarfile.open(layer) as entries:
        removals = [PurePosixPath(name) for name in entries.getnames() if PurePosixPath(name).name.startswith(WHITEOUT)]
    for removal in removals:
        gone = root / removal.parent / removal.name.removeprefix(WHITEOUT)
        if gone.is_dir() and not gone.is_symlink():
            shutil.rmtree(gone)
        else:
            gone.unlink(missing_ok=True)
    unpack = ["tar", "--extract", "--numeric-owner", "--preserve-permissions", f"--exclude=*{WHITEOUT}*"]
    subprocess.run([*unpack, "--directory", str(root), "--file", str(layer)], stdin=subprocess.DEVNULL, check=True)


@contextmanager
def container(plg: Path, tag: str, engine: bool) -> Iterator[Container]:
    """The image in what this machine has for running it."""
    if not engine and os.geteuid() != 0:
        raise SystemExit("without a docker engine, running the image needs root")
    with docker_container(plg, tag) if engine else chroot_container(plg) as place:
        yield place
