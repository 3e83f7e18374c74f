"""tools/validate.py: only known look-ups are answered, all are named, and a lost validator is a failure.

The validators themselves are in another environment than the tests' (make validate runs them), so two empty modules
stand in for their package here.
"""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests

SPEC: dict[str, Any] = {
    "name": "haloitsm",
    "version": "1.1.0",
    "sdk": {"version": "6.6.0"},
    "hub_tags": {"keywords": ["itsm"]},
}


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, on a package of validators without any."""
    rules, run = ModuleType("icon_validator.rules"), ModuleType("icon_validator.validate")
    rules.VALIDATORS, rules.JENKINS_VALIDATORS, run.validate = [], [], lambda *_, **__: 0  # type: ignore[attr-defined]
    for module in (ModuleType("icon_validator"), rules, run):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "tools.validate", raising=False)
    return importlib.import_module("tools.validate")


def test_the_known_look_ups_are_answered_and_named(validate: Any) -> None:
    answers = validate.LocalAnswers(SPEC)
    assert answers.get("https://x/v2/public/extensions/haloitsm").status_code == 404
    assert answers.get("https://x/v2/public/tags?first=1").json()["results"] == [{"type": "keyword", "name": "itsm"}]
    tags = answers.request("GET", "https://x/repositories/rapid7/insightconnect-python-3-slim-plugin/tags")
    assert tags.json() == {"results": [{"name": "6.6.0"}]}
    page = answers.connection("haloitsm.com", timeout=5, port=80)
    page.request("HEAD", "/")
    assert page.getresponse().status == 200
    page.close()
    assert sorted(answers.given) == [
        "Docker Hub's tags of the base image",
        "extension library",
        "extension library's keywords",
        "link to haloitsm.com",
    ]


def test_any_other_look_up_is_refused(validate: Any) -> None:
    answers = validate.LocalAnswers(SPEC)
    with pytest.raises(requests.ConnectionError, match="elsewhere"):
        answers.get("https://elsewhere/")
    with pytest.raises(requests.ConnectionError, match="POST"):
        answers.request("POST", "https://x/insightconnect-python-3-slim-plugin")


@pytest.mark.parametrize(
    ("status", "known", "ran", "left_out", "code"),
    [
        (0, 42, 42, 0, 0),
        (0, 42, 41, 1, 0),
        (1, 42, 42, 0, 1),
        (0, 41, 41, 0, 1),
        (0, 42, 40, 1, 1),
    ],
)
def test_failed_and_lost_validators_fail(
    validate: Any, status: int, known: int, ran: int, left_out: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = validate.LocalAnswers(SPEC)
    answers.connection("haloitsm.com")
    names = ["v"] * known
    assert validate.report(status, names, names[:ran], names[:left_out], answers) == code
    said = capsys.readouterr().out
    assert f"{ran} of {known} validators ran" in said and "link to haloitsm.com" in said


def test_what_ran_is_recorded(validate: Any) -> None:
    names: list[str] = []
    validators = validate.recorded([SimpleNamespace(name="A"), SimpleNamespace(name="B")], names)
    next(validators)
    assert names == ["A"]


def test_the_version_is_compared_with_the_last_release(
    validate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "plugin.spec.yaml").write_text("version: 1.0.0\n")
    validate.git(root, "init", "--quiet")
    validate.git(root, "add", "--all")
    validate.git(root, "commit", "--quiet", "--message", "1.0.0")
    for tag in ("v0.9.0", "v1.0.0", "v1.1.0"):
        validate.git(root, "tag", tag)
    monkeypatch.setattr(validate, "ROOT", root)
    monkeypatch.setattr(validate.plugin_folder, "write", lambda folder: (folder / "help.md").write_text(""))
    repository = tmp_path / "repository"
    repository.mkdir()
    assert validate.stage(repository, SPEC) == repository / "plugins/haloitsm"
    stated = subprocess.run(
        ["git", "show", "origin/master:plugins/haloitsm/plugin.spec.yaml"],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert stated.stdout == "version: 1.0.0\n"
