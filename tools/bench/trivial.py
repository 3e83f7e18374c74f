"""A waitress application that answers every request with 200 and does nothing else:  python -m tools.bench.trivial PORT

What it reaches is what the senders of benchmark 5, and a server like the receiver's, can reach at most.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

import waitress


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The body is read, and that is all."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]


if __name__ == "__main__":
    # It would tell how many requests wait.
    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    waitress.serve(
        answer,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        threads=8,
        connection_limit=2000,
        asyncore_use_poll=True,
        backlog=1024,
        ident=None,
        _quiet=True,
    )
