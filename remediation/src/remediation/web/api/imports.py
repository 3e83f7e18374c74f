"""Imports: reports that programs send, and how far each is."""

# pylint: disable=unused-argument  # django-ninja gives each operation its request

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Path, Router, Schema
from pydantic import ConfigDict, Field

from ...jobs import uploads
from ...jobs.incoming import WrongPart
from ...jobs.report_tasks import ask_to_take_in
from ...sources.report_csv import LARGEST
from ...sources.report_file import Holds
from ...store import audit, models
from ...store.listing import Column, Filter, Listing
from ..imports.form import ReportForm
from ..imports.sending import LONGEST_NAME
from ..reports.api import part_of
from ..roles import ANALYST, VIEWER
from .lists import JsonColumn, Number, Page, by_number, listed, one_of, parameters_of
from .operations import key_of, operation
from .problems import Refused, not_there, not_understood

router = Router(tags=["imports"])
State = models.Upload.State
_IMPORTS = by_number(
    Listing(
        name="imports",
        rows="store_upload AS upload",
        key="upload.id",
        columns=(
            Column("who", "Who", "upload.who"),
            Column("made", "Begun", "upload.made"),
            Column("name", "File", "upload.name"),
            Column("size", "Size", "upload.size"),
            Column("source", "Source", "nullif(upload.source, '')"),
            Column("state", "State", "upload.state"),
            Column("told", "What it says", "upload.told"),
            Column("result", "Result", "upload.result"),
        ),
        filters=(
            Filter("state", "State", "upload.state = ANY(%(state)s)", "choices", State.choices),
            Filter("source", "Name of the source", "upload.source = %(source)s"),
        ),
    )
)
_BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_RANGE = {
    "name": "Content-Range",
    "in": "header",
    "required": False,
    "description": "bytes FIRST-LAST/SIZE; without it, the body is the whole report.",
    "schema": {"type": "string", "pattern": r"^bytes [0-9]{1,15}-[0-9]{1,15}/[0-9]{1,15}$"},
}


class Import(Schema):
    """A report, from its first byte until it is taken in."""

    id: int
    who: str = Field(description="The API key or the user who sent it")
    made: datetime
    name: str
    size: int = Field(description="Bytes")
    source: str | None
    state: str = Field(description=", ".join(State.values))
    told: str = Field(description="How far the work is, or how it ended")
    result: JsonColumn = Field(description="What it has changed, once it is done")


class Report(Schema):
    """What a program says of a report that it is about to send: the fields of the page Import."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00]+$")]
    size: Annotated[int, Field(ge=1, le=LARGEST, description="Bytes")]
    source: Annotated[str, Field(description="The series that it belongs to; a new name begins one")]
    coverage: Holds = Field(Holds.LISTED, description="Whether it holds all findings of its devices, or only some")
    severities: list[str] = Field([], description="Only these, if it was made with a filter")
    vendors: str = Field("", description="Only these, with commas between")
    sites: str = Field("", description="Only these, with commas between")
    clean_hosts: str = Field("", description="Devices that it should hold and that are clean, with commas between")


class Sent(Schema):
    """How much of a report has come."""

    id: int
    have: int = Field(description="Bytes that are there: the next part begins with this one")
    whole: bool


@operation(router, "GET", "", role=VIEWER, answer=Page[Import], parameters=parameters_of(_IMPORTS))
def list_imports(request: HttpRequest) -> dict[str, Any]:
    """What was sent here or in a browser and is not forgotten; runs of the kind ``import`` tell of all others too."""
    return listed(request, _IMPORTS)


@operation(router, "GET", "/{number}", role=VIEWER, answer=Import, refusals=[404])
def get_import(request: HttpRequest, number: Path[Number]) -> dict[str, Any]:
    """One import."""
    return one_of(_IMPORTS, number, "import")


@operation(router, "POST", "", role=ANALYST, answer={201: Sent})
def begin_import(request: HttpRequest, report: Report) -> dict[str, Any]:
    """Say what a report is that follows in one or several parts. It is taken in when it is whole."""
    form = ReportForm({**report.dict(), "coverage": report.coverage.value})
    if not form.is_valid():
        raise not_understood(" ".join(str(text) for texts in form.errors.values() for text in texts))
    source = form.cleaned_data["source"].strip()
    made = models.Upload.objects.create(
        who=str(key_of(request)), name=report.name, size=report.size, source=source, options=form.options()
    )
    return {"id": made.pk, "have": 0, "whole": False}


@operation(
    router,
    "PUT",
    "/{number}/content",
    role=ANALYST,
    answer={202: Sent},
    refusals=[404, 409, 413, 507],
    body=_BODY,
    headers=[_RANGE],
)
def send_part(request: HttpRequest, number: Path[Number]) -> dict[str, Any]:
    """Send a part of at most a mebibyte, or the whole. A part that is there already is not added again."""
    upload = models.Upload.objects.filter(pk=number, who=str(key_of(request))).first()
    if upload is None:
        raise not_there("import of this key")
    if upload.state not in (State.SENDING, State.SENT):
        raise Refused(409, "This report is whole, or it was stopped.", "Look at its state.")
    try:
        start, size = part_of(request)
        if size != upload.size:
            raise ValueError("The size is not the one that was told when it began.")
        whole = uploads.add_part(upload, start, request.body)
    except WrongPart as error:
        raise Refused(409, "There is a gap before this part.", f"Go on with byte {error.have}.") from None
    except ValueError as error:
        raise not_understood(str(error)) from None
    except OSError as error:
        cause = f"The report cannot be kept: {error.strerror}."
        raise Refused(507, cause, "Have an administrator look at the disk of the service.") from None
    if whole:
        _take_in(upload)
    return {"id": upload.pk, "have": uploads.have(upload), "whole": whole}


@transaction.atomic
def _take_in(upload: models.Upload) -> None:
    """Ask for the work on a report that is whole, unless somebody, or a part that came twice, was faster."""
    rows = models.Upload.objects.filter(pk=upload.pk, state=State.SENT)
    if rows.update(state=State.IMPORTING, told="It waits in the queue."):
        coverage = upload.options.get("coverage")
        audit.record(upload.who, "report taken in", upload.source, file=upload.name, coverage=coverage)
        ask_to_take_in(upload)
