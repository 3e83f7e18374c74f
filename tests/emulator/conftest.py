"""A running emulator for each test, and a client of it that knows nothing of the plugin."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from halo_emulator import HaloEmulator


class Client:
    """Requests with a bearer."""

    def __init__(self, halo: HaloEmulator) -> None:
        self.halo = halo
        self.session = requests.Session()
        self.session.trust_env = False

    def token(self, scope: str = "all", **more: Any) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.halo.client_id,
            "client_secret": self.halo.client_secret,
            "scope": scope,
            **more,
        }
        return self.session.post(self.halo.auth_server + "/token", data=form, timeout=5)

    def log_in(self, scope: str = "all") -> "Client":
        self.session.headers["Authorization"] = "Bearer " + self.token(scope).json()["access_token"]
        return self

    def get(self, path: str, timeout: float = 5, **query: Any) -> requests.Response:
        return self.session.get(self.halo.resource_server + path, params=query, timeout=timeout)

    def post(self, path: str, body: Any, timeout: float = 5, **query: Any) -> requests.Response:
        return self.session.post(self.halo.resource_server + path, json=body, params=query, timeout=timeout)

    def delete(self, path: str, **query: Any) -> requests.Response:
        return self.session.delete(self.halo.resource_server + path, params=query, timeout=5)

    def ids(self, **query: Any) -> list[int]:
        return [row["id"] for row in self.get("/Tickets", **query).json()["tickets"]]


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def api(halo: HaloEmulator) -> Iterator[Client]:
    client = Client(halo).log_in()
    yield client
    client.session.close()


class Receiver:
    """Takes webhook deliveries and keeps their raw bodies and headers."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[bytes, dict[str, str]]] = []
        kept = self.deliveries

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                kept.append((raw, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.stop()
