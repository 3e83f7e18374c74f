"""Turns the client's errors into exceptions that InsightConnect's runtime knows. The only place that does."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import Callable, Iterator, Mapping, ParamSpec, TypeVar

from insightconnect_plugin_runtime.exceptions import ConnectionTestException, PluginException

from ..halo.errors import HaloError, UncertainWrite
from .titles import TITLES

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

# The plugin's users know orchestrators and steps, so its errors use these words.
_WORDS: Mapping[str, str] = {
    "machine": "the orchestrator",
    "another_machine": "another orchestrator",
    "call": "step",
    "create": "Create Ticket",
    "update": "Update Ticket",
    "assign": " (action Assign Ticket)",
    "program": "plugin",
    **{f"input {name}": title for name, title in TITLES.items()},
}


class HaloITSMError(PluginException):
    """A PluginException that also has ``kind``, ``status`` and ``said`` of the client's HaloError, for programs."""

    def __init__(self, error: HaloError) -> None:
        cause, assistance = error.in_words(_WORDS)
        super().__init__(cause=cause, assistance=assistance, data=error.data)
        self.kind = error.kind
        self.status = error.status
        self.said = error.said


class UncertainWriteError(HaloITSMError):
    """A write was sent and no usable response came: Halo may have carried it out."""


@contextmanager
def plugin_exceptions() -> Iterator[None]:
    """Inside, a HaloError becomes a HaloITSMError."""
    try:
        yield
    except HaloError as error:
        kind = UncertainWriteError if isinstance(error, UncertainWrite) else HaloITSMError
        raise kind(error) from None


def raising_plugin_exceptions(method: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """``method``, but it raises HaloITSMErrors in place of HaloErrors."""

    @functools.wraps(method)
    def wrapped(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with plugin_exceptions():
            return method(*args, **kwargs)

    return wrapped


@contextmanager
def connection_test_exceptions() -> Iterator[None]:
    """Inside, a PluginException becomes a ConnectionTestException, which the runtime expects of a connection test."""
    try:
        yield
    except PluginException as error:
        raise ConnectionTestException(cause=error.cause, assistance=error.assistance, data=error.data) from None
