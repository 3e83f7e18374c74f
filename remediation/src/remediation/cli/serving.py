"""The commands ``serve`` and ``worker``: the pages and the worker as processes that are kept running."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Optional

import typer

from ..data_folder import data_folder, make_data_folder
from ..store.embedded import EmbeddedPostgres
from ..store.unprivileged import EmbeddedError
from .ending import Refused
from .opened import Data, opened
from .supervision import Supervised, keep_running

ADDRESS = "127.0.0.1:8460"
_EVERYWHERE = ("0.0.0.0", "::")  # nosec B104: compared with, not listened on
WEEK = 7 * 24 * 60  # minutes
Every = Annotated[
    int, typer.Option(min=1, max=WEEK, metavar="MINUTES", help="From one round of readings and runs to the next.")
]


def serve(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen.")] = ADDRESS,
    host: Annotated[
        Optional[list[str]], typer.Option(help="A name by which browsers reach it, beside REMEDIATION_HOSTS.")
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", envvar="REMEDIATION_HTTPS", help="A proxy gives it to browsers by HTTPS only.")
    ] = False,
    proxy: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="ADDRESS",
            help="An address or network of that proxy, whose X-Forwarded-Proto is believed; can be given several "
            "times. Or REMEDIATION_PROXIES, with commas. Default: 127.0.0.1 and ::1.",
        ),
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Pages only.")] = False,
    every: Every = 60,
    data: Data = None,
) -> None:
    """The pages and a worker. Several of them can share the PostgreSQL that DATABASE_URL names."""
    _prepare()
    if proxy:
        os.environ["REMEDIATION_PROXIES"] = ",".join(proxy)
    names = [*filter(None, os.environ.get("REMEDIATION_HOSTS", "").split(",")), *(host or [])]
    with _listening(address) as listener:
        place, port = listener.getsockname()[:2]
        if place not in _EVERYWHERE:
            names.append(f"[{place}]" if ":" in place else place)
        os.environ |= {"REMEDIATION_HOSTS": ",".join(names), "REMEDIATION_HTTPS": str(int(https))}
        with _database(data or data_folder()) as care, opened(data):
            _require_key()
            name = (names or ["localhost"])[0]
            shown = f"https://{name}" if https else f"http://{name}:{port}"
            pages = Supervised(
                "web server", _python("remediation.web.server", str(listener.fileno())), (listener.fileno(),)
            )
            typer.echo(f"Serving at {shown}")
            _say_how_to_sign_in(shown)
            keep_running([pages] if no_worker else [pages, _worker(every)], care, _say)


def worker(every: Every = 60, data: Data = None) -> None:
    """A worker: reads sources and runs projects, by the queue in the database."""
    _prepare()
    with _database(data or data_folder()) as care, opened(data):
        _require_key()
        typer.echo("A worker is at work.")
        keep_running([_worker(every)], care, _say)


def _prepare() -> None:
    """What all processes get: an end by SIGTERM that stops what was started, and no endless wait for a database."""
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")  # seconds; libpq would wait two minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _python(module: str, *words: str) -> list[str]:
    # -P: nothing is imported from the folder that the command was given in.
    return [sys.executable, "-P", "-m", module, *words]


def _worker(every: int) -> Supervised:
    return Supervised("worker", _python("remediation.jobs.worker", str(every)))


def _require_key() -> None:
    """A key that is of no use is told here, and not by each request and job. Raises KeyTrouble."""
    from ..store.sealed import require_key_of_all

    for what, why in require_key_of_all().items():
        _say(f"The secret of {what} cannot be opened. {why}")


def _say_how_to_sign_in(shown: str) -> None:
    """A link for the first person."""
    from django.urls import reverse

    from ..store import first_user

    if not first_user.exists():
        typer.echo("There is no user yet. Who opens this within 15 minutes becomes the first, an administrator:")
        typer.echo(f"{shown}{reverse('first', args=[first_user.token()])}")


@contextmanager
def _database(folder: Path) -> Iterator[Callable[[], None]]:
    """The embedded server where DATABASE_URL names none, and what looks after it. Stops what this process started."""
    if os.environ.get("DATABASE_URL"):
        yield lambda: None
        return
    make_data_folder(folder, to_write=True)
    server = EmbeddedPostgres(folder / "postgres")
    try:
        # A start that was broken off would leave a server that nobody has heard of.
        with _uninterrupted():
            os.environ["DATABASE_URL"] = server.start()

        def care() -> None:
            # Another process that shares the folder may have stopped it, and it may have been killed.
            try:
                if not server.is_running():
                    _say("The embedded database is down. It is started again.")
                    server.start()
            except EmbeddedError as error:
                _say(str(error))

        yield care
    finally:
        with _uninterrupted():
            server.stop_if_started_here()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """SIGTERM and Ctrl-C wait until the block is done."""
    came: list[int] = []
    asks = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda which, _: came.append(which)) for number in asks}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    """A socket that listens. It outlives the web server, which gets it from here. Raises Refused and OSError."""
    place, separator, port = address.rpartition(":")
    place = place.removeprefix("[").removesuffix("]")
    if not place or not separator or not port.isdecimal() or int(port) > 65535:
        raise Refused(f"{address!r} is no address to listen at. Write it as HOST:PORT, as in {ADDRESS}.")
    try:
        family, _, _, _, where = socket.getaddrinfo(place, int(port), type=socket.SOCK_STREAM)[0]
        made = socket.create_server(where[:2], family=family, backlog=128)
    except socket.gaierror as error:
        raise Refused(f"There is no host {place!r}: {error.strerror}.") from None
    except OSError as error:
        why = "Another process listens there" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise OSError(f"Cannot listen at {address}: {why}. Choose another address with --address.") from None
    with made:
        yield made
