"""Write the software bill of materials of the image in CycloneDX form: dist/VENDOR_NAME_VERSION.cdx.json (make sbom).

It lists the Python packages, with hashes, that requirements/image.txt locks: the runtime that Rapid7's base image
brings with all it needs, and the plugin's own dependencies. The base image's Debian packages are Rapid7's to list; the
image is named as a component, and a property says what is not itemised.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.image import base_image
from tools.tree import ROOT, read_spec


def python_packages() -> dict[str, Any]:
    """What cyclonedx-py makes of the lock, without times and random numbers."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    lock = ROOT / "requirements" / "image.txt"
    command = [str(tool), "requirements", "--output-reproducible", "--validate", str(lock)]
    bill: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return bill


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
    components = [below, *bill.get("components", [])]
    needs = {"ref": "plugin", "dependsOn": sorted(component["bom-ref"] for component in components)}
    others = [entry for entry in bill.get("dependencies", []) if entry["ref"] != "plugin"]
    metadata = {**bill.get("metadata", {}), "component": subject}
    return {**bill, "metadata": metadata, "components": components, "dependencies": [needs, *others]}


def main() -> int:
    """Entry point; returns the exit code."""
    spec: dict[str, Any] = read_spec()
    bill = with_image(python_packages(), spec, base_image((ROOT / "Dockerfile").read_text(encoding="utf-8")))
    target = ROOT / "dist" / f"{spec['vendor']}_{spec['name']}_{spec['version']}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: CycloneDX {bill['specVersion']}, {len(bill['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
