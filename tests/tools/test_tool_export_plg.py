"""tools/export_plg.py: the file's name says what it stands on. The tool that builds images is a script of the test's."""

import json
import shutil
from pathlib import Path

import pytest
from test_tool_archive import BASE, layer_of, saved_image

from tools import archive, export_plg
from tools.image import Built

RELEASE = ["rapid7_haloitsm_1.0.0.json", "rapid7_haloitsm_1.0.0.plg"]
STAND_IN = [
    "rapid7_haloitsm_1.0.0-standin.NOT-FOR-RELEASE.txt",
    "rapid7_haloitsm_1.0.0-standin.json",
    "rapid7_haloitsm_1.0.0-standin.plg",
]


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for artefacts of a tree, in which tool/ stands for docker and buildah."""
    saved = saved_image(tmp_path / "saved", [BASE, layer_of({"workspace/a.py": b"1"})])
    with archive.opened(saved) as opened:
        base = opened.digests[0]
    docker = f"""#!/bin/sh
case "$1" in
inspect) echo '{{"OCIv1": {{"rootfs": {{"diff_ids": ["{base}"]}}}}}}' ;;
image) echo '["{base}"]' ;;
save) cp {saved} "$3" ;;
push) target=${{6#docker-archive:}}; cp {saved} "${{target%%:*}}" ;;
esac
"""
    (tmp_path / "tool").write_text(docker)
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.setattr(export_plg, "ROOT", tmp_path)
    monkeypatch.setattr(export_plg, "read_spec", lambda: {"name": "haloitsm", "vendor": "rapid7", "version": "1.0.0"})
    return tmp_path / "dist"


def export(dist: Path, monkeypatch: pytest.MonkeyPatch, stand_in: bool) -> list[str]:
    built = Built((str(dist.parent / "tool"),), "rapid7/haloitsm:1.0.0", "base:1", stand_in=stand_in)
    monkeypatch.setattr(export_plg, "build", lambda: built)
    assert export_plg.main(["--twice"]) == 0
    return sorted(path.name for path in dist.iterdir())


@pytest.mark.parametrize("stand_in", [True, False])
def test_only_what_stands_on_the_base_image_has_a_releases_name(
    dist: Path, monkeypatch: pytest.MonkeyPatch, stand_in: bool
) -> None:
    names = STAND_IN if stand_in else RELEASE
    assert export(dist, monkeypatch, stand_in) == names
    plg = export_plg.exported()
    assert plg == dist / names[-1]
    facts = json.loads(plg.with_suffix(".json").read_text())
    assert facts["stand_in"] is stand_in and facts["plg"] == archive.sha256(plg)


@pytest.mark.parametrize(("stand_in", "names"), [(True, STAND_IN), (False, RELEASE)])
def test_an_export_takes_the_place_of_the_one_before(
    dist: Path, monkeypatch: pytest.MonkeyPatch, stand_in: bool, names: list[str]
) -> None:
    export(dist, monkeypatch, not stand_in)
    assert export(dist, monkeypatch, stand_in) == names


def test_what_is_not_there_or_there_twice_is_not_checked(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no .plg of this version"):
        export_plg.exported()
    export(dist, monkeypatch, stand_in=True)
    shutil.copy(dist / STAND_IN[-1], dist / RELEASE[-1])
    with pytest.raises(SystemExit, match="are both in dist"):
        export_plg.exported()
