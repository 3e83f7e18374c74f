"""The commands about sources: ``source add``, ``list``, ``remove`` and ``read``, ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from urllib.parse import urlsplit

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, require_name, text_of
from .progress import progress

YEAR = 366 * 24 * 60  # minutes
MODE = (
    "sql: by reports. rest: one asset after the other, for a console that permits no reports; slow, and without the "
    "credentials of scans, so that a missing finding is no longer reported and never remediated."
)


def add(
    name: str,
    kind: Annotated[Literal["insightvm"], typer.Option(help="Which scanner it is.")],
    url: Annotated[str, typer.Option(help="https://console:3780")],
    user: Annotated[
        str, typer.Option(help="A user that may make reports; with --mode rest, one that sees all assets.")
    ],
    password_file: Annotated[Path, typer.Option(help="A file that holds the password.")],
    mode: Annotated[Literal["sql", "rest"], typer.Option(help=MODE)] = "sql",
    ca_file: Annotated[Optional[Path], typer.Option(help="The certificate authority of the console.")] = None,
    every: Annotated[
        int, typer.Option(min=0, max=YEAR, help="Minutes between two readings; 0: whenever one is due.")
    ] = 0,
    moved: Annotated[bool, typer.Option("--moved", help="It is the same console, at a new address.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A scanner whose findings are read; of the same name again, with other settings."""
    require_name(name, "source")
    _refuse_url(url)
    password = text_of(password_file).strip()
    if not password:
        raise Refused(f"{password_file} is empty.")
    if ca_file:
        text_of(ca_file)
    with opened(data):
        from ..store import models
        from ..store.secrets import seal

        known = models.Source.objects.filter(name=name).first()
        if known and known.kind != kind:
            raise Refused(f"The source {name!r} is a series of files. Give the console another name.")
        if not moved:
            _refuse_other_console(models.Source.objects.filter(name=name, snapshots__isnull=False).first(), url)
        # By it the reports are found that a killed reading has left there.
        mark = {"mark": known.settings["mark"]} if known and "mark" in known.settings else {}
        # Absolute, because others read it from other folders.
        trusted = str(ca_file.absolute()) if ca_file else ""
        settings = {"url": url, "user": user, "mode": mode, "ca_file": trusted, "every": every, **mark}
        models.Source.objects.update_or_create(
            name=name, defaults={"kind": kind, "settings": settings, "secret": seal(password)}
        )
        answer(as_json, {"name": name, "kind": kind}, f"Source {name!r} is {url}.")


def _refuse_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.username is not None:
        raise Refused("The address holds a user. Give it with --user, and the password with --password-file.")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Refused(f"{url!r} is no address of a console. Write it as https://console:3780.")
    try:
        _place(url)
    except ValueError:
        raise Refused(f"{url!r} has a port that is none. Write it as https://console:3780.") from None


def _place(url: str) -> tuple[str, int]:
    """Host and port. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return (parts.hostname or "").removesuffix("."), parts.port or (80 if parts.scheme == "http" else 443)


def _refuse_other_console(known: Any, url: str) -> None:
    """Consoles number their assets from 1: those of another one would be taken for assets that are known."""
    if known is not None and _place(known.settings["url"]) != _place(url):
        raise Refused(
            f"The source {known.name!r} was read from {known.settings['url']}, and what it said is kept. "
            "Give another console another name. If it is the same console at a new address, say so: --moved."
        )


def show(data: Data = None, as_json: AsJson = False) -> None:
    """The sources, when each was read or brought last, and how that ended."""
    with opened(data):
        from ..store import models

        rows = [_shown(source) for source in models.Source.objects.order_by("name")]
        lines = [f"{row['name']} ({row['kind']}): {_last_line(row['last'])}" for row in rows]
        answer(as_json, {"sources": rows}, "\n".join(lines or ["There is no source yet."]))


def _shown(source: Any) -> dict[str, Any]:
    newest = source.runs.order_by("-pk").values("kind", "started", "finished", "outcome", "detail").first()
    if newest is not None:
        newest["text"] = newest.pop("detail").get("text", "")
    return {"name": source.name, "kind": source.kind, "every": source.settings.get("every", 0), "last": newest}


def _last_line(last: dict[str, Any] | None) -> str:
    if last is None:
        return "never read"
    ended = f"{last['outcome']}. {last['text']}" if last["finished"] else "not ended"
    return f"{last['kind']} of {last['started']:%Y-%m-%d %H:%M} UTC: {ended}"


def remove(name: str, data: Data = None, as_json: AsJson = False) -> None:
    """Forget a source, and all that it ever said. Not while a project uses it."""
    with opened(data):
        from ..sources.reading import forget_reading
        from ..store import models
        from ..store.removal import InUse, remove_source

        row = one(models.Source.objects, name, "source")
        try:
            remove_source(row)
        except InUse as error:
            raise Refused(str(error)) from None
        forget_reading(row)
        answer(as_json, {"name": name}, f"Source {name!r} is removed.")


AcceptCoverage = Annotated[bool, typer.Option("--accept-coverage", help="Take in coverage that shrank as real.")]


def read(name: str, accept_coverage: AcceptCoverage = False, data: Data = None, as_json: AsJson = False) -> None:
    """Read a source now."""
    with opened(data):
        from ..jobs.work import read_source
        from ..store import models

        row = one(models.Source.objects, name, "source")
        with progress(name, as_json) as tell:
            ended = read_source(row, accept=accept_coverage, tell=tell)
        answer(as_json, ended.value, ended.text)


def import_file(
    file: Path,
    source: Annotated[str, typer.Option(help="The source that the file speaks for.")],
    kind: Annotated[
        Optional[Literal["insightvm-report"]], typer.Option(help="By the header where it is not given.")
    ] = None,
    coverage: Annotated[
        Literal["devices", "listed"], typer.Option(help="devices: all findings of the devices in it.")
    ] = "devices",
    clean: Annotated[
        Optional[list[str]], typer.Option(help="A device that the file should hold, and is clean.")
    ] = None,
    accept_coverage: AcceptCoverage = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in a file with the console's findings, as its snapshot query or the service's own report gives them.

    --coverage listed: what is not in the file may be there all the same. --clean can be given several times.
    """
    require_name(source, "source")
    with progress(file.name, as_json) as tell, opened(data):
        from ..jobs.imports import import_file as work

        ended = work(
            file, source, kind=kind or "", coverage=coverage, clean=clean or (), accept=accept_coverage, tell=tell
        )
    answer(as_json, ended.value, ended.text)
