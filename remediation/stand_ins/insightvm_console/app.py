"""The console's API: refusals and reports; the rest is in ``assets``. Official unless said otherwise."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from time import sleep
from typing import Any

from flask import Flask, Response, abort, jsonify, request

from .assets import serve_assets
from .exceptions import serve_exceptions
from .reports import Instance, Report, Reports, execute
from .scans import serve_scans
from .settings import Settings
from .world import World

API = "/api/3"
ABSENT = "The resource does not exist or access is prohibited."
# That a second factor is asked for in these words is a guess.
SECOND_FACTOR = "Two-factor authentication is required: supply the header Token."
STATUSES = {"vulnerable", "vulnerable-version", "potentially-vulnerable"}


def build_app(settings: Settings, reports: Reports, world: World) -> Flask:
    """The routes, over settings, reports and a world that others may change."""
    app = Flask(__name__)
    app.before_request(lambda: _refusal(settings))
    for code in (400, 403, 404, 405, 406):
        app.register_error_handler(code, lambda error: _error(error.code, error.description))

    @app.post(f"{API}/reports")
    def create() -> Response:
        number = reports.add(_report(request.get_json(silent=True)))
        sleep(settings.created_after)
        return _created(number)

    @app.get(f"{API}/reports")
    def listed() -> Response:
        page, size = request.args.get("page", 0, int), request.args.get("size", 10, int)
        if settings.report_list is not None:
            return jsonify(settings.report_list)
        rows = [{"id": number, "name": report.name} for number, report in reports.by_number.items()]
        return jsonify(resources=rows[page * size : (page + 1) * size], page=_page(page, size, len(rows)), links=[])

    @app.delete(f"{API}/reports/<int:number>")
    def delete(number: int) -> Response:
        if reports.by_number.pop(number, None) is None:
            abort(404, ABSENT)
        return jsonify(links=[])

    @app.after_request
    def answered(response: Response) -> Response:
        if settings.after_answer is not None:
            settings.after_answer(request.full_path.removeprefix(API))
        return _lost(response) if _is_next(settings.lost_answers) else response

    _serve_runs(app, settings, reports, world.conninfo)
    serve_assets(app, settings, world.conninfo)
    serve_exceptions(app, settings, world)
    serve_scans(app, settings, world)
    return app


def _serve_runs(app: Flask, settings: Settings, reports: Reports, conninfo: str) -> None:
    @app.post(f"{API}/reports/<int:number>/generate")
    def generate(number: int) -> Response:
        report = _found(reports.by_number, number)
        output = None
        if not _named(report, settings.failing):
            output = execute(conninfo, report, settings.statement_timeout)
        run = reports.generate(number, Instance(output, settings.polls_until_ready))
        if settings.after_report is not None:
            settings.after_report(report.name)
        return _created(run)

    @app.get(f"{API}/reports/<int:number>/history/<int:run>")
    def history(number: int, run: int) -> Response:
        instance = _found(_found(reports.by_number, number).instances, run)
        if instance.polls_left > 0:
            instance.polls_left -= 1
            return jsonify(id=run, status="running", links=[])
        return jsonify(id=run, status=settings.fails_as if instance.output is None else "complete", links=[])

    @app.get(f"{API}/reports/<int:number>/history/<int:run>/output")
    def output(number: int, run: int) -> Response:
        report = _found(reports.by_number, number)
        instance = _found(report.instances, run)
        if "text/csv" not in request.headers.get("Accept", ""):
            abort(406, "Not acceptable")
        if instance.output is None or instance.polls_left > 0:
            abort(404, ABSENT)
        return _output(settings, report, instance.output)


def _refusal(settings: Settings) -> Response | None:
    given = request.authorization
    if settings.busy > 0:
        settings.busy -= 1
        return _error(503, "The service is busy.")
    if given is None or (given.username, given.password) != (settings.user, settings.password):
        return _error(401, "Unauthorized")
    if settings.wants_second_factor and "Token" not in request.headers:
        return _error(401, SECOND_FACTOR)
    path = request.path.removeprefix(API)
    if settings.forbid_reports if path.startswith("/reports") else settings.forbid_assets:
        return _error(403, "Access is denied.")
    if any(re.fullmatch(hidden, path) for hidden in settings.hidden):
        return _error(404, ABSENT)
    if _is_next(settings.failing_routes):
        return _error(500, "The server failed.")
    return None


def _is_next(left: dict[str, int]) -> bool:
    """Whether this request is one of those that are counted down; it is counted."""
    path = request.path.removeprefix(API)
    for name, count in left.items():
        if count > 0 and (re.fullmatch(name, path) or re.fullmatch(name, f"{request.method} {path}")):
            left[name] = count - 1
            return True
    return False


def _lost(response: Response) -> Response:
    """The connection breaks off: more is promised than comes."""
    whole = len(response.get_data())
    response.automatically_set_content_length = False
    response.headers["Content-Length"] = str(whole + 100)
    return response


def _error(status: int, message: str) -> Response:
    response = jsonify(status=str(status), message=message, links=[])
    response.status_code = status
    return response


def _created(number: int) -> Response:
    """Official: 200. Seen live: 201."""
    response = jsonify(id=number, links=[])
    response.status_code = 201
    return response


def _page(number: int, size: int, total: int) -> dict[str, int]:
    return {"number": number, "size": size, "totalResources": total, "totalPages": -(-total // size)}


def _report(body: Any) -> Report:
    """The report that a request asks for. Scopes and filters are not imitated, so they are refused."""
    if not isinstance(body, dict) or body.get("format") != "sql-query" or body.get("version") != "2.3.0":
        abort(400, "A report in the format sql-query of version 2.3.0 is expected.")
    filters = body.get("filters") or {}
    if (
        body.get("scope")
        or filters.get("severity", "all") != "all"
        or STATUSES - set(filters.get("statuses", STATUSES))
    ):
        abort(400, "The stand-in has no scopes and filters.")
    if not body.get("name") or not body.get("query"):
        abort(400, "A name and a query are expected.")
    # That a report without a time zone is in another than UTC is a guess; it makes a client that forgets it notice.
    return Report(body["name"], body["query"], body.get("timezone") or "America/New_York")


def _found(things: dict[int, Any], number: int) -> Any:
    if number not in things:
        abort(404, ABSENT)
    return things[number]


def _named(report: Report, word: str | None) -> bool:
    return word is not None and word in report.name


def _drip() -> Iterator[bytes]:
    while True:
        yield b"x"
        sleep(0.01)


def _output(settings: Settings, report: Report, data: bytes) -> Response:
    if _named(report, settings.dripping):
        return Response(_drip(), mimetype="text/csv")
    cut = settings.cut if _named(report, settings.cut_off) else None
    whole = len(data)
    if _named(report, settings.other_header):
        data = b"surprise," + data
    if cut == "clean":
        data = data[: data.rindex(b"\n", 0, -1) + 1]
    if settings.gzip:
        data = gzip.compress(data)
    if cut == "line":
        data = data[:-20]
    response = Response(data[: len(data) // 2] if cut == "connection" else data, mimetype="text/csv")
    if settings.gzip == "encoding":
        response.headers["Content-Encoding"] = "gzip"
    if cut == "connection":
        # More is promised than comes.
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(whole + len(data))
    return response
