"""Guards that the client stands alone: what it imports, and that nothing of InsightConnect's runtime comes with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTIL = ROOT / "komand_haloitsm" / "util"
CLIENT = UTIL / "halo"
THIRD_PARTY = {"requests", "urllib3", "orjson"}

FILES = sorted(CLIENT.rglob("*.py"))


def imported(path: Path) -> list[tuple[int, str]]:
    """The imports of a file: how many folders up (0 for an absolute one), and the module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


def test_there_is_a_client_to_look_at():
    assert len(FILES) > 20 and any(
        "requests" in imported(path)[i] for path in FILES for i in range(len(imported(path)))
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CLIENT).as_posix())
def test_a_file_of_the_client_imports_the_client_the_standard_library_and_requests(path):
    depth = len(path.relative_to(CLIENT).parts)
    for level, module in imported(path):
        name = module.partition(".")[0]
        if level:
            assert level <= depth, f"{module} is outside of the client"
        else:
            assert name in sys.stdlib_module_names | THIRD_PARTY, f"{module} is neither standard nor requests"


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("halo", ("events", "insightconnect", "api")), ("events", ("insightconnect", "api"))],
    ids=["the client knows nothing above it", "events know nothing of the runtime"],
)
def test_imports_point_one_way(lower, higher):
    for path in sorted((UTIL / lower).rglob("*.py")):
        depth = len(path.relative_to(UTIL).parts)
        for level, module in imported(path):
            target = module.partition(".")[0]
            assert not (level == depth and target in higher), f"{path.name} imports {module}"
            assert target not in ("insightconnect_plugin_runtime", "komand_haloitsm"), f"{path.name} imports {module}"


def test_importing_the_client_does_not_load_the_runtime():
    # The client is imported as it is installed: by itself, not as a part of the plugin.
    code = (
        "import sys; sys.path.insert(0, 'haloitsm_client/src'); import haloitsm_client; "
        "import haloitsm_client.changes, haloitsm_client.webhook; "
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('insightconnect_plugin_runtime', 'komand_haloitsm', 'flask', 'gunicorn', 'jsonschema')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
