"""tools/image.py, containers.py and sbom.py: what can be told without an image (make image-check builds one)."""

from pathlib import Path

import pytest
from test_tool_archive import layer_of

from tools.containers import Chroot, Docker, lay_over, numeric_user
from tools.image import Built, base_image, image_tag, timestamp
from tools.sbom import with_image
from tools.tree import ROOT, read_spec

SPEC = {"name": "haloitsm", "vendor": "rapid7", "version": "1.2.3", "description": "Tickets"}


def test_the_base_image_is_the_last_stages() -> None:
    dockerfile = "FROM --platform=linux/amd64 a/b:1 AS builder\nRUN x\nFROM --platform=linux/amd64 c/d:2\n"
    assert base_image(dockerfile) == "c/d:2"
    spec = read_spec()
    assert isinstance(spec["sdk"], dict)
    assert base_image((ROOT / "Dockerfile").read_text()).endswith(f":{spec['sdk']['version']}")


def test_the_tag_is_the_specs() -> None:
    assert image_tag(SPEC) == "rapid7/haloitsm:1.2.3"


def test_the_time_of_the_image_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    assert timestamp() == 12
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert timestamp() >= 0


def test_the_layers_are_read_from_the_tool_that_built(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text('#!/bin/sh\necho \'{"OCIv1": {"rootfs": {"diff_ids": ["sha256:1"]}}}\'\n')
    tool.chmod(0o755)
    assert Built((str(tool),), "t", "b", stand_in=True).layers("b") == ["sha256:1"]
    tool.write_text("#!/bin/sh\necho '[\"sha256:2\"]'\n")
    assert Built((str(tool),), "t", "b", stand_in=False).layers("b") == ["sha256:2"]


def test_a_layer_removes_what_its_markers_name_and_adds_the_rest(tmp_path: Path) -> None:
    root, layer = tmp_path / "root", tmp_path / "layer.tar"
    (root / "etc/old").mkdir(parents=True)
    (root / "etc/file").write_text("old")
    (root / "etc/kept").write_text("kept")
    layer.write_bytes(layer_of({"etc/.wh.old": b"", "etc/.wh.file": b"", "etc/.wh.none": b"", "etc/new": b"new"}))
    lay_over(root, layer)
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["kept", "new"]


def test_the_user_is_the_images_own() -> None:
    passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
    assert numeric_user("nobody", passwd) == "65534:65534"
    with pytest.raises(ValueError, match="no user plugin"):
        numeric_user("plugin", passwd)


def test_a_command_in_the_unpacked_root_gets_user_environment_and_folder(tmp_path: Path) -> None:
    place = Chroot(tmp_path, "65534:65534", ("PATH=/bin", "SSL_CERT_FILE=/ca"), "/workspace")
    command = place.command("python", "main")
    assert command[:3] == ["unshare", "--mount", "--"]
    assert command[-7:] == [
        str(tmp_path),
        "65534:65534",
        "/workspace",
        "PATH=/bin",
        "SSL_CERT_FILE=/ca",
        "python",
        "main",
    ]


def test_the_state_is_what_lies_in_the_cache_folder(tmp_path: Path) -> None:
    (tmp_path / "workspace/cache").mkdir(parents=True)
    (tmp_path / "workspace/cache/1.json").write_text("{}")
    (tmp_path / "workspace/cache/1.json").chmod(0o600)
    (state,) = Chroot(tmp_path, "0:0", (), "/").state()
    assert (state.name, state.content, state.mode) == ("1.json", b"{}", 0o600)


def test_a_command_in_docker_keeps_its_input_and_its_cache() -> None:
    command = Docker("rapid7/haloitsm:1.2.3", "volume").command("python", "main", "run")
    assert command[-4:] == ["--entrypoint=python", "rapid7/haloitsm:1.2.3", "main", "run"]
    assert {"--interactive", "--init", "--network=host", "--volume=volume:/workspace/cache"} < set(command)


def test_the_bill_of_materials_names_the_plugin_and_what_is_not_itemised() -> None:
    bill = with_image(
        {"specVersion": "1.6", "components": [{"bom-ref": "r", "name": "requests"}]}, SPEC, "rapid7/base:6.6.0"
    )
    assert bill["metadata"]["component"]["name"] == "rapid7/haloitsm"
    assert [component["name"] for component in bill["components"]] == ["rapid7/base", "requests"]
    assert bill["components"][0]["properties"][0]["name"] == "not-itemised"
    assert bill["dependencies"][0] == {"ref": "plugin", "dependsOn": ["base-image", "r"]}
