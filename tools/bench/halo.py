"""The emulated HaloITSM in a process of its own, so that its CPU time is not ours; driven over a pipe."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection as Pipe
from typing import Any

from halo_emulator import HaloEmulator
from tools.storm import connection_to

# Of webhooks to the triggers that are measured.
SIGNED_WITH = "bench-webhooks"
_LONGEST_ANSWER = 120.0


class _Desk:
    """What a benchmark may ask of the emulator: many changes in one message."""

    def __init__(self, halo: HaloEmulator) -> None:
        self._halo = halo

    def connection(self) -> dict[str, Any]:
        """The parameters of a connection."""
        return connection_to(self._halo, SIGNED_WITH)

    def log(self, count: int) -> list[int]:
        """Log so many tickets that were last updated a day ago; their numbers."""
        old = (datetime.now(timezone.utc) - timedelta(days=1)).isoformat()
        details = "Reported by mail. " * 20
        dates = {"last_update": old, "dateoccurred": old}
        return [
            int(self._halo.log_ticket(summary=f"Ticket {number}", details=details, agent_id=3, **dates)["id"])
            for number in range(count)
        ]

    def change(self, numbers: list[int], mark: str) -> None:
        """Change the summary of tickets."""
        for number in numbers:
            self._halo.change_ticket(number, summary=f"Ticket {number}, {mark}")

    def move(self, numbers: list[int], status_id: int) -> None:
        """Move tickets to a status."""
        for number in numbers:
            self._halo.change_ticket(number, status_id=status_id)

    def forget(self) -> None:
        """Forget the requests so far."""
        self._halo.forget_requests()

    def requests(self) -> dict[str, int]:
        """The requests since then, by method and kind of path."""
        return dict(Counter(f"{entry.method} {_kind(entry.path)}" for entry in self._halo.requests))


def _kind(path: str) -> str:
    parts = path.lower().removeprefix("/api/").strip("/").split("/")
    return "/".join("N" if part.isdigit() else part for part in parts)


class HaloProcess:
    """The emulator's process, from this side of the pipe."""

    def __init__(self, pipe: Pipe, pid: int) -> None:
        self._pipe = pipe
        self.pid = pid
        self.connection: dict[str, Any] = self.ask("connection")

    def ask(self, what: str, *arguments: Any) -> Any:
        """Have a method of the desk carried out. Raises RuntimeError with what went wrong there."""
        self._pipe.send((what, arguments))
        if not self._pipe.poll(_LONGEST_ANSWER):
            raise RuntimeError(f"the emulator did not answer {what}")
        succeeded, answer = self._pipe.recv()
        if not succeeded:
            raise RuntimeError(f"the emulator could not {what}: {answer}")
        return answer


def _serve(pipe: Pipe) -> None:
    with HaloEmulator() as halo:
        desk = _Desk(halo)
        while True:
            try:
                what, arguments = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send((True, getattr(desk, what)(*arguments)))
            except Exception as error:  # pylint: disable=broad-except  # told to the other side, which raises it
                pipe.send((False, repr(error)))


@contextmanager
def halo_process() -> Iterator[HaloProcess]:
    """An emulator with its seed tickets, for as long as the block lasts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield HaloProcess(ours, process.pid or 0)
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join(10)
