"""Asks Halo, and tells what concerns one step from what concerns all: that Halo is away."""

from __future__ import annotations

from typing import Callable, TypeVar

from haloitsm_client import HaloError, RateLimited, ServerTrouble, UncertainWrite, Unreachable

from .instance import NotInHalo

# Kinds of HaloError that say nothing against a step: it was not sent, because Halo was too slow before it.
_PASSING = frozenset({"busy", "out_of_time"})


class HaloAway(Exception):
    """Halo cannot be reached, or wants fewer requests: the rest of the plan waits. The text says why."""


_Answer = TypeVar("_Answer")


def asked(ask: Callable[[], _Answer]) -> _Answer:
    """What ``ask`` gives. Raises HaloAway where Halo cannot be reached, is too slow or wants fewer requests."""
    try:
        return ask()
    except UncertainWrite:
        raise
    except HaloError as error:
        if is_away(error):
            raise HaloAway(f"{error.cause} {error.assistance}") from None
        raise


def is_away(error: HaloError) -> bool:
    """Whether an error says that Halo cannot be reached, is too slow or wants fewer requests."""
    return isinstance(error, (Unreachable, ServerTrouble, RateLimited)) or error.kind in _PASSING


def in_words(error: HaloError | NotInHalo | HaloAway) -> str:
    """Halo's words and the way out."""
    if not isinstance(error, HaloError):
        return str(error)
    more = "Or name an agent for that case: connect --closing-agent." if error.kind == "unassigned" else ""
    return " ".join(filter(None, (error.cause, error.assistance, more, error.data)))
