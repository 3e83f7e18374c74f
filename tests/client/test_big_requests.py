"""Guards a request that is too big for what stands before Halo: its connection is reset while its body is sent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest
from fast_client import NEW, fast_client, made, outcome

from halo_emulator import HaloEmulator

LIMIT = 1_000_000
BIG = {**NEW, "details": "A" * 10_000_000}
# SO_LINGER of no time: closing resets the connection.
AT_ONCE = struct.pack("ii", 1, 0)


class Relay:
    """Passes bytes between a client and Halo; resets its first connections that carry a megabyte to Halo."""

    def __init__(self, halo: HaloEmulator, resets: int) -> None:
        self.resets_left = resets
        self.resets = 0
        self._halo = urlsplit(halo.resource_server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.address = self._halo._replace(netloc=f"127.0.0.1:{port}").geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._halo.hostname, self._halo.port))
                threading.Thread(target=self._to_halo, args=(client, server), daemon=True).start()
                threading.Thread(target=self._to_client, args=(server, client), daemon=True).start()

    def _to_halo(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := client.recv(65536):
                passed += len(data)
                if passed > LIMIT and self.resets_left:
                    self.resets_left -= 1
                    self.resets += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    client.close()
                    break
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    @staticmethod
    def _to_client(server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(name="relay", params=[1, 100], ids=["once", "always"])
def _relay(halo: HaloEmulator, request: pytest.FixtureRequest) -> Iterator[Relay]:
    with closing(Relay(halo, request.param)) as relay:
        yield relay


@pytest.mark.parametrize("reference", ["INV-1", ""], ids=["reference", "no reference"])
@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_a_body_of_10_mb_that_is_reset_at_1_mb_makes_one_ticket_or_an_error_that_says_so(halo, relay, kept, reference):
    halo.keeps_external_id = kept
    client = fast_client(halo, resource_server=relay.address, read_timeout=5)
    create = (
        (lambda: client.create_ticket_once(BIG, reference)[0]) if reference else (lambda: client.create_ticket(BIG))
    )
    result = outcome(create)
    if relay.resets_left:
        assert made(halo) == [] and "may exist" in f"{result.cause} {result.assistance}"
    else:
        assert made(halo) == [result]
    assert 1 <= relay.resets <= 2
