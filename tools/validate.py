"""Run every validator of Rapid7's package, unmodified, on the folder that make plugin writes.

`insight-plugin validate` exits 0 whatever it finds and gives up where the internet is missing. Here all rules run, the
default ones and those of --all, and a failure is exit code 1. Only the look-ups that leave the machine are answered
locally, and each of them is named in the output, because it is what this run did not prove.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import requests
from icon_validator.rules import JENKINS_VALIDATORS, VALIDATORS
from icon_validator.validate import validate

from tools import plugin_folder
from tools.image import has_engine
from tools.tree import ROOT, read_spec

# validators 2.47.35: 35 by default and 7 more with --all. Fewer means that some were lost on the way.
KNOWN_VALIDATORS = 42
NEEDS_ENGINE = "DockerValidator"


class LocalAnswers:
    """Stands in for the internet: answers the known look-ups from the spec, refuses any other, remembers them all."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.given: dict[str, str] = {}

    def get(self, url: str, **_: Any) -> requests.Response:
        """Rapid7's extension library: is this version published, and which keywords does the library know?"""
        if "/public/extensions/" in url:
            self.given["extension library"] = "this plugin is not published there yet, so any version may be released"
            return response(404, {})
        if "/public/tags" in url:
            self.given["extension library's keywords"] = "it knows the keywords of the spec"
            known = [{"type": "keyword", "name": keyword} for keyword in self.spec["hub_tags"]["keywords"]]
            return response(200, {"results": known, "pageInfo": {"hasNextPage": False}})
        raise requests.ConnectionError(f"not answered locally: {url}")

    def request(self, method: str, url: str, **_: Any) -> requests.Response:
        """Docker Hub: which are the newest tags of the base image?"""
        if method == "GET" and "insightconnect-python-3" in url:
            version = self.spec["sdk"]["version"]
            self.given["Docker Hub's tags of the base image"] = f"{version} is among the newest"
            return response(200, {"results": [{"name": version}]})
        raise requests.ConnectionError(f"not answered locally: {method} {url}")

    def connection(self, host: str, **_: Any) -> LocalAnswers.Page:
        """Any web page that the spec or the help links to (only warned about, never a failure)."""
        self.given[f"link to {host}"] = "the page exists"
        return self.Page()

    class Page:
        """The part of http.client.HTTPConnection that the link checker uses."""

        status = 200

        def request(self, method: str, path: str) -> None:
            """Nothing is sent."""

        def getresponse(self) -> LocalAnswers.Page:
            """The page is its own answer."""
            return self

        def close(self) -> None:
            """Nothing is open."""


def response(status: int, payload: dict[str, Any]) -> requests.Response:
    """A real Response, filled by hand."""
    answer = requests.Response()
    answer.status_code = status
    answer._content = json.dumps(payload).encode()  # pylint: disable=protected-access  # it has no public setter
    return answer


def git(folder: Path, *arguments: str) -> str:
    """Run git without anybody's identity, hooks or signing keys."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    person = {
        f"GIT_{role}_{field}": "validate@localhost" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **settings, **person},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def last_release(version: str) -> str | None:
    """The newest release tag of another version, to compare the spec with; a shallow clone has none."""
    tags = git(ROOT, "tag", "--list", "v[0-9]*", "--sort=-version:refname").split()
    return next((tag for tag in tags if tag != f"v{version}"), None)


def stage(repository: Path, spec: dict[str, Any]) -> Path:
    """Lay the plugin out as in Rapid7's repository, whose origin/master holds the last release; returns its folder.

    The version validator compares with that release there, which is how it knows whether the version was raised enough.
    """
    plugin = repository / "plugins" / str(spec["name"])
    plugin.mkdir(parents=True)
    git(repository, "init", "--quiet")
    release = last_release(str(spec["version"]))
    if release:
        (plugin / "plugin.spec.yaml").write_text(git(ROOT, "show", f"{release}:plugin.spec.yaml"), encoding="utf-8")
        git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", f"as of {release or 'before the first release'}")
    git(repository, "remote", "add", "origin", str(repository))
    git(repository, "update-ref", "refs/remotes/origin/master", "HEAD")
    plugin_folder.write(plugin)
    print(f"Version compared with: {release or 'nothing, no earlier release tag is known here'}")
    return plugin


def recorded(validators: Iterable[Any], names: list[str]) -> Iterator[Any]:
    """Hand the validators out one by one and note which were really asked for."""
    for validator in validators:
        names.append(validator.name)
        yield validator


def report(status: int, known: list[str], ran: list[str], left_out: list[str], answers: LocalAnswers) -> int:
    """Say what ran and what was answered locally; the exit code."""
    print("\nLook-ups answered on this machine, so not checked against the internet:")
    for question, answer in answers.given.items():
        print(f"  {question}: {answer}")
    for name in left_out:
        print(f"{name} did not run: no docker engine answers here (make image-check builds and runs the image instead)")
    print(f"{len(ran)} of {len(known)} validators ran.")
    if len(known) < KNOWN_VALIDATORS or len(ran) + len(left_out) != len(known):
        print(f"FAILED: {KNOWN_VALIDATORS} validators are known, some were lost")
        return 1
    print("FAILED: see the causes above" if status else "OK: every validator that ran is satisfied")
    return 1 if status else 0


def main() -> int:
    """Entry point; returns the exit code."""
    spec: dict[str, Any] = read_spec()
    answers = LocalAnswers(spec)
    known = [*VALIDATORS, *JENKINS_VALIDATORS]
    left_out = [] if has_engine() else [NEEDS_ENGINE]
    chosen = [validator for validator in known if validator.name not in left_out]
    ran: list[str] = []
    run: Callable[..., int] = validate
    with tempfile.TemporaryDirectory() as temporary:
        plugin = stage(Path(temporary), spec)
        os.chdir(plugin)
        with (
            patch("requests.get", answers.get),
            patch("requests.request", answers.request),
            patch.object(http.client, "HTTPConnection", answers.connection),
        ):
            status = run(str(plugin), validators=recorded(chosen, ran))
        os.chdir(ROOT)
    return report(status, [validator.name for validator in known], ran, left_out, answers)


if __name__ == "__main__":
    sys.exit(main())
