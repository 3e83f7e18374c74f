"""Fuzz the webhook parser, guided by coverage: what is not authentic must not get in, and nothing must raise.

    python -m tools.fuzz [--seconds 60] [--seed 0] [--crashes DIR] [--target notices|is_authentic]

The inputs grow out of the deliveries that Halo is known to send. One that reaches lines in an order not yet seen is
kept and changed further. By atheris (libFuzzer) where it is installed, else by a small loop of our own, which follows
from its seed. Tells executions, edges of coverage, and crashes; each crash is a file in the folder given, and its cause
is told.

A crash is any exception other than UnreadableWebhook, an answer that makes no sense, and an input that takes longer
than a second. Ends with code 1 when there was one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from komand_haloitsm.util.halo import webhook
from komand_haloitsm.util.halo.tickets import output as tickets

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 128 * 1024
SECONDS_FOR_ONE = 1.0
_SHARED = "-".join(("known", "to", "nobody", "else"))
_WATCHED = frozenset({webhook.__file__, tickets.__file__})


class Nonsense(Exception):
    """A target gave an answer that cannot be right."""


class TooSlow(Exception):
    """A target took longer than SECONDS_FOR_ONE."""


# -- targets and what they start from ----------------------------------------------------------------------------------


def fuzz_notices(data: bytes) -> None:
    """Raises when a body is neither read nor refused, or read as something that the store cannot hold."""
    try:
        found = webhook.notices(data)
    except webhook.UnreadableWebhook:
        return
    numbers = [notice.ticket_id for notice in found]
    agents = [notice.agent_id for notice in found if notice.agent_id is not None]
    if len(set(numbers)) != len(numbers) or not all(0 < number < 2**63 for number in (*numbers, *agents)):
        raise Nonsense(f"notices {found!r}")
    if not all(notice.sent == "" or notice.sent.moment for notice in found):
        raise Nonsense(f"no moments in {found!r}")


def fuzz_is_authentic(data: bytes) -> None:
    """Raises when a made-up proof is believed, or not answered. A line for each header, and the body after them."""
    *lines, body = data.split(b"\n", 4)
    names = (*webhook.SIGNATURE_HEADERS, "Authorization")
    headers = {name: line.decode("latin-1") for name, line in zip(names, lines)}
    if webhook.is_authentic(body, headers, _SHARED) is not False:
        raise Nonsense("a proof was believed that was made without the secret")


TARGETS: dict[str, Callable[[bytes], None]] = {"notices": fuzz_notices, "is_authentic": fuzz_is_authentic}

# The payloads of the fact sheet: full, event only, a batch, a custom template, things that are no tickets.
_FULL: dict[str, Any] = {
    "id": "8e25bc7b-e07e-4102-9398-5d6647e1e79d",
    "webhook_id": "53232637-7724-4a19-b126-3c7267a292aa",
    "notification_id": 41,
    "escmsg_id": "a726ee11-acb8-f111-8260-02725cb0e102",
    "event": "ticket status changed",
    "message": "The status has been changed for Ticket ID: 0004242.",
    "object_id": 4242,
    "agent_id": 3,
    "timestamp": "2026-09-25T06:41:08.7895915Z",
    "ticket": {"id": 4242, "summary": "..", "status_id": 9, "tickettype_id": 25, "customfields": [], "agent_id": 1},
}
_EVENT_ONLY = {name: value for name, value in _FULL.items() if name != "ticket"}
_PAYLOADS: tuple[Any, ...] = (
    _FULL,
    _EVENT_ONLY,
    [_EVENT_ONLY, {**_FULL, "event": "new ticket logged", "object_id": 4243}],
    {"ticket_id": "18", "event": "Ticket updated (fields)"},
    {"object": {"id": 18.0}},
    {"event": "client updated", "object_id": 7},
    {"event": "status has changed", "object_id": 7},
    {"event": "asset updated", "object_id": 7, "message": "The asset of Ticket ID: 0004242 has changed."},
    [],
)
_LINES = (
    b"\n\n\n\n{}",
    b"K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=\n\n\n\n{}",
    b"\n" + b"0a" * 32 + b"\nsha256=" + b"0b" * 32 + b"\n\n{}",
    b"\n\n\nBasic aGFsbzpndWVzcw==\n{}",
    b"\n\n\nBearer x\n{}",
)
_WORDS: tuple[bytes, ...] = (
    *(
        f'"{name}":'.encode()
        for name in ("event", "ticket", "ticket_id", "object", "object_id", "id", "agent_id", "timestamp", "message")
    ),
    *(
        word.encode()
        for word in "ticket status changed reassigned logged action updated closed sla client user".split()
    ),
    *(b"null", b"true", b"1e999", b"NaN", b"-0", b"0.5", b"18.0", b'"18"', b"9" * 20, b'"\\ud800"', b"\\u0000"),
    *(b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\n", b"\xff", b"\xef\xbb\xbf", b"\xfe\xff", b"\x00"),
    *(b"sha256=", b"Basic ", b"basic", b"=", b"==", b"Og=="),
)


def seeds(target: str) -> list[bytes]:
    """What the mutations of a target start from."""
    bodies = [json.dumps(payload).encode() for payload in _PAYLOADS]
    return bodies if target == "notices" else [*_LINES, *(line[:-2] + bodies[0] for line in _LINES)]


# -- mutation ----------------------------------------------------------------------------------------------------------


class Mutator:
    """Changes inputs, by dice."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._ways: tuple[Callable[[bytes, bytes], bytes], ...] = (
            self._flip,
            self._insert,
            self._replace,
            self._cut,
            self._repeat,
            self._cross,
            self._number,
        )

    def change(self, data: bytes, other: bytes) -> bytes:
        """``data`` after one to four changes; ``other`` is another input that parts may be taken from."""
        for _ in range(self._dice.choice((1, 1, 2, 4))):
            data = self._dice.choice(self._ways)(data, other)
        return data[:LONGEST]

    def _place(self, data: bytes) -> int:
        return self._dice.randrange(len(data) + 1)

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._place(data)
        return start, min(len(data), start + self._dice.choice((1, 2, 4, 8, 32, 256)))

    def _flip(self, data: bytes, _: bytes) -> bytes:
        changed = bytearray(data or b"\0")
        changed[self._dice.randrange(len(changed))] ^= 1 << self._dice.randrange(8)
        return bytes(changed)

    def _insert(self, data: bytes, _: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._dice.choice(_WORDS) + data[at:]

    def _replace(self, data: bytes, _: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + self._dice.choice(_WORDS) + data[end:]

    def _cut(self, data: bytes, _: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes, _: bytes) -> bytes:
        start, end = self._span(data)
        piece = self._dice.choice((data[start:end], self._dice.choice(_WORDS)))
        return data[:start] + piece * (1 << self._dice.randrange(15)) + data[end:]

    def _cross(self, data: bytes, other: bytes) -> bytes:
        (start, end), (first, last) = self._span(data), self._span(other)
        return data[:start] + other[first:last] + data[end:]

    def _number(self, data: bytes, _: bytes) -> bytes:
        found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
        if not found:
            return data
        one = self._dice.choice(found)
        power = str(2 ** self._dice.randrange(80)).encode()
        number = self._dice.choice((b"0", b"-1", b"1e308", b"1e400", b"18.5", power))
        return data[: one.start()] + number + data[one.end() :]


# -- the loop of our own -----------------------------------------------------------------------------------------------


class Coverage:
    """Which lines of the watched modules follow on which, in one execution. By tracing, so that any Python has it."""

    def __init__(self) -> None:
        self.edges: set[tuple[CodeType, int, int]] = set()
        self._last: dict[FrameType, int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notes what runs inside."""
        self.edges, self._last = set(), {}
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        if frame.f_code.co_filename not in _WATCHED:
            return None
        self._last[frame] = 0
        return self._line

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        line = frame.f_lineno if event == "line" else -frame.f_lineno
        self.edges.add((frame.f_code, self._last.get(frame, 0), line))
        self._last[frame] = line
        return self._line


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Raises TooSlow inside when it takes longer; regular expressions can be interrupted, too."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"not done after {seconds:.1f} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Result:
    """What fuzzing a target came to."""

    target: str
    executions: int = 0
    edges: int = 0
    corpus: int = 0
    crashes: dict[str, str] = field(default_factory=dict)

    def line(self, seconds: float) -> str:
        """In words."""
        return (
            f"{self.target}: {self.executions:,} executions in {seconds:.0f} s, {self.edges} edges, "
            f"{self.corpus} inputs kept, {len(self.crashes)} crashes"
        )


class Fuzzer:
    """Fuzzes one target. ``folder`` is where crashes are saved: one for each exception and place."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self._target = TARGETS[name]
        self._folder = folder
        self._dice = random.Random(f"{name} {seed}")  # nosec B311: no secret depends on it
        self._mutator = Mutator(self._dice)
        self._known: set[tuple[CodeType, int, int]] = set()
        self._corpus: list[bytes] = []
        self._places: set[str] = set()
        self.result = Result(name)

    def run(self, seconds: float, executions: int | None = None) -> Result:
        """Fuzz for so long, or so many executions."""
        until = time.monotonic() + seconds
        for data in seeds(self.result.target):
            self._try(data, keep=True)
        while time.monotonic() < until and (executions is None or self.result.executions < executions):
            # The latest finds are the least explored.
            place = max(self._dice.randrange(len(self._corpus)), self._dice.randrange(len(self._corpus)))
            self._try(self._mutator.change(self._corpus[place], self._dice.choice(self._corpus)))
        return self.result

    def _try(self, data: bytes, keep: bool = False) -> None:
        coverage = Coverage()
        try:
            with _bounded(SECONDS_FOR_ONE), coverage.watching():
                self._target(data)
        except Exception as error:  # pylint: disable=broad-except  # any exception is what is looked for
            self._crashed(data, error)
        self.result.executions += 1
        if keep or not coverage.edges <= self._known:
            self._corpus.append(data)
            self._known |= coverage.edges
        self.result.edges, self.result.corpus = len(self._known), len(self._corpus)

    def _crashed(self, data: bytes, error: Exception) -> None:
        place = f"{type(error).__name__} at {'slow input' if isinstance(error, TooSlow) else _place(error)}"
        if place in self._places:
            return
        self._places.add(place)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self.result.target}-{hashlib.sha256(data).hexdigest()[:16]}"
        path.write_bytes(data)
        self.result.crashes[str(path)] = f"{place}: {error}"


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "nowhere"


# -- atheris -----------------------------------------------------------------------------------------------------------


def with_atheris(name: str, seconds: float, seed: int, folder: Path) -> Result:
    """The same by libFuzzer, in a process of its own, which it never returns from."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(data)
        command = [sys.executable, "-m", "tools.fuzz", "--inside-atheris", name, corpus, f"-seed={seed + 1}"]
        command += [f"-max_total_time={max(1, round(seconds))}", f"-max_len={LONGEST}", "-print_final_stats=1"]
        command += [f"-artifact_prefix={folder.resolve()}/{name}-", f"-timeout={round(SECONDS_FOR_ONE)}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        kept = len(list(Path(corpus).iterdir()))
    return _told_by_atheris(name, done.stdout + done.stderr, kept, bool(done.returncode))


def _told_by_atheris(name: str, said: str, kept: int, failed: bool) -> Result:
    executions = re.findall(r"number_of_executed_units: (\d+)", said)
    edges = re.findall(r"\bcov: (\d+)", said)
    result = Result(name, int(executions[-1]) if executions else 0, int(edges[-1]) if edges else 0, kept)
    cause = re.findall(r"Uncaught Python exception: ===\s*(.+)", said)
    for path in re.findall(r"Test unit written to (\S+)", said):
        result.crashes[path] = cause[0] if cause else "too slow, or too large"
    if failed and not result.crashes:
        result.crashes["(no input)"] = said[-500:]
    return result


def _inside_atheris(arguments: list[str]) -> None:
    atheris = importlib.import_module("atheris")  # not there for everybody
    for module in (webhook, tickets):
        for name, thing in vars(module).copy().items():
            if getattr(thing, "__module__", "") == module.__name__ and hasattr(thing, "__code__"):
                setattr(module, name, atheris.instrument_func(thing))
    atheris.Setup([sys.argv[0], *arguments[1:]], TARGETS[arguments[0]])
    atheris.Fuzz()


# -- the command -------------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing crashed."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="in all (default 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"), help="the folder for inputs that crash")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one")
    parser.add_argument("--own-loop", action="store_true", help="do not use atheris although it is there")
    given = parser.parse_args(arguments)
    names = [given.target] if given.target else list(TARGETS)
    by_atheris = importlib.util.find_spec("atheris") is not None and not given.own_loop
    print(f"Fuzzing {' and '.join(names)} by {'atheris' if by_atheris else 'its own loop'}, seed {given.seed}.")
    crashes: dict[str, str] = {}
    for name in names:
        share = given.seconds / len(names)
        if by_atheris:
            result = with_atheris(name, share, given.seed, given.crashes)
        else:
            result = Fuzzer(name, given.crashes, given.seed).run(share)
        print(result.line(share))
        crashes |= result.crashes
    for path, cause in crashes.items():
        print(f"CRASH {path}: {cause}")
    return 1 if crashes else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside-atheris"]:
        _inside_atheris(sys.argv[2:])
    sys.exit(main())
