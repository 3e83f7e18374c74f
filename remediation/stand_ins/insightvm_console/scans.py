"""The API's scans of a site: those that a client has asked for, and their statuses. Official unless said otherwise."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
from flask import Flask, Response, abort, jsonify, request
from psycopg.rows import DictRow, dict_row

from .assets import ABSENT, API, SITES, paged
from .settings import Settings
from .world import SCHEMA, TRUTH, World

# Of one that is not over. That these are those of a list of active scans is a guess.
ACTIVE = ("running", "paused", "dispatched", "integrating", "unknown")

SCANS: LiteralString = "SELECT * FROM asked_scan WHERE site = %(site)s ORDER BY scan_id"


def serve_scans(app: Flask, settings: Settings, world: World) -> None:
    """The routes, over a world."""

    @app.get(f"{API}/sites/<int:site>/scans")
    def scans(site: int) -> Response:
        # That the past ones are listed where nothing else is said is a guess.
        wants_active = request.args.get("active", "false") == "true"
        rows = _rows(world, SCANS, site=_name(world, site))
        return paged(settings, [_scan(row) for row in rows if (row["status"] in ACTIVE) == wants_active])

    @app.post(f"{API}/sites/<int:site>/scans")
    def start(site: int) -> Response:
        if settings.forbid_scans:
            abort(403, "Access is denied.")
        body = request.get_json(silent=True)
        name, hosts = (body.get("name"), body.get("hosts")) if isinstance(body, dict) else (None, None)
        # Without hosts the console scans the whole site, which the stand-in does not.
        if not isinstance(name, str) or not isinstance(hosts, list) or not hosts:
            abort(400, "A name and hosts are expected.")
        # That a second scan of a site is taken while one is running is a guess.
        response = jsonify(id=world.ask_scan(_name(world, site), name, hosts), links=[])
        response.status_code = 201
        return response


def _name(world: World, site: int) -> str:
    names = [row["name"] for row in _rows(world, SITES)]
    if not 1 <= site <= len(names):
        abort(404, ABSENT)
    return str(names[site - 1])


def _rows(world: World, query: LiteralString, **values: Any) -> list[DictRow]:
    path = f"-c search_path={SCHEMA},{TRUTH} -c timezone=UTC"
    with psycopg.connect(world.conninfo, options=path, row_factory=dict_row) as connection:
        return connection.execute(query, values).fetchall()


def _scan(row: DictRow) -> dict[str, Any]:
    """Seen live: the type begins with a capital."""
    started = f"{row['started'].isoformat(timespec='milliseconds')}Z"
    return {
        "id": row["scan_id"],
        "scanName": row["name"],
        "scanType": "Manual",
        "startTime": started,
        "status": row["status"],
    }
