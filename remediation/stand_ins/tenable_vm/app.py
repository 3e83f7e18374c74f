"""The API: refusals, exports and chunks. Official unless said otherwise."""

from __future__ import annotations

import re
import socket
from typing import Any

from flask import Flask, Response, jsonify, request

from .exports import Export, Exports
from .settings import Settings

EXPORTS = "/vulns/export"


def build_app(settings: Settings, exports: Exports) -> Flask:
    """The routes, over settings and exports that others may change."""
    app = Flask(__name__)
    recent: list[float] = []
    app.before_request(lambda: _too_many(settings, recent) or _refusal(settings) or _fault(settings))

    @app.post(EXPORTS)
    def create() -> Response:
        return _create(settings, exports)

    @app.get(f"{EXPORTS}/status")
    def listed() -> Response:
        return jsonify(exports=[_listed(export) for export in reversed(exports.by_uuid.values())])

    _serve_export(app, settings, exports)
    return app


def _serve_export(app: Flask, settings: Settings, exports: Exports) -> None:
    @app.get(f"{EXPORTS}/<uuid>/status")
    def status(uuid: str) -> Response:
        if uuid not in exports.by_uuid:
            return _error(404, "Not Found")
        export = exports.by_uuid[uuid]
        exports.go_on(export)
        return jsonify(_status(settings, export))

    @app.post(f"{EXPORTS}/<uuid>/cancel")
    def cancel(uuid: str) -> Response:
        if uuid not in exports.by_uuid:
            return _error(404, "Not Found")
        if not exports.by_uuid[uuid].is_running:
            return _error(400, "Bad Request")
        exports.by_uuid[uuid].status = "CANCELLED"
        return jsonify(status="CANCELLED")

    @app.get(f"{EXPORTS}/<uuid>/chunks/<int:number>")
    def chunk(uuid: str, number: int) -> Response:
        if uuid not in exports.by_uuid or number in settings.expired:
            return _error(404, "Not Found")
        if number not in exports.by_uuid[uuid].available or number in settings.unready:
            return _error(400, "Bad Request")
        return _chunk(settings, exports.by_uuid[uuid], number)


def _too_many(settings: Settings, recent: list[float]) -> Response | None:
    if settings.requests_a_minute is None:
        return None
    now = settings.clock()
    recent[:] = [moment for moment in recent if moment > now - 60]
    if len(recent) < settings.requests_a_minute:
        recent.append(now)
        return None
    return _busy(settings, (recent[0] if recent else now) + 60 - now)


def _busy(settings: Settings, seconds: float) -> Response:
    response = Response("<html><title>429 Too Many Requests</title></html>", 429, mimetype="text/html")
    told = str(-int(-seconds // 1)) if settings.retry_after is None else settings.retry_after
    if told:
        response.headers["Retry-After"] = told
    return response


def _refusal(settings: Settings) -> Response | None:
    if request.headers.get("X-ApiKeys") != f"accessKey={settings.access_key};secretKey={settings.secret_key}":
        return _error(401, "Unauthorized")
    if not settings.may_export:
        return _error(403, "Forbidden")
    return None


def _fault(settings: Settings) -> Response | None:
    if settings.redirect:
        return Response(status=307, headers={"Location": settings.redirect + request.path})
    if settings.hanging and re.fullmatch(settings.hanging, request.path):
        settings.released.wait()
    if _is_due(settings.breaking):
        return _broken()
    if _is_due(settings.failing):
        return _error(503, "Service Unavailable")
    for path, content in settings.answers.items():
        if re.fullmatch(path, request.path):
            return Response(content, mimetype="application/json")
    return None


def _is_due(faults: dict[str, int]) -> bool:
    for path, left in faults.items():
        if left > 0 and re.fullmatch(path, request.path):
            faults[path] = left - 1
            return True
    return False


def _broken() -> Response:
    """Close the connection, so that this answer does not arrive."""
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response()


def _error(status: int, word: str) -> Response:
    response = jsonify(statusCode=status, error=word, message=f"{word}.")
    response.status_code = status
    return response


def _create(settings: Settings, exports: Exports) -> Response:
    body = request.get_json(silent=True)
    filters = body.get("filters", {}) if isinstance(body, dict) else None
    if not isinstance(filters, dict) or filters.keys() - {"since", "state", "severity"}:
        # Other filters are not imitated, so they are refused.
        return _error(400, "Bad Request")
    if any(not isinstance(filters.get(name, []), list) for name in ("state", "severity")):
        return _error(400, "Bad Request")
    outcome = settings.creations.pop(0) if settings.creations else "answered"
    if outcome == "unheard":
        return _broken()
    twin = exports.like(filters)
    if twin is not None:
        response = jsonify(
            active_job_id=twin.uuid,
            failure_reason="The request could not be completed due to a conflict with the ongoing export",
        )
        response.status_code = 409
        return response
    if len(exports.running()) >= 2:
        return _busy(settings, 30)
    export = exports.add(filters, int(body.get("num_assets", 50)))
    if outcome == "lost":
        return _broken()
    return jsonify(export_uuid=export.uuid)


def _listed(export: Export) -> dict[str, Any]:
    """Severities in capitals, as the documentation's examples have them."""
    filters = dict(export.filters)
    if "severity" in filters:
        filters["severity"] = [word.upper() for word in filters["severity"]]
    return {
        "uuid": export.uuid,
        "status": export.status,
        "filters": {"since": 0, "first_found": 0, "last_found": 0, "last_fixed": 0, **filters},
        "num_assets_per_chunk": export.assets_in_chunk,
        "created": int(export.created.timestamp() * 1000),
    }


def _status(settings: Settings, export: Export) -> dict[str, Any]:
    available = [number for number in export.available if number not in settings.failed | settings.unlisted]
    failed = sorted(settings.failed & set(export.available))
    told: dict[str, Any] = {
        **_listed(export),
        "chunks_available": available + sorted(settings.listed_twice & set(available)),
        "chunks_failed": failed,
        "chunks_cancelled": [],
    }
    if settings.tells_totals:
        empty = sum(export.chunks[number] == b"[]" for number in export.chunks)
        told |= {"total_chunks": len(export.chunks), "finished_chunks": len(available), "empty_chunks_count": empty}
    if export.status == "ERROR" or failed:
        told["reason"] = settings.reason
    return told


def _chunk(settings: Settings, export: Export, number: int) -> Response:
    data = export.chunks[min(export.chunks) if number in settings.repeated else number]
    if settings.cut_cleanly.get(number, 0) > 0:
        settings.cut_cleanly[number] -= 1
        data = data[: len(data) // 2]
    response = Response(data, mimetype="application/octet-stream")
    if settings.cut.get(number, 0) > 0:
        settings.cut[number] -= 1
        # More is promised than comes.
        response = Response(data[: len(data) // 2], mimetype="application/octet-stream")
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(len(data))
    return response
