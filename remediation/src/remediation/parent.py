"""Ends a process with its parent, however the parent ends."""

from __future__ import annotations

import os
import signal
import threading
import time

# Seconds from asking this process to end to ending it.
GRACE = 5.0


def end_with_parent() -> None:
    """Send this process SIGTERM when its standard input ends, and end it a little later where that was not enough.

    The standard input has to be a pipe that the parent holds and never writes to.
    """
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    # Not sys.stdin: a lock that this thread held would be held for ever in a child that is forked meanwhile.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
