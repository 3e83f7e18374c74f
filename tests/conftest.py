"""What the plugin's tests share: an emulated HaloITSM for each test, connections to it, and the real entry point."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from entry_point import PluginServer
from steps import connected, connection_to, new_halo, run_action

from halo_emulator import HaloEmulator
from komand_haloitsm.connection import Connection
from komand_haloitsm.util.halo.tickets import exactly_once


@pytest.fixture(scope="session", autouse=True)
def loopback_without_proxy() -> Iterator[None]:
    """A proxy of the machine is not asked for what is on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,.invalid"])))
        yield


@pytest.fixture(scope="session", autouse=True)
def workspace_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The runtime's folders, away from /workspace. Instances and connections are told apart by the names of files."""
    root = tmp_path_factory.mktemp("workspace")
    for folder in ("cache", "tmp"):
        (root / folder).mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALOITSM_WORKSPACE", str(root))
        yield root


@pytest.fixture(autouse=True)
def as_a_new_process() -> None:
    """What this process knows of Halos is kept by their addresses, and the next test may get a port of the last one."""
    exactly_once._REGISTRIES.clear()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody has signed but itself, and its key, as files."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=test"]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="session")
def stopping() -> Iterator[ThreadPoolExecutor]:
    """Stops emulators while the next test runs already: it takes as long as a test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def halo(stopping: ThreadPoolExecutor) -> Iterator[HaloEmulator]:
    """A HaloITSM of the test's own."""
    running = new_halo()
    yield running
    running.clear_faults()
    stopping.submit(running.stop)


@pytest.fixture
def connection_params(halo: HaloEmulator) -> dict[str, Any]:
    """The parameters of a connection to `halo`."""
    return connection_to(halo)


@pytest.fixture
def connection(connection_params: dict[str, Any]) -> Connection:
    """A Connection to `halo`, outside the runtime."""
    return connected(connection_params)


@pytest.fixture
def run(connection: Connection) -> Callable[..., dict[str, Any]]:
    """Runs an action by name with its inputs, in this process; the output has passed its schema."""
    return lambda name, **given: run_action(connection, name, **given)


@pytest.fixture(scope="session")
def plugin_server(loopback_without_proxy: None, workspace_of_the_tests: Path) -> Iterator[PluginServer]:
    """The plugin as HTTP server, one for all tests."""
    server = PluginServer()
    yield server
    server.stop()
