"""Install the client by itself into an empty environment, and create a ticket with it in the emulator.

python -m tools.client_check        (make client-check)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from halo_emulator import HaloEmulator
from tools.tree import ROOT

USE = """
import sys
from haloitsm_client import HaloClient

halo = HaloClient(client_id=sys.argv[1], client_secret=sys.argv[2], auth_server=sys.argv[3], resource_server=sys.argv[4])
ticket = halo.create_ticket({"summary": "made by the client alone", "details": "d", "tickettype_id": 1})
assert halo.get_ticket(ticket["id"])["summary"] == "made by the client alone"
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"insightconnect_plugin_runtime", "komand_haloitsm"}, "more than the client was loaded"
print(ticket["id"], len(sys.modules))
"""


def main() -> int:
    """Entry point; returns the exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        # A copy, because pip leaves a build folder beside the source; both folders, because one links into the other.
        for name in ("haloitsm_client", "komand_haloitsm/util/halo"):
            shutil.copytree(ROOT / name, Path(temporary, name), symlinks=True)
        environment = Path(temporary, "environment")
        venv.create(environment, with_pip=True)
        python = str(environment / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "./haloitsm_client"]
        subprocess.run(install, cwd=temporary, check=True)
        with HaloEmulator() as halo:
            given = (halo.client_id, halo.client_secret, halo.auth_server, halo.resource_server)
            done = subprocess.run(
                [python, "-I", "-c", USE, *given], cwd=temporary, stdout=subprocess.PIPE, text=True, check=True
            )
            number, modules = done.stdout.split()
            made = int(number) in halo.tickets
    if not made:
        print(f"FAILED: ticket {number} is not in the emulator")
        return 1
    print(f"OK: haloitsm_client, installed by itself, created ticket {number} ({modules} modules loaded)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
