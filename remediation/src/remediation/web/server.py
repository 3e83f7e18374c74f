"""The web server as a process: ``python -m remediation.web.server DESCRIPTOR``, the number of a socket that listens.

It ends by SIGTERM after the requests it is at, and with its parent. Its supervisor starts it again.
"""

from __future__ import annotations

import sys
from typing import Any

import django
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from ..parent import end_with_parent


class Log(Logger):  # type: ignore[misc]
    """What gunicorn has to say goes where everything goes; there is no line for each request."""

    def setup(self, cfg: Any) -> None:  # pylint: disable=unused-argument  # the base's way to ask
        """Nothing but to hand all records on."""
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn on a socket that another process has opened."""

    def __init__(self, descriptor: int) -> None:
        self._options = {
            "bind": f"fd://{descriptor}",
            "worker_class": "gthread",
            "workers": 2,
            "threads": 4,
            "graceful_timeout": 3,
            "control_socket_disable": True,
            "logger_class": Log,
        }
        super().__init__()

    def load_config(self) -> None:
        """The options; no file and no variable has others."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The pages."""
        from .wsgi import application

        return application


def main() -> None:
    """Entry point."""
    django.setup()
    end_with_parent()
    Server(int(sys.argv[1])).run()


if __name__ == "__main__":
    main()
