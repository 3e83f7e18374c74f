"""The commands about sources: ``source add``, ``list``, ``remove`` and ``read``, ``import``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import click
import typer

from .approvals import approver
from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, require_name, text_of
from .progress import progress

if TYPE_CHECKING:
    from ..sources.any_report import ReportOptions

YEAR = 366 * 24 * 60  # minutes
MODE = (
    "sql: by reports. rest: one asset after the other, for a console that permits no reports; slow, and without the "
    "credentials of scans, so that a missing finding is no longer reported and never remediated."
)

Kind = Literal["insightvm", "insightvm-cloud", "tenable-vm"]
USER = (
    "A user that may make reports; with --mode rest, one that sees all assets. Of tenable-vm: the access key, of a "
    "user who may export all vulnerabilities."
)
# Where a detail of a scanner is given.
_OPTIONS = {
    "name": "the first argument",
    "kind": "--kind",
    "url": "--url, and --moved for the same one at a new address",
    "region": "--region",
    "user": "--user",
    "ca": "--ca-file",
}
COVERAGE = "listed: only what is listed is known. devices: all findings of the devices in it, within the filter given."
MAP_FORM = "--map host_name=COLUMN"
MAP = "For a CSV of no known format: FIELD=COLUMN, as in host_name=Server. The source remembers it."


def add(
    name: str,
    kind: Annotated[Kind, typer.Option(help="Which scanner it is.")],
    password_file: Annotated[Path, typer.Option(help="A file with the password, the API key or the secret key.")],
    url: Annotated[str, typer.Option(help="https://console:3780; of a cloud, where it is not the usual one.")] = "",
    region: Annotated[str, typer.Option(help="Of insightvm-cloud: us, us2, us3, eu, ca, au, ap, aps2, me1.")] = "",
    user: Annotated[str, typer.Option(help=USER)] = "",
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
    password = text_of(password_file).strip()
    if not password:
        raise Refused(f"{password_file} is empty.")
    trusted = text_of(ca_file) if ca_file else ""
    with opened(data):
        from ..sources.scanner import Details, Unfit, store_scanner, usual_url
        from ..store import models
        from ..store.versions import ChangedMeanwhile

        try:
            details = Details(name, kind, url or usual_url(kind, region), user, mode, every, trusted)
            store_scanner(details, password, models.Source.objects.filter(name=name).first(), moved=moved)
        except Unfit as error:
            raise Refused(f"{error} ({_OPTIONS[error.field]})") from None
        except ChangedMeanwhile as error:
            raise Refused(str(error)) from None
        answer(as_json, {"name": name, "kind": kind}, f"Source {name!r} is {details.url}.")


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


def exceptions(
    name: str,
    most: Annotated[
        Optional[int], typer.Option(min=0, max=10_000, help="How many one run may ask for; more waits for an approver.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Ask for none. Those that there are stay as they are.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let accepted risks be sent to a console, as vulnerability exceptions that somebody there has to approve."""
    if off and most is not None:
        raise Refused("Give --most or --off, not both.")
    with opened(data):
        from ..sources.excepting import USUAL_MOST, set_most
        from ..store import models

        row = one(models.Source.objects, name, "source")
        allowed = None if off else USUAL_MOST if most is None else most
        set_most(row, allowed, approver())
        text = "are not sent to it" if allowed is None else f"are sent to it, {allowed} in a run at most"
        answer(as_json, {"name": name, "most": allowed}, f"Accepted risks of {name!r} {text}.")


AcceptCoverage = Annotated[
    bool, typer.Option("--accept-coverage", help="Take in as real: coverage that shrank, an old file's content again.")
]


def read(name: str, accept_coverage: AcceptCoverage = False, data: Data = None, as_json: AsJson = False) -> None:
    """Read a source now."""
    with opened(data):
        from ..jobs.work import read_source
        from ..store import models

        row = one(models.Source.objects, name, "source")
        with progress(name, as_json) as tell:
            ended = read_source(row, accept=accept_coverage, tell=tell)
        answer(as_json, ended.value, ended.text)


def _known_kind(kind: str | None) -> str | None:
    from ..sources.any_report import KINDS

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(map(repr, KINDS))}.")
    return kind


def _known_severities(words: list[str] | None) -> list[str] | None:
    from ..domain.snapshot import SEVERITIES

    if unknown := sorted({word.lower() for word in words or ()} - set(SEVERITIES)):
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(map(repr, SEVERITIES))}.")
    return words


FileKind = Annotated[
    Optional[str], typer.Option(help="The kind of file; by its content where it is not given.", callback=_known_kind)
]
OnlySeverity = Annotated[
    Optional[list[str]], typer.Option(help="The report's filter: a severity.", callback=_known_severities)
]
OnlyVendor = Annotated[Optional[list[str]], typer.Option(help="The report's filter: a vendor's name.")]
OnlySite = Annotated[Optional[list[str]], typer.Option(help="The report's filter: a site.")]
BadRows = Annotated[
    float, typer.Option(min=0, max=100, help="Percent of rows that may be unusable before a file is refused.")
]


def import_file(
    file: Path,
    source: Annotated[str, typer.Option(help="The source that the file speaks for.")],
    kind: FileKind = None,
    coverage: Annotated[Optional[Literal["listed", "devices"]], typer.Option(help=COVERAGE)] = None,
    only_severity: OnlySeverity = None,
    only_vendor: OnlyVendor = None,
    only_site: OnlySite = None,
    column: Annotated[Optional[list[str]], typer.Option("--map", help=MAP)] = None,
    bad_rows: BadRows = 5.0,
    errors: Annotated[Optional[Path], typer.Option(help="A new CSV file for all that was wrong with rows.")] = None,
    clean: Annotated[
        Optional[list[str]], typer.Option(help="A device that the file should hold, and is clean.")
    ] = None,
    accept_coverage: AcceptCoverage = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in a scanner's report: CSV, .nessus or Nexpose XML, also compressed with gzip.

    Options that can be given several times: --clean, --map and each filter.
    """
    require_name(source, "source")
    if errors and (errors.exists() or not errors.parent.is_dir()):
        raise Refused(f"{errors} is there already, or its folder is not. Name a new file.")
    holds = coverage or _asked_coverage(as_json)
    with progress(file.name, as_json) as tell, opened(data):
        from ..jobs.imports import import_file as work

        options = _options(kind, holds, (only_severity, only_vendor, only_site), column or (), bad_rows)
        ended = work(file, source, options, clean=clean or (), accept=accept_coverage, errors_to=errors, tell=tell)
    answer(as_json, ended.value, ended.text)


def watch(
    name: str,
    folder: Annotated[Optional[Path], typer.Argument(help="Where reports are put; leave it out with --stop.")] = None,
    kind: FileKind = None,
    coverage: Annotated[Literal["listed", "devices"], typer.Option(help=COVERAGE)] = "listed",
    only_severity: OnlySeverity = None,
    only_vendor: OnlyVendor = None,
    only_site: OnlySite = None,
    bad_rows: BadRows = 5.0,
    stop: Annotated[bool, typer.Option("--stop", help="Watch it no longer.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in each report that is put into a folder. What was taken in is moved to its subfolder done, what was not to
    refused, with the reason beside it. A worker does it: remediation serve, or remediation worker."""
    require_name(name, "source")
    if stop == bool(folder):
        raise Refused("Name a folder, or say --stop.")
    with opened(data):
        from ..jobs.watched_folder import refuse_folder, watching
        from ..sources.any_report import KINDS
        from ..store import models
        from ..store.json_keys import change_keys

        if not folder:
            change_keys(one(models.Source.objects, name, "source"), "settings", {}, without=("watch",))
            answer(as_json, {"name": name}, f"No folder of {name!r} is watched.")
            return
        refuse_folder(folder, name)
        options = _options(kind, coverage, (only_severity, only_vendor, only_site), (), bad_rows)
        row, _ = models.Source.objects.get_or_create(name=name, defaults={"kind": ""})
        if row.kind and row.kind not in KINDS:
            raise Refused(f"The source {name!r} is no series of files, but {row.kind}. Give files their own source.")
        change_keys(row, "settings", {"watch": watching(options, folder.absolute())})
        answer(as_json, row.settings["watch"], f"What is put into {folder.absolute()} is taken in as {name!r}.")


def token(name: str, data: Data = None, as_json: AsJson = False) -> None:
    """Make the token with which programs send reports into a watched folder: PUT /api/reports/FILE.

    It is shown once, and the one before is worth nothing any more.
    """
    with opened(data):
        from ..jobs.incoming import new_token
        from ..store import models

        row = one(models.Source.objects, name, "source")
        if "watch" not in row.settings:
            raise Refused(f"No folder of {name!r} is watched, so reports would lie there: remediation source watch.")
        made = new_token(row)
        answer(as_json, {"token": made}, made)


def export(name: str, file: Path, data: Data = None, as_json: AsJson = False) -> None:
    """Write what a source said last to a new CSV file, with its findings, in the form that import reads back."""
    with opened(data):
        from ..sources.report_export import exported
        from ..store import models
        from ..store.bulk import load_snapshot

        row = one(models.Source.objects, name, "source")
        newest = row.snapshots.filter(frames__isnull=False).order_by("-pk").values_list("pk", flat=True).first()
        if newest is None:
            raise Refused(f"Nothing is kept of what {name!r} said.")
        rows = exported(load_snapshot(newest))
        try:
            with file.open("xb") as new:
                rows.write_csv(new)
        except FileExistsError:
            raise Refused(f"{file} cannot be written: it is there already.") from None
        except OSError as error:
            file.unlink(missing_ok=True)
            raise Refused(f"{file} cannot be written: {error.strerror or type(error).__name__}.") from None
        answer(as_json, {"rows": rows.height}, f"{rows.height} findings are in {file}.")


def naming(
    name: str,
    suffix: Annotated[
        Optional[list[str]], typer.Option(help="A domain that is left out of host names; an empty one: none.")
    ] = None,
    alias: Annotated[Optional[list[str]], typer.Option(help="OLD=NEW: two names of one machine.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Tell or change by which rules a source names its machines: give all of them, or none to see them.

    By them, its machines are one device with those of other sources at once. The assets of a series of files are named
    by them from the next file on.
    """
    with opened(data):
        from ..store import models
        from ..store.devices import regroup
        from ..store.source_naming import store_naming

        row = one(models.Source.objects, name, "source")
        if suffix is not None or alias is not None:
            try:
                store_naming(row, pairs(alias or (), "--alias OLD=NEW"), suffix or ())
            except ValueError as error:
                raise Refused(str(error)) from None
            regroup()
        rules = row.settings.get("naming", {"suffixes": [], "aliases": {}})
        lines = [f"without the domain {one}" for one in rules["suffixes"]]
        lines += [f"{old} is {new}" for old, new in sorted(rules["aliases"].items())]
        answer(as_json, rules, "\n".join(lines or ["Host names are compared without regard to case only."]))


def _asked_coverage(as_json: bool) -> str:
    """What a person at a terminal says that the file holds; nobody is asked elsewhere, and the cautious one counts."""
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "listed"
    return str(typer.prompt(COVERAGE, type=click.Choice(["listed", "devices"]), default="listed", err=True))


def _options(
    kind: str | None, coverage: str, only: Sequence[list[str] | None], columns: Iterable[str], bad_rows: float
) -> ReportOptions:
    from ..domain.snapshot import Only
    from ..sources.any_report import ReportOptions as Options
    from ..sources.report_file import Holds

    severities, vendors, sites = (tuple(words or ()) for words in only)
    severities = tuple(word.lower() for word in severities)
    mapping = pairs(columns, MAP_FORM)
    return Options(
        Holds(coverage), kind or "", Only(severities, vendors, sites), mapping=mapping, most_left_out=bad_rows / 100
    )


def pairs(texts: Iterable[str], form: str) -> dict[str, str]:
    """Texts like A=B, by their first part."""
    found = {}
    for text in texts:
        first, sign, second = text.partition("=")
        if not (sign and first.strip() and second.strip()):
            raise Refused(f"{text!r} is not of the form {form}.")
        found[first.strip()] = second.strip()
    return found
