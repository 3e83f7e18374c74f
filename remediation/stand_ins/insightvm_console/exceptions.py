"""The API's vulnerability exceptions of one asset each: list, create, read, recall, delete, judge, and when they end.

Official unless said otherwise. Other scopes than an asset are refused: a test device of ours. So that a client that
relies on the console notices, a second exception for the same asset and vulnerability is taken: a guess.
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any, LiteralString

import psycopg
from flask import Flask, Response, abort, jsonify, request
from psycopg.rows import DictRow, dict_row

from .assets import ABSENT, API, paged
from .settings import Settings
from .world import SCHEMA, TRUTH, World

REASONS = ("False Positive", "Compensating Control", "Acceptable Use", "Acceptable Risk", "Other")
# By the letter of the table. Seen live: lower case.
STATES = {"U": "under review", "A": "approved", "R": "rejected", "E": "expired", "D": "deleted"}

EXCEPTIONS: LiteralString = """
SELECT vulnerability_exception_id AS id, nexpose_id, asset_id, status_id, dim_exception_reason.description AS reason, submitted_by,
    reviewed_by, submitted_date, expiration_date, submitted, reviewed
FROM dim_vulnerability_exception
JOIN dim_vulnerability USING (vulnerability_id)
JOIN dim_exception_reason USING (reason_id)
LEFT JOIN exception_comment USING (vulnerability_exception_id)
WHERE %(number)s::int IS NULL OR vulnerability_exception_id = %(number)s
ORDER BY vulnerability_exception_id
"""


def serve_exceptions(app: Flask, settings: Settings, world: World) -> None:
    """The routes, over a world."""

    @app.get(f"{API}/vulnerability_exceptions")
    def exceptions() -> Response:
        return paged(settings, [_exception(row) for row in _rows(world)])

    @app.post(f"{API}/vulnerability_exceptions")
    def submit() -> Response:
        body = request.get_json(silent=True)
        _require_right(settings)
        scope, submitted = _part(body, "scope"), _part(body, "submit")
        if str(scope.get("type")).lower() != "asset" or str(submitted.get("reason")) not in REASONS:
            abort(400, "An exception of one asset, with one of the known reasons, is expected.")
        expires = _day(body.get("expires"), world.now) if body.get("expires") else None
        try:
            number = world.except_(
                int(scope["id"]),
                str(scope.get("vulnerability")),
                submitted["reason"],
                expires,
                settings.user,
                str(submitted.get("comment") or ""),
            )
        except (KeyError, ValueError, TypeError):
            abort(400, "An asset's number is expected.")
        except LookupError:
            abort(404, ABSENT)
        if settings.approves_at_once:
            # Official: in these words.
            world.approve(number, settings.user, "Auto approved by submitter.")
        response = jsonify(id=number, links=[])
        response.status_code = 201
        return response

    _serve_changes(app, settings, world)


def _serve_changes(app: Flask, settings: Settings, world: World) -> None:
    @app.get(f"{API}/vulnerability_exceptions/<int:number>")
    def exception(number: int) -> Response:
        return jsonify(**_exception(_one(world, number)), links=[])

    @app.delete(f"{API}/vulnerability_exceptions/<int:number>")
    def delete_exception(number: int) -> Response:
        _require_right(settings)
        _one(world, number)
        world.delete_exception(number)
        return jsonify(links=[])

    @app.get(f"{API}/vulnerability_exceptions/<int:number>/expires")
    def expires(number: int) -> Response:
        return jsonify(_exception(_one(world, number)).get("expires"))

    @app.put(f"{API}/vulnerability_exceptions/<int:number>/expires")
    def extend(number: int) -> Response:
        _require_right(settings)
        _one(world, number)
        world.extend(number, _day(request.get_json(silent=True), world.now))
        return jsonify(links=[])

    @app.post(f"{API}/vulnerability_exceptions/<int:number>/<any(recall, approve, reject):verb>")
    def judge(number: int, verb: str) -> Response:
        _require_right(settings)
        row = _one(world, number)
        if verb == "recall":
            world.recall(number)
        elif row["status_id"] != "U":
            abort(400, "The exception is not under review.")
        else:
            said = request.get_json(silent=True)
            (world.approve if verb == "approve" else world.reject)(number, settings.user, said)
        return jsonify(links=[])


def _rows(world: World, number: int | None = None) -> list[DictRow]:
    path = f"-c search_path={SCHEMA},{TRUTH} -c timezone=UTC"
    with psycopg.connect(world.conninfo, options=path, row_factory=dict_row) as connection:
        return connection.execute(EXCEPTIONS, {"number": number}).fetchall()


def _one(world: World, number: int) -> DictRow:
    rows = _rows(world, number)
    if not rows:
        abort(404, ABSENT)
    return rows[0]


def _require_right(settings: Settings) -> None:
    if settings.forbid_exceptions:
        abort(403, "Access is denied.")


def _part(body: Any, name: str) -> dict[str, Any]:
    part = body.get(name) if isinstance(body, dict) else None
    if not isinstance(part, dict):
        abort(400, f"The body is expected to have an object {name}.")
    return part


def _day(text: Any, now: datetime) -> date:
    """The day of a time that is yet to come."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        abort(400, "A time is expected.")
    if (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) <= now:
        abort(400, "The time has to be yet to come.")
    return moment.date()


def _exception(row: DictRow) -> dict[str, Any]:
    """Seen live: words are in lower case. That what is not there is absent is a guess."""
    judged = {"name": row["reviewed_by"], "comment": row["reviewed"] or ""}
    told = {
        "id": row["id"],
        "scope": {"type": "asset", "id": row["asset_id"], "vulnerability": row["nexpose_id"]},
        "submit": {
            "name": row["submitted_by"],
            "reason": row["reason"].lower(),
            "comment": row["submitted"] or "",
            "date": f"{row['submitted_date'].isoformat(timespec='milliseconds')}Z",
        },
        "state": STATES[row["status_id"]],
    }
    if row["expiration_date"]:
        told["expires"] = f"{row['expiration_date'].isoformat()}T00:00:00.000Z"
    return {**told, "review": judged} if row["reviewed_by"] else told
