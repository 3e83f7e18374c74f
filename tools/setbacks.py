"""What goes wrong around a trigger while Halo is well: with the orchestrator's dispatcher, or with the state folder.

For the fault matrix. A setback is a context manager, inside which it lasts. It calls `play` when things are to happen
in Halo, and yields the ids of the tickets whose events cannot come before it is over.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tools.orchestrator import Orchestrator
from tools.storm import TriggerProcess

Play = Callable[[], None]
During = Callable[[Orchestrator, TriggerProcess, Play], AbstractContextManager[set[int]]]

# The superuser may write whatever a mode forbids, and so might a trigger that one starts.
BOUND_BY_MODES: Sequence[str] = () if os.geteuid() else ("setpriv", "--bounding-set=-dac_override")
_SLOW = 65.0
# What the log may grow by while no file may grow any more.
_LOG = 20_000


@dataclass(frozen=True)
class Setback:
    """``restart``: the trigger is started again when it is over, as what was refused is offered again then."""

    name: str
    place: str
    during: During
    restart: bool = False


@contextmanager
def _refused(orchestrator: Orchestrator, _: TriggerProcess, play: Play, *, status: int) -> Iterator[set[int]]:
    """The events of the ticket whose event comes first are refused."""
    refused: set[int] = set()

    def treats(output: Mapping[str, Any]) -> tuple[int, float] | None:
        refused.update(() if refused else {int(output["ticket"]["id"])})
        return (status, 0.0) if output["ticket"]["id"] in refused else None

    orchestrator.treats = treats
    play()
    yield refused
    orchestrator.treats = lambda output: None


@contextmanager
def _slow(orchestrator: Orchestrator, _: TriggerProcess, play: Play) -> Iterator[set[int]]:
    """The first event is accepted at once, but answered after more than a minute."""
    answers = iter([(200, _SLOW)])
    orchestrator.treats = lambda output: next(answers, None)
    play()
    yield set()


@contextmanager
def _full(_: Orchestrator, trigger: TriggerProcess, play: Play) -> Iterator[set[int]]:
    """Its files may not grow."""
    pid = trigger.process.pid if trigger.process else 0
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (trigger.log.stat().st_size + _LOG, resource.RLIM_INFINITY))
    play()
    yield set()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def _read_only(_: Orchestrator, trigger: TriggerProcess, play: Play) -> Iterator[set[int]]:
    """Its folder cannot be written when it is started again, after things have happened."""
    trigger.signal(signal.SIGTERM)
    trigger.ended(30)
    folder = trigger.workspace / "cache"
    _set_modes(folder, 0o555, 0o444)
    play()
    trigger.start()
    yield set()
    _set_modes(folder, 0o755, 0o600)


def _set_modes(folder: Path, of_folder: int, of_files: int) -> None:
    for path in folder.iterdir():
        path.chmod(of_files)
    folder.chmod(of_folder)


_DISPATCHER, _STATE = "the dispatcher", "the state folder"
SETBACKS = (
    *(
        Setback(f"{status} for one ticket", _DISPATCHER, partial(_refused, status=status), restart=True)
        for status in (400, 413, 422)
    ),
    Setback(f"{_SLOW:.0f} s for one answer", _DISPATCHER, _slow),
    Setback("full while it runs", _STATE, _full),
    Setback("read-only when it starts", _STATE, _read_only),
)
