"""Imports of the service point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "remediation"
# Each may import itself and what stands to its right, and the modules beside the folders.
ORDER = ("cli", "web", "jobs", "investigations", "tickets", "enrichment", "sources", "store", "domain")
# Beside the folders, these know nothing but themselves.
BESIDE = {path.stem for path in PACKAGE.glob("*.py")}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """The parts of the service that a module imports, also within its functions: folders, or modules beside them."""
    package = ("remediation", *file.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            whole = ".".join((*base, *([node.module] if node.module else [])))
            names = [f"{whole}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "remediation" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = set(ORDER[ORDER.index(own) :]) | BESIDE if own in ORDER else BESIDE
    # Sources, feeds and tickets know nothing of each other, but for how a source's answer is read and refused.
    if own == "tickets":
        allowed -= {"sources", "enrichment"}
    assert set(imported(file)) <= allowed, file


def test_the_domain_knows_no_framework_and_no_network() -> None:
    for file in (PACKAGE / "domain").glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) if not node.level}
        outside = {module.split(".")[0] for module in modules}
        assert not outside & {"django", "requests", "haloitsm_client", "psycopg", "time", "random", "os"}, file
