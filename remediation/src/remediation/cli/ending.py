"""An error of a command as a person reads it, and the exit code that belongs to it."""

from __future__ import annotations

import typer
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from ..ending import Ending, unexpected
from ..store.unprivileged import EmbeddedError

# By Ctrl-C.
STOPPED = 130


class Refused(Exception):
    """An input that cannot be used; the text says why and what to do."""


def told(error: Exception) -> tuple[str, int]:
    """The text and the exit code."""
    usage = typer.BadParameter.__mro__[2]  # the base of all of Click's errors, which Typer brings along
    if isinstance(error, usage):
        context = getattr(error, "ctx", None)
        shown = str(getattr(error, "format_message")())
        return (f"{context.get_usage()}\n{shown}" if context else shown), Ending.USAGE
    if isinstance(error, Refused):
        return str(error), Ending.REFUSED
    if isinstance(error, (EmbeddedError, ImproperlyConfigured, OSError)):
        return str(error), Ending.FAILED
    if not apps.ready:
        # Nothing of the service's work has begun, and what knows its errors cannot be imported.
        return unexpected(error), Ending.FAILED
    from ..jobs.telling import told as told_of_work

    return told_of_work(error)
