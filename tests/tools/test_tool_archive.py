"""tools/archive.py: the same content gives the same bytes, and an archive that was tampered with is refused."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools import archive

TAG = "rapid7/haloitsm:1.0.0"


def layer_of(files: dict[str, bytes], mtime: int = 1, mode: int = 0o644, owner: str = "root") -> bytes:
    """A layer with these files, as some builder at some time would write it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as out:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode, entry.uname = len(content), mtime, mode, owner
            out.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def saved_image(target: Path, layers: list[bytes], compressed: bool = False, **config: Any) -> Path:
    """What `docker save` would write of an image with these layers."""
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    raw = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": config.pop("created", "2020-01-01T00:00:00Z"),
            "config": {"User": "nobody", "Hostname": "builder", "Labels": {"sdk": "python"}, **config},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "COPY", "comment": "buildkit"}],
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    ).encode()
    name = f"{hashlib.sha256(raw).hexdigest()}.json"
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    index = [{"Config": name, "RepoTags": [f"docker.io/{TAG}"], "Layers": names}]
    contents = {name: raw, "manifest.json": json.dumps(index).encode()}
    contents.update(zip(names, (gzip.compress(layer) if compressed else layer for layer in layers)))
    target.write_bytes(layer_of(contents))
    return target


def rewritten(saved: Path, target: Path, base_layers: int = 1) -> Path:
    with archive.opened(saved) as source:
        archive.write(target, source, base_layers, TAG, epoch=1_700_000_000)
    return target


BASE = layer_of({"etc/os-release": b"Debian"}, mtime=5)


def test_two_builds_of_the_same_content_give_the_same_bytes(tmp_path: Path) -> None:
    ours = {"workspace/a.py": b"1", "workspace/b.py": b"2"}
    first = saved_image(tmp_path / "1", [BASE, layer_of(ours, mtime=10)], created="2026-01-01T00:00:00Z")
    other_order = dict(reversed(ours.items()))
    later = layer_of(other_order, mtime=99, mode=0o664, owner="ci")
    second = saved_image(tmp_path / "2", [BASE, later], created="2026-02-02T00:00:00Z", compressed=True)
    one, two = (rewritten(saved, tmp_path / f"{saved.name}.plg") for saved in (first, second))
    assert one.read_bytes() == two.read_bytes()


def test_another_content_gives_other_bytes(tmp_path: Path) -> None:
    one, two = (
        rewritten(
            saved_image(tmp_path / content, [BASE, layer_of({"a": content.encode()})]), tmp_path / f"{content}.plg"
        )
        for content in ("1", "2")
    )
    assert one.read_bytes() != two.read_bytes()


def test_the_base_images_layers_stay_as_they_are_and_ours_lose_compiled_python(tmp_path: Path) -> None:
    ours = layer_of({"workspace/a.py": b"1", "workspace/__pycache__/a.cpython-313.pyc": b"x"})
    plg = rewritten(saved_image(tmp_path / "saved", [BASE, ours]), tmp_path / "out.plg")
    with archive.opened(plg) as image:
        assert image.tags == (TAG,)
        assert image.layers[0].read_bytes() == BASE
        with tarfile.open(image.layers[1]) as files:
            assert files.getnames() == ["workspace/a.py"]
            assert files.getmember("workspace/a.py").mtime == 1_700_000_000
        assert "Hostname" not in image.config["config"]
        assert image.config["history"] == [{"created": "2023-11-14T22:13:20Z", "created_by": "COPY"}]


@pytest.mark.parametrize("broken", ["config", "layer"])
def test_an_archive_that_is_not_what_its_index_says_is_refused(tmp_path: Path, broken: str) -> None:
    saved = saved_image(tmp_path / "saved", [BASE])
    with tarfile.open(saved) as old:
        contents = {entry.name: archive.member(old, entry.name).read() for entry in old}
    victim = "0/layer.tar" if broken == "layer" else next(name for name in contents if len(name) == 69)
    contents[victim] = contents[victim].replace(b"Debian", b"Ubuntu").replace(b"nobody", b"nobodY")
    saved.write_bytes(layer_of(contents))
    with pytest.raises(archive.BrokenArchive, match=broken), archive.opened(saved):
        pass


def test_an_archive_of_two_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "two").write_bytes(layer_of({"manifest.json": b"[{}, {}]"}))
    with pytest.raises(archive.BrokenArchive, match="2 images"), archive.opened(tmp_path / "two"):
        pass
