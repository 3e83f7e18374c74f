"""A loopback server that answers as no Halo would, and a program that calls it in a process of its own.

Run as a program (``python hostile.py``), this file makes one call with the client, and prints how the call ended and
how much memory it took. The program's clock may run too fast, so that a minute passes in a second. An alarm ends it
when the call hangs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "bearer-of-the-hostile-tests"

Behaviour = Callable[[socket.socket, bytes], None]


def http(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """An answer, complete."""
    fields = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return (f"HTTP/1.1 {status}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields.items()) + "\r\n").encode() + body


def says(answer: bytes) -> Behaviour:
    """Always the same answer."""
    return lambda connection, _: connection.sendall(answer)


GIVES_A_TOKEN = says(http(json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode()))


def endless(head: bytes, piece: bytes, *, pause: float = 0.0, times: int | None = None) -> Behaviour:
    """Sends ``head`` and then ``piece``, for ever or so many times. Ends when the client has disconnected."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head)
        left = times
        while left is None or left > 0:
            connection.sendall(piece)
            left = None if left is None else left - 1
            if pause:
                time.sleep(pause)

    return behave


class HostileServer:
    """Answers requests for a token with ``token`` and all others with ``api``; keeps every request."""

    def __init__(self, api: Behaviour, token: Behaviour = GIVES_A_TOKEN, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._api, self._token, self._tls = api, token, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(20)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := _read(connection):
                self.requests.append(request)
                answer = self._token if b"/auth/token" in request.split(b"\r\n", 1)[0] else self._api
                answer(connection, request)
        except OSError:
            pass
        finally:
            connection.close()

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """The parameters of a connection to this server."""
        return {
            "client_id": {"secretKey": "client-id-of-the-hostile-tests"},
            "client_secret": {"secretKey": "client-secret-of-the-hostile-tests"},
            "authorization_server": f"{self.url}/auth",
            "resource_server": f"{self.url}/api",
            **changes,
        }


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(1 << 20)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = [line.split(b":", 1) for line in head.split(b"\r\n")[1:]]
    length = next((int(field[1]) for field in fields if field[0].lower() == b"content-length"), 0)
    while len(body) < length and (piece := connection.recv(1 << 20)):
        body += piece
    return head + b"\r\n\r\n" + body


# Taken once: pytest changes its own while threads start these processes.
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}


class Hangs(Exception):
    """The call did not end by itself."""


def called(url: str, method: str, given: tuple[Any, ...], *, speed: int, patience: int) -> dict[str, Any]:
    """How a call of the client's ``method`` ends in a process of its own, whose clock runs ``speed`` times too fast.

    Raises Hangs when it has not ended after ``patience`` seconds.
    """
    done = subprocess.run(
        [sys.executable, __file__, url, method, json.dumps(given), str(speed), str(patience)],
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
        timeout=60,
        check=False,
    )
    if done.returncode == -signal.SIGALRM:
        raise Hangs(f"{method} still ran after {patience} seconds")
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def _peak() -> int:
    """The most memory that this process has ever had, in MiB (the kernel's ru_maxrss counts the parent's as well)."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))[0]) // 1024


def _call(url: str, method: str, given: list[Any], speed: int, patience: int) -> dict[str, Any]:
    from komand_haloitsm.util.api import HaloITSMAPI
    from komand_haloitsm.util.halo.http import deadline as bounded
    from komand_haloitsm.util.insightconnect.errors import HaloITSMError

    patient = bounded.DeadlineWatcher.__init__
    bounded.DeadlineWatcher.__init__ = lambda self, seconds: patient(self, seconds / speed)
    client = HaloITSMAPI(
        client_id="client-id-of-the-hostile-tests",
        client_secret="client-secret-of-the-hostile-tests",
        auth_server=f"{url}/auth",
        resource_server=f"{url}/api",
        connect_timeout=1.0,
        read_timeout=1.0,
        max_wait=10.0,
        clock=lambda: time.monotonic() * speed,
        sleep=lambda seconds: time.sleep(seconds / speed),
    )
    before = _peak()
    signal.alarm(patience)
    try:
        result = getattr(client, method)(*given)
        ended = {"kind": "", "told": "", "length": len(result) if result is not None else 0}
    except HaloITSMError as error:
        ended = {"kind": error.kind, "told": f"{error.cause} {error.assistance} {error.data}"}
    signal.alarm(0)
    return {**ended, "grown": _peak() - before}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_call(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), *map(int, sys.argv[4:]))))
