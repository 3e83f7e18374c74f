"""Processes of the plugin and what they use, read from /proc: CPU time, memory, descriptors, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tools.bench.report import ROOT
from tools.storm import ENTRY_POINT, free_port

_LONGEST_START = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process holds at a moment; memory in KiB."""

    resident: int
    peak: int
    descriptors: int
    threads: int


def usage(pid: int) -> Usage | None:
    """What a process holds now; None when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        fields = {line.partition(":")[0]: line.partition(":")[2].split() for line in status.splitlines()}
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        numbers = [int(fields[name][0]) for name in ("VmRSS", "VmHWM", "Threads")]
    except (OSError, KeyError, IndexError):
        return None
    return Usage(numbers[0], numbers[1], descriptors, numbers[2])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, its threads included; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def family(pid: int) -> list[int]:
    """A process and all processes below it: a server has workers."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text(encoding="utf-8").split()]
            except OSError:
                continue
    return found


def environment(**more: str) -> dict[str, str]:
    """Of a process of the plugin: it finds its package, leaves no byte code in bin/, and asks no proxy for loopback."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        **more,
    }


@dataclass(frozen=True)
class Server:
    """The plugin's HTTP server, as an orchestrator runs it. ``log`` holds all that it says."""

    pid: int
    port: int
    log: Path

    def url(self, action: str) -> str:
        """Where an action is run."""
        return f"http://127.0.0.1:{self.port}{self.path(action)}"

    @staticmethod
    def path(action: str) -> str:
        """The same without the host."""
        return f"/api/v1/actions/{action}"


def action_message(action: str, given: Mapping[str, Any], connection: Mapping[str, Any]) -> dict[str, Any]:
    """The message that starts an action."""
    body = {"action": action, "meta": {}, "input": dict(given), "connection": dict(connection)}
    return {"version": "v1", "type": "action_start", "body": body}


@contextmanager
def plugin_server(script: Path = ENTRY_POINT, **variables: str) -> Iterator[Server]:
    """The plugin's HTTP server by its entry point (or a script that wraps it), ended by SIGTERM."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="haloitsm-server-") as folder:
        log = Path(folder, "log")
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, str(script), "http", "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=ROOT,
                env=environment(**variables),
            )
        server = Server(process.pid, port, log)
        try:
            _await(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


def _await(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _LONGEST_START
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{server.port}/api/v1/actions", timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise RuntimeError(f"the plugin's server did not start: {server.log.read_text(errors='replace')[-2000:]}")
