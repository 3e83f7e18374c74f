"""Docker archives (what `docker save` writes and `docker load` reads): opened, checked, written reproducibly.

The layers of the base image are kept byte for byte. Those that the build added are written anew with one time, no user
names, sorted, and without compiled Python: the same inputs then give the same bytes, whoever builds them and when.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, cast


@dataclass(frozen=True)
class Archive:
    """An opened docker archive that holds one image."""

    config: dict[str, Any]
    tags: tuple[str, ...]
    layers: tuple[Path, ...]  # uncompressed tar files, lowest first

    @property
    def digests(self) -> list[str]:
        """The digests of the layers, as the image's configuration states them."""
        return [str(digest) for digest in self.config["rootfs"]["diff_ids"]]


class BrokenArchive(Exception):
    """The file is not what its own index says."""


def sha256(path: Path) -> str:
    """Digest of a file in the form that image configurations use."""
    with path.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Unpack a docker archive, gzipped or not, into a temporary folder and check every digest that it states."""
    with tempfile.TemporaryDirectory() as temporary, tarfile.open(path) as outer:
        index = json.load(member(outer, "manifest.json"))
        if len(index) != 1:
            raise BrokenArchive(f"holds {len(index)} images, not one")
        raw = member(outer, index[0]["Config"]).read()
        layers = []
        for number, name in enumerate(index[0]["Layers"]):
            layer = Path(temporary, f"{number}.tar")
            unpack(member(outer, name), layer)
            layers.append(layer)
        archive = Archive(json.loads(raw), tuple(index[0]["RepoTags"] or ()), tuple(layers))
        if hashlib.sha256(raw).hexdigest() not in index[0]["Config"]:
            raise BrokenArchive("the configuration is not the one that the index names")
        if [sha256(layer) for layer in layers] != archive.digests:
            raise BrokenArchive("a layer is not the one that the configuration names")
        yield archive


def member(outer: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file inside the archive, also where it is a link to another."""
    content = outer.extractfile(name)
    if content is None:
        raise BrokenArchive(f"{name} is no file")
    return content


def unpack(content: IO[bytes], target: Path) -> None:
    """Write a layer uncompressed: its digest is over that form, and newer docker engines save it compressed."""
    compressed = content.read(2) == b"\x1f\x8b"
    content.seek(0)
    source = cast(IO[bytes], gzip.GzipFile(fileobj=content)) if compressed else content
    with target.open("wb") as out:
        shutil.copyfileobj(source, out)


def normalised(layer: Path, target: Path, epoch: int) -> None:
    """Rewrite a layer so that only its content decides on its bytes."""
    with tarfile.open(layer) as old, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as new:
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            if entry.name.endswith((".pyc", "/__pycache__")):
                continue  # left behind by pip runs; they carry the times of files that were removed or rewritten
            fixed = copy(entry)
            fixed.mtime, fixed.uname, fixed.gname, fixed.pax_headers = epoch, "", "", {}
            if entry.isdir() or entry.isreg():
                fixed.mode = entry.mode & ~0o022  # whatever the umask of the checkout was
            new.addfile(fixed, old.extractfile(entry) if entry.isreg() else None)


def write(target: Path, source: Archive, base_layers: int, tag: str, epoch: int) -> None:
    """Write the image as a gzipped docker archive of the form that every docker engine reads (version 1.2)."""
    with tempfile.TemporaryDirectory() as temporary:
        layers = list(source.layers[:base_layers])
        for number, layer in enumerate(source.layers[base_layers:]):
            layers.append(Path(temporary, f"{number}.tar"))
            normalised(layer, layers[-1], epoch)
        raw = json.dumps(configuration(source.config, layers, epoch), sort_keys=True).encode()
        with (
            target.open("wb") as out,
            gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as outer,
        ):
            write_members(outer, raw, layers, tag, epoch)


def configuration(config: dict[str, Any], layers: list[Path], epoch: int) -> dict[str, Any]:
    """The image's configuration, less what names the machine, the tool or the moment of the build."""
    created = datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    settings = {key: value for key, value in config["config"].items() if key not in ("Hostname", "Image")}
    labels = settings.get("Labels") or {}
    settings["Labels"] = {key: value for key, value in labels.items() if not key.startswith("io.buildah.")}
    steps = [
        {"created": created, **{key: step[key] for key in ("created_by", "empty_layer") if key in step}}
        for step in config.get("history", ())
    ]
    return {
        "architecture": config["architecture"],
        "os": config["os"],
        "created": created,
        "config": settings,
        "history": steps,
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
    }


def write_members(outer: tarfile.TarFile, raw: bytes, layers: list[Path], tag: str, epoch: int) -> None:
    """The files of the archive: a folder for each layer, the configuration and the two indexes."""

    def add(name: str, content: bytes | Path) -> None:
        entry = tarfile.TarInfo(name)
        entry.mtime = epoch
        if isinstance(content, bytes):
            entry.size = len(content)
            outer.addfile(entry, io.BytesIO(content))
        else:
            entry.size = content.stat().st_size
            with content.open("rb") as data:
                outer.addfile(entry, data)

    parent: dict[str, str] = {}
    for layer in layers:
        # Engines before 1.10 told layers by an id of their own; any id that is unique to the chain of layers will do.
        name = hashlib.sha256(f"{parent.get('id', '')} {sha256(layer)}".encode()).hexdigest()
        legacy = {"id": name, **({"parent": parent["id"]} if parent else {})}
        add(f"{name}/VERSION", b"1.0")
        add(f"{name}/json", json.dumps(legacy).encode())
        add(f"{name}/layer.tar", layer)
        parent = legacy
    repository, _, version = tag.rpartition(":")
    config = f"{hashlib.sha256(raw).hexdigest()}.json"
    names = [entry for entry in outer.getnames() if entry.endswith("/layer.tar")]
    add(config, raw)
    add("manifest.json", json.dumps([{"Config": config, "RepoTags": [tag], "Layers": names}]).encode())
    add("repositories", json.dumps({repository: {version: parent["id"]}}).encode())
