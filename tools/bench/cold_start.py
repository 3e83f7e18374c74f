"""Cold start: the plugin by its entry point, versus one freshly generated from the same spec, with no code of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench.measure import Result, Samples, milliseconds, ratio
from tools.bench.process import action_message
from tools.bench.report import ROOT

_GOAL = 1.05
_LONGEST = 60.0
_ONE_LINE = '        __import__("requests").get(self.connection.address, timeout=30)\n        return {}\n'
_CONNECT = '        self.address = params.get("resource_server")\n'


@dataclass(frozen=True)
class Started:
    """Seconds until the end (or the first request), and of CPU time until then."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Plugin:
    """A plugin's folder and its entry point."""

    folder: Path
    entry_point: Path

    def environment(self) -> dict[str, str]:
        """Of its process: finds its own package and no other, and leaves no byte code behind."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        ours = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **ours, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def compile(self) -> None:
        """Leave byte code in the folder."""
        command = [sys.executable, "-m", "compileall", "-q", str(self.folder)]
        subprocess.run(command, stdout=subprocess.DEVNULL, timeout=300, check=True)


def run(quick: bool) -> Result:
    """The benchmark."""
    rounds = 3 if quick else 25
    result = Result(
        "cold_start",
        "3. Cold start",
        "Each process from its start, in turn, by the wall clock and by its CPU time, "
        f"{rounds} times: `info` to its end; `run` of get_ticket to the first request on the wire. Generated: the same "
        "spec through insight-plugin, with one line in the action's run(), a requests.get. Both plugins lie in folders "
        "of their own without byte code, as in the image, whose user cannot write to them, so the sources are compiled "
        "at every start; and once more with byte code beside them.",
    )
    with tempfile.TemporaryDirectory(prefix="haloitsm-cold-") as folder:
        plugins = {"ours": copied(Path(folder, "ours")), "generated": generated(Path(folder, "generated"))}
        for label in ("as in the image", "byte code kept"):
            if label == "byte code kept":
                for plugin in plugins.values():
                    plugin.compile()
            for what, start in (("info", _info), ("first request", _first_request)):
                samples = {name: Samples() for name in plugins}
                for number in range(rounds + 1):
                    for name, plugin in plugins.items():
                        started = start(plugin)
                        if number:
                            samples[name].wall.append(started.wall)
                            samples[name].cpu.append(started.cpu)
                _report(result, f"{what}, {label}", samples, label == "as in the image")
    return result


def _report(result: Result, label: str, samples: Mapping[str, Samples], judged: bool) -> None:
    ours, theirs = samples["ours"], samples["generated"]
    for name, one, other in (("wall clock", ours.wall, theirs.wall), ("CPU time", ours.cpu, theirs.cpu)):
        if judged:
            result.at_most(f"{label}: {name}, ours / generated", ratio(one, other), _GOAL)
        else:
            result.add(f"{label}: {name}, ours / generated", ratio(one, other))
    result.add(f"{label}: ours", milliseconds(ours.wall), "ms")
    result.add(f"{label}: generated", milliseconds(theirs.wall), "ms")


def copied(folder: Path) -> Plugin:
    """Our plugin in a folder of its own, without byte code."""
    for name in ("bin", "komand_haloitsm"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Plugin(folder, folder / "bin" / "komand_haloitsm")


def generated(folder: Path) -> Plugin:
    """What Rapid7's tool makes of the spec, with one line in get_ticket, and one that keeps the address for it."""
    folder.mkdir()
    shutil.copy(ROOT / "plugin.spec.yaml", folder)
    tool = insight_plugin()
    done = subprocess.run(
        [str(tool), "create", "plugin.spec.yaml"],
        cwd=folder,
        env={**os.environ, "PATH": f"{tool.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = sorted(folder.glob("**/bin/*_haloitsm"))
    if not found:
        raise RuntimeError(f"insight-plugin generated nothing:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    home, package = found[0].parents[1], found[0].name
    _replace_body(home / package / "actions" / "get_ticket" / "action.py", "run", _ONE_LINE)
    _replace_body(home / package / "connection" / "connection.py", "connect", _CONNECT)
    return Plugin(home, found[0])


def _replace_body(path: Path, function: str, body: str) -> None:
    """Put another body into the method of a generated file."""
    source = path.read_text(encoding="utf-8")
    pattern = rf"(    def {function}\(self.*?\)(?: -> \w+)?:\n)(?:        .*\n|\n)+"
    changed, count = re.subn(pattern, lambda match: match[1] + body, source)
    if count != 1:
        raise RuntimeError(f"{path.name} has no method {function} to replace")
    path.write_text(changed, encoding="utf-8")


def insight_plugin() -> Path:
    """Rapid7's tool: in the environment that the repository makes for it, or where INSIGHT_PLUGIN says."""
    if given := os.environ.get("INSIGHT_PLUGIN"):
        return Path(given)
    command = [str(ROOT / "tools" / "venv.sh"), "rapid7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=True)
    return Path(done.stdout.strip()) / "bin" / "insight-plugin"


def _start(plugin: Plugin, arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], float]:
    began = time.perf_counter()
    process = subprocess.Popen(  # pylint: disable=consider-using-with  # waited for by _ended, which needs its usage
        [sys.executable, str(plugin.entry_point), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=plugin.folder,
        env=plugin.environment(),
    )
    return process, began


def _ended(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process; its CPU time."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def _info(plugin: Plugin) -> Started:
    process, began = _start(plugin, ["info"])
    if process.stdin:
        process.stdin.close()
    cpu = _ended(process)
    if process.returncode:
        raise RuntimeError(f"{plugin.entry_point.name} info ended with {process.returncode}")
    return Started(time.perf_counter() - began, cpu)


def _first_request(plugin: Plugin) -> Started:
    """From the start of the process to the first bytes of a request; then the process is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_LONGEST)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        connection = {
            "client_id": {"secretKey": "id"},
            "client_secret": {"secretKey": "secret"},
            "authorization_server": f"{address}/auth",
            "resource_server": f"{address}/api",
        }
        message = json.dumps(action_message("get_ticket", {"ticket_id": 1}, connection)).encode()
        process, began = _start(plugin, ["run"])
        try:
            if process.stdin:
                process.stdin.write(message)
                process.stdin.close()
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(_LONGEST)
                accepted.recv(1)
                wall = time.perf_counter() - began
        finally:
            process.kill()
            cpu = _ended(process)
    return Started(wall, cpu)
