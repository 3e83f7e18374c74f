"""tools/plg_check.py: what does not belong into the artefact is found, whatever it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_tool_archive import BASE, TAG, layer_of, rewritten, saved_image

from tools import archive, plg_check

SPEC = b"name: haloitsm\nvendor: rapid7\nversion: 1.0.0\n"
PLUGIN = {
    "plugin.spec.yaml": SPEC,
    "workspace/plugin.spec.yaml": SPEC,
    "workspace/bin/komand_haloitsm": b"main()",
    "workspace/komand_haloitsm/util/api.py": b"",
    "workspace/build/lib/komand_haloitsm/util/api.py": b"",
    "workspace/haloitsm_rapid7_plugin.egg-info/PKG-INFO": b"",
}
SETTINGS = {"Entrypoint": plg_check.ENTRY_POINT, "Env": ["PYTHONPATH=/workspace:"]}


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin.spec.yaml").write_bytes(SPEC)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/base.txt").write_text("requests==2.0 \\\n    --hash=sha256:1\n")
    (tmp_path / "requirements/image.txt").write_text("requests==2.0 \\\n    --hash=sha256:1\nown-package==1.0\n")
    monkeypatch.setattr(plg_check, "ROOT", tmp_path)
    monkeypatch.setattr(plg_check, "read_spec", lambda: {"name": "haloitsm", "vendor": "rapid7", "version": "1.0.0"})


def problems(
    folder: Path,
    files: dict[str, bytes],
    release: bool = False,
    stand_in: bool = False,
    name: str = "",
    **settings: Any,
) -> list[str]:
    saved = saved_image(folder / "saved", [BASE, layer_of(files)], **{**SETTINGS, **settings})
    plg = rewritten(saved, folder / (name or ("out-standin.plg" if stand_in else "out.plg")))
    with archive.opened(plg) as image:
        below = image.digests[:1]
    facts = {"plg": archive.sha256(plg), "base_layers": below, "stand_in": stand_in, "tag": TAG, "base": "the base"}
    plg.with_suffix(".json").write_text(json.dumps(facts))
    return plg_check.check(plg, release)


def test_the_plugin_and_what_its_dockerfile_leaves_behind_are_accepted(tmp_path: Path) -> None:
    assert problems(tmp_path, PLUGIN) == []


@pytest.mark.parametrize(
    "name",
    [
        "workspace/tests/test_it.py",
        "workspace/halo_emulator/app.py",
        "workspace/.git/config",
        "workspace/.env",
        "workspace/komand_haloitsm/cache.json",
        "workspace/build/lib/halo_emulator/app.py",
        "workspace/rapid7_haloitsm_0.9.0.plg",
        "workspace/cache/state.json",
        "root/.cache/pip/http/1",
        "etc/ssl/certs/proxy.pem",
        "usr/lib/python3/dist-packages/extra.py",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, {**PLUGIN, name: b""}) == [f"/{name} does not belong into the image"]


SITE = "usr/local/lib/python3.13/site-packages"
PACKAGE = {
    f"{SITE}/own_package-1.0.dist-info/RECORD": b"own_package/a.py,,\nown_package-1.0.dist-info/RECORD,,\n../../../bin/own,,\n",
    f"{SITE}/own_package/a.py": b"",
    "usr/local/bin/own": b"",
}


def test_a_package_that_the_plugin_requires_is_accepted(tmp_path: Path) -> None:
    assert problems(tmp_path, {**PLUGIN, **PACKAGE}) == []


def test_what_no_required_package_lists_is_refused(tmp_path: Path) -> None:
    extra = {f"{SITE}/own_package/extra.py": b""}
    assert problems(tmp_path, {**PLUGIN, **PACKAGE, **extra}) == [
        f"/{SITE}/own_package/extra.py does not belong into the image"
    ]


def test_another_version_of_a_required_package_is_refused(tmp_path: Path) -> None:
    other = {name.replace("-1.0", "-1.1"): content for name, content in PACKAGE.items()}
    assert len(problems(tmp_path, {**PLUGIN, **other})) == len(PACKAGE)


def test_a_key_inside_the_code_is_found(tmp_path: Path) -> None:
    leak = {"workspace/komand_haloitsm/util/api.py": b"-----BEGIN " + b"RSA PRIVATE KEY-----"}
    assert problems(tmp_path, {**PLUGIN, **leak}) == [
        "/workspace/komand_haloitsm/util/api.py holds what looks like a key or a token"
    ]


def test_too_much_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {**PLUGIN, "workspace/komand_haloitsm/util/big.py": b"#" * plg_check.LARGEST})
    assert f"to the base image, more than {plg_check.LARGEST}" in problem


def test_another_spec_than_the_trees_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {**PLUGIN, "plugin.spec.yaml": SPEC + b"\n"})
    assert problem == "/plugin.spec.yaml is missing or is not the tree's"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"User": "root"}, "runs as 'root'"),
        ({"Entrypoint": ["sh"]}, "entry point"),
        ({"Env": []}, "PYTHONPATH"),
    ],
)
def test_another_user_entry_point_or_path_is_refused(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    (problem,) = problems(tmp_path, PLUGIN, **settings)
    assert words in problem


def test_the_stand_in_is_good_for_tests_and_not_for_release(tmp_path: Path) -> None:
    assert problems(tmp_path, PLUGIN, stand_in=True) == []
    (problem,) = problems(tmp_path, PLUGIN, stand_in=True, release=True)
    assert "must not be released" in problem


def test_the_mark_of_the_stand_in_counts_whatever_the_text_beside_it_says(tmp_path: Path) -> None:
    marked: dict[str, Any] = {"Labels": {"not-for-release": "stand-in"}}
    (problem,) = problems(tmp_path, PLUGIN, release=True, name="out-standin.plg", **marked)
    assert "must not be released" in problem


@pytest.mark.parametrize("stand_in", [True, False])
def test_a_name_that_hides_the_base_is_refused_also_when_nothing_is_released(tmp_path: Path, stand_in: bool) -> None:
    name = "out.plg" if stand_in else "out-standin.plg"
    (problem,) = problems(tmp_path, PLUGIN, stand_in=stand_in, name=name)
    base = "a stand-in for the base image" if stand_in else "Rapid7's base image"
    assert problem == f"it stands on {base}, and {name} does not say so"


def test_a_file_that_was_changed_after_its_export_is_refused(tmp_path: Path) -> None:
    problems(tmp_path, PLUGIN)
    plg = tmp_path / "out.plg"
    plg.write_bytes(plg.read_bytes() + b"\0")
    assert plg_check.check(plg, release=False) == [
        "it is not the file that the text beside it describes: export it again"
    ]
