"""Has permission bits count for root as well, so that a test of a read-only folder shows something as any user."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

_PR_CAPBSET_DROP = 24
# The capabilities that let root read and write what permission bits forbid: DAC_OVERRIDE and DAC_READ_SEARCH.
_PASSES = (1, 2)
_VERSION_3 = 0x20080522


def obeying_permissions(work: Callable[..., Any], *args: Any) -> Any:
    """What ``work`` returns in a thread that, and whose child processes, the kernel refuses what the bits forbid."""
    with ThreadPoolExecutor(1, initializer=_give_up_root_s_pass) as pool:
        return pool.submit(work, *args).result()


def _give_up_root_s_pass() -> None:
    # Linux keeps capabilities for each thread. The bounding set is what limits a child that runs as root.
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for number in _PASSES:
        _succeed(libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _succeed(libc.capget(header, sets))
    for place in (0, 1):  # effective, permitted
        sets[place] &= ~sum(1 << number for number in _PASSES)
    _succeed(libc.capset(header, sets))


def _succeed(answer: int) -> None:
    if answer != 0:
        raise OSError(ctypes.get_errno(), "the capabilities cannot be given up")
