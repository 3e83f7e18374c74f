"""Build the plugin's image from the generated Dockerfile: with docker where an engine answers, else with buildah.

    python -m tools.image        build, and say on which base (make image)

Both read the Dockerfile as it is. Without an engine the base image cannot be pulled, so buildah builds on the stand-in
that tools/standin_base.sh makes; what comes of that is for checking, not for release.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.tree import ROOT, read_spec

# The exit code for "the distribution's packages for this cannot be had here", as in automake.
SKIP = 77
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Built:
    """An image in the storage of the tool that built it."""

    tool: tuple[str, ...]  # the command line that reaches the storage
    tag: str  # vendor/name:version
    base: str
    stand_in: bool

    def layers(self, image: str) -> list[str]:
        """Digests of an image's layers, lowest first."""
        if self.stand_in:
            answer = output(*self.tool, "inspect", "--type", "image", image)
            return [str(digest) for digest in json.loads(answer)["OCIv1"]["rootfs"]["diff_ids"]]
        answer = output(*self.tool, "image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
        return [str(digest) for digest in json.loads(answer)]

    def save(self, target: Path) -> None:
        """Write the image as a docker archive."""
        if self.stand_in:
            run(
                *self.tool, "push", "--quiet", "--format", "v2s2", full(self.tag), f"docker-archive:{target}:{self.tag}"
            )
        else:
            run(*self.tool, "save", "--output", str(target), self.tag)


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run a command to its end; its output goes where ours goes, ours first."""
    sys.stdout.flush()
    subprocess.run(command, stdin=subprocess.DEVNULL, env=env, check=True)


def output(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout


def has_engine() -> bool:
    """Whether a docker engine answers; the client alone builds nothing."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def full(tag: str) -> str:
    """A tag as buildah has to have it to give the image no second name under localhost/."""
    return f"docker.io/{tag}"


def image_tag(spec: dict[str, Any]) -> str:
    """The one tag of the image: vendor/name:version."""
    return f"{spec['vendor']}/{spec['name']}:{spec['version']}"


def base_image(dockerfile: str) -> str:
    """The image that the last stage of the Dockerfile stands on."""
    return str(re.findall(r"^FROM (?:--platform=\S+ )?(\S+)", dockerfile, re.MULTILINE)[-1])


def timestamp() -> int:
    """The time that everything in the image carries: of the last commit, or as SOURCE_DATE_EPOCH says."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout or 0)  # no commit yet


def build() -> Built:
    """Build the image; exits with SKIP where neither docker nor the packages for buildah can be had."""
    tag = image_tag(read_spec())
    base = base_image((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    if has_engine():
        # Pulled by name, for its list of layers to be known; BuildKit alone would keep them to itself. Attestations
        # would be further images in the archive.
        run("docker", "pull", "--quiet", "--platform", "linux/amd64", base)
        settings = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        run("docker", "build", "--no-cache", "--tag", tag, str(ROOT), env={**os.environ, **settings})
        return Built(("docker",), tag, base, stand_in=False)
    made = subprocess.run(
        [str(ROOT / "tools" / "standin_base.sh"), full(base)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if made.returncode:
        raise SystemExit(made.returncode)
    built = Built(tuple(made.stdout.split("\n")[:-1]), tag, base, stand_in=True)
    authorities = os.environ.get("SSL_CERT_FILE", CA_BUNDLE)
    run(
        *built.tool,
        *("bud", "--quiet", "--isolation", "chroot", "--pull-never", "--format", "docker"),
        *("--timestamp", str(timestamp()), "--volume", f"{authorities}:{CA_BUNDLE}:ro"),
        *("--tag", full(tag), str(ROOT)),
    )
    run(*built.tool, "rmi", "--prune")  # the builder stage and the image that had the tag before
    return built


def main() -> int:
    """Entry point; returns the exit code."""
    built = build()
    print(f"{built.tag} built on {built.base}")
    if built.stand_in:
        print("NOT FOR RELEASE: that base is a stand-in, because no docker engine answers here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
