"""docs/set-up-haloitsm.md: what it tells people to type works, and the lists that it names have the ids."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from halo_emulator import HaloEmulator
from tools.tree import ROOT

GUIDE = (ROOT / "docs/set-up-haloitsm.md").read_text(encoding="utf-8")
COMMANDS = "".join(re.findall(r"```\n(.*?)```", GUIDE, re.DOTALL))
# The list of the API and its field, from the table of ids; those within a ticket have no list.
LISTS = re.findall(r"^\|[^|]+\|[^|]+\| `(\w+)(?:\?[^`]*)?` \| `(\w+)`", GUIDE, re.MULTILINE)


@pytest.fixture(scope="module")
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as emulator:
        yield emulator


def test_the_table_names_the_list_of_every_id() -> None:
    assert [name for name, _ in LISTS] == [
        *("TicketType", "Status", "Priority", "Category", "Team", "Agent", "Client", "Site", "Users", "Outcome")
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide's commands need curl")
@pytest.mark.parametrize(("name", "field"), LISTS)
def test_the_commands_show_the_ids_of_a_list(halo: HaloEmulator, name: str, field: str) -> None:
    variables = {
        "HALO_AUTH_SERVER": halo.auth_server,
        "HALO_RESOURCE_SERVER": halo.resource_server,
        "HALO_CLIENT_ID": halo.client_id,
        "NO_PROXY": "127.0.0.1",
    }
    assert "/TicketType" in COMMANDS
    done = subprocess.run(
        ["bash", "-c", COMMANDS.replace("/TicketType", f"/{name}")],
        input=halo.client_secret + "\n",
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    rows = answer if isinstance(answer, list) else answer[name.lower() + "s" if name != "Users" else "users"]
    assert rows and all(field in row for row in rows)
    assert all(request.method == "GET" for request in halo.requests if "token" not in request.path)
