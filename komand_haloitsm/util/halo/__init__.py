"""A client of HaloITSM's API: ``HaloClient``, and the errors that it raises.

Knows HaloITSM and nothing of who uses it. Needs ``requests``; is faster with ``orjson``.
"""

from .client import HaloClient
from .errors import (
    Forbidden,
    HaloError,
    InvalidInput,
    NotFound,
    RateLimited,
    ServerTrouble,
    Unauthorized,
    UncertainWrite,
    Unreachable,
)
from .tickets.attachment import File
from .tickets.filters import TicketFilter

__all__ = [
    "File",
    "Forbidden",
    "HaloClient",
    "HaloError",
    "InvalidInput",
    "NotFound",
    "RateLimited",
    "ServerTrouble",
    "TicketFilter",
    "Unauthorized",
    "UncertainWrite",
    "Unreachable",
]
