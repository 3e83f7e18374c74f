"""How the processes of the service log: one line for each event, to the standard error, without values.

An exception is told by its kind and its place. Its text and its traceback may hold a secret or the text of a ticket.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any

from .ending import unexpected

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class WithoutValues(logging.Formatter):
    """Formats an exception as one sentence."""

    def formatException(self, ei: _Raised) -> str:
        """The kind and the place of an exception."""
        return unexpected(ei[1]) if isinstance(ei[1], Exception) else str(ei[0] and ei[0].__name__)

    def formatStack(self, stack_info: str) -> str:
        """Nothing: a stack is as long as a traceback."""
        return ""


# As logging.config wants it. Libraries say only what is wrong: the messages of a job are told by the job itself.
CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": WithoutValues, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"standard error": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["standard error"], "level": "WARNING"},
    # waitress would warn of each request that waits for a thread.
    "loggers": {"remediation": {"level": "INFO"}, "waitress.queue": {"level": "ERROR"}},
}
