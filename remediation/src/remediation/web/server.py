"""The web server as a process: ``python -m remediation.web.server DESCRIPTOR``, the number of a socket that listens.

It ends by SIGTERM after the requests it is at, and with its parent. Its supervisor starts it again. By SIGUSR1 it
writes to its standard error where in the code each of its threads is.

The server is waitress, because it takes in a request whole before a thread has to do with it: requests that are never
finished, or come a byte at a time, keep connections busy and no thread. Who can hold 900 connections open still keeps
others out; where strangers can reach the port, a proxy in front has to limit that.
"""

from __future__ import annotations

import faulthandler
import signal
import socket
import sys

import django
from waitress.server import create_server  # type: ignore[import-untyped]

from ..parent import end_with_parent

THREADS = 8
# Below the 1024 files that a process may usually have open.
CONNECTIONS = 900
# Seconds without a byte after which a connection is closed, and how often that is looked at.
SILENCE = 30
# The largest form has a few lines.
LARGEST_BODY = 1 << 20
LARGEST_HEADERS = 1 << 16


def main() -> None:
    """Entry point."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    faulthandler.register(signal.SIGUSR1)
    django.setup()
    end_with_parent()
    from django.conf import settings

    from .proxies import believing
    from .wsgi import application

    with socket.socket(fileno=int(sys.argv[1])) as listener:
        create_server(
            believing(settings.PROXIES, application),
            sockets=[listener],
            threads=THREADS,
            backlog=128,
            connection_limit=CONNECTIONS,
            channel_timeout=SILENCE,
            cleanup_interval=SILENCE // 2,
            max_request_body_size=LARGEST_BODY,
            max_request_header_size=LARGEST_HEADERS,
            asyncore_use_poll=True,
            ident=None,
            # proxies.py decides whom to believe: waitress knows one address at most.
            clear_untrusted_proxy_headers=False,
        ).run()


if __name__ == "__main__":
    main()
