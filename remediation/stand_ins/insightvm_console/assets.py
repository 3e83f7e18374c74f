"""The API's assets, findings, vulnerabilities, solutions, tags, sites and scans. Official unless said otherwise.

Shapes and words are those of the vendor's API description. Only what is read here and there is imitated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from flask import Flask, Response, abort, jsonify, request
from psycopg.rows import DictRow, dict_row

from .settings import Settings
from .world import SCHEMA, TRUTH

API = "/api/3"
ABSENT = "The resource does not exist or access is prohibited."
MOST = 500

ASSETS: LiteralString = """
SELECT asset_id, host_name, host(ip_address) AS ip, mac_address::text AS mac, description AS os, sites,
    last_scan_id, scan_finished, vulnerabilities, riskscore, aggregated_credential_status_id AS credentials
FROM dim_asset
LEFT JOIN dim_operating_system USING (operating_system_id)
LEFT JOIN fact_asset USING (asset_id)
WHERE %(asset)s::bigint IS NULL OR asset_id = %(asset)s
ORDER BY asset_id
"""

EXCEPTIONS: LiteralString = """
SELECT DISTINCT asset_id, vulnerability_exception_id, date FROM fact_asset_vulnerability_instance_excluded
WHERE %(asset)s::bigint IS NULL OR asset_id = %(asset)s ORDER BY 1, 2
"""

FINDINGS: LiteralString = """
SELECT nexpose_id, first_discovered, vulnerability_instances AS instances, NULL AS exception
FROM fact_asset_vulnerability_finding
JOIN dim_vulnerability USING (vulnerability_id)
JOIN fact_asset_vulnerability_age USING (asset_id, vulnerability_id)
WHERE asset_id = %(asset)s
UNION ALL
SELECT nexpose_id, min(first_discovered), count(*), min(vulnerability_exception_id)
FROM fact_asset_vulnerability_instance_excluded
JOIN dim_vulnerability USING (vulnerability_id)
JOIN fact_asset_vulnerability_age USING (asset_id, vulnerability_id)
WHERE asset_id = %(asset)s
GROUP BY nexpose_id
ORDER BY nexpose_id
"""

SOLUTIONS: LiteralString = """
SELECT dim_solution.nexpose_id, summary, htmlToText(summary) AS summary_text, fix, htmlToText(fix) AS fix_text,
    solution_type, extract(epoch FROM estimate)::int / 60 AS minutes
FROM dim_asset_vulnerability_best_solution
JOIN dim_vulnerability USING (vulnerability_id)
JOIN dim_solution USING (solution_id)
WHERE asset_id = %(asset)s AND dim_vulnerability.nexpose_id = %(vulnerability)s
"""

VULNERABILITY: LiteralString = """
SELECT dim_vulnerability.*, htmlToText(description) AS description_text, ARRAY(
    SELECT DISTINCT reference FROM dim_vulnerability_reference
    WHERE dim_vulnerability_reference.vulnerability_id = dim_vulnerability.vulnerability_id AND source = 'CVE'
    ORDER BY reference
) AS cves
FROM dim_vulnerability WHERE nexpose_id = %(vulnerability)s
"""

DIRECT: LiteralString = """
SELECT dim_solution.nexpose_id FROM nature
JOIN dim_vulnerability USING (vulnerability_id) JOIN dim_solution USING (solution_id)
WHERE dim_vulnerability.nexpose_id = %(vulnerability)s
"""

TAGS: LiteralString = """
SELECT tag_id, tag_name, tag_type FROM dim_tag JOIN dim_tag_asset USING (tag_id) WHERE asset_id = %(asset)s ORDER BY 1
"""

# A site's number is its place among them: a test device of ours.
SITES: LiteralString = """
SELECT DISTINCT unnest(string_to_array(sites, ', ')) AS name FROM dim_asset ORDER BY name
"""

SCAN: LiteralString = "SELECT scan_id, started, finished FROM scan WHERE scan_id = %(scan)s"

# The same words as in the reports are a guess for WORKAROUND.
SOLUTION_TYPES = {"ROLLUP": "rollup-patch", "PATCH": "patch", "WORKAROUND": "configuration"}


def serve_assets(app: Flask, settings: Settings, conninfo: str) -> None:
    """The routes that a reading without reports needs, over the tables."""
    tables = _Tables(conninfo)

    @app.get(f"{API}/assets")
    def assets() -> Response:
        return paged(settings, tables.assets())

    @app.get(f"{API}/assets/<int:asset>")
    def asset(asset: int) -> Response:
        return jsonify(tables.asset(asset))

    @app.get(f"{API}/assets/<int:asset>/tags")
    def tags(asset: int) -> Response:
        tables.asset(asset)
        rows = tables.rows(TAGS, asset=asset)
        names = [{"id": row["tag_id"], "name": row["tag_name"], "type": row["tag_type"].lower()} for row in rows]
        return jsonify(resources=names, links=[])

    @app.get(f"{API}/assets/<int:asset>/vulnerabilities")
    def findings(asset: int) -> Response:
        tables.asset(asset)
        rows = tables.rows(FINDINGS, asset=asset)[settings.unlisted.get(asset, 0) :]
        return paged(settings, [_finding(row) for row in rows])

    @app.get(f"{API}/assets/<int:asset>/vulnerabilities/<vulnerability>/solution")
    def solution(asset: int, vulnerability: str) -> Response:
        if vulnerability not in (row["nexpose_id"] for row in tables.rows(FINDINGS, asset=asset)):
            abort(404, ABSENT)
        rows = tables.rows(SOLUTIONS, asset=asset, vulnerability=vulnerability)
        return jsonify(resources=[_solution(row) for row in rows], links=[])

    _serve_others(app, settings, tables)


def _serve_others(app: Flask, settings: Settings, tables: _Tables) -> None:
    @app.get(f"{API}/vulnerabilities/<key>")
    def vulnerability(key: str) -> Response:
        return jsonify(_vulnerability(_one(tables.rows(VULNERABILITY, vulnerability=key))))

    @app.get(f"{API}/vulnerabilities/<key>/solutions")
    def direct(key: str) -> Response:
        rows = tables.rows(DIRECT, vulnerability=key)
        return jsonify(resources=[row["nexpose_id"] for row in rows], links=[])

    @app.get(f"{API}/sites")
    def sites() -> Response:
        return paged(settings, [{"id": number, "name": name} for number, name in enumerate(tables.sites(), start=1)])

    @app.get(f"{API}/sites/<int:site>/assets")
    def inside(site: int) -> Response:
        names = tables.sites()
        if not 1 <= site <= len(names):
            abort(404, ABSENT)
        return paged(settings, tables.assets(site=names[site - 1]))

    @app.get(f"{API}/scans/<int:scan>")
    def scanned(scan: int) -> Response:
        row = _one(tables.rows(SCAN, scan=scan))
        ended = {"status": settings.scan_status.get(scan, "finished"), "endTime": _when(row["finished"])}
        return jsonify(id=scan, startTime=_when(row["started"]), scanType="Manual", links=[], **ended)


class _Tables:
    """The tables, as the API tells them."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def rows(self, query: LiteralString, **values: Any) -> list[DictRow]:
        """The rows of a query."""
        with self._connection() as connection:
            return connection.execute(query, values).fetchall()

    def assets(self, number: int | None = None, site: str | None = None) -> list[dict[str, Any]]:
        """Assets as the API tells them: one, those of a site, or all."""
        exceptions = self.rows(EXCEPTIONS, asset=number)
        return [
            _asset(row, [one for one in exceptions if one["asset_id"] == row["asset_id"]])
            for row in self.rows(ASSETS, asset=number)
            if site is None or site in (row["sites"] or "").split(", ")
        ]

    def asset(self, number: int) -> dict[str, Any]:
        """One asset, or the answer that there is none."""
        return _one(self.assets(number))

    def sites(self) -> list[str]:
        """The names of the sites. A site's number is its place among them: a test device of ours."""
        return [row["name"] for row in self.rows(SITES)]

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[DictRow]]:
        path = f"-c search_path={SCHEMA},{TRUTH} -c timezone=UTC"
        with psycopg.connect(self._conninfo, options=path, row_factory=dict_row) as connection:
            yield connection


def paged(settings: Settings, things: list[dict[str, Any]]) -> Response:
    """A page. Documented: 500 things at most. That more is cut to it, and that ``sort`` is kept, are guesses."""
    number, size = request.args.get("page", 0, int), min(request.args.get("size", 10, int), MOST)
    if request.args.get("sort", "id,ASC") != "id,ASC":
        abort(400, "The stand-in sorts by id.")
    pages = 10**9 if _named(settings.endless) else 2000 if _named(settings.hollow) else -(-len(things) // size)
    first = 0 if _named(settings.stuck) else number * size
    page = {"number": number, "size": size, "totalResources": len(things), "totalPages": pages}
    return jsonify(resources=things[first : first + size], page=page, links=[], padding=" " * settings.padding)


def _named(end: str | None) -> bool:
    return end is not None and request.path.endswith(end)


def _one(rows: Sequence[Any]) -> Any:
    if not rows:
        abort(404, ABSENT)
    return rows[0]


def _when(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


def _told(**values: Any) -> dict[str, Any]:
    """Without what is not known: seen live, names are then absent and not null."""
    return {name: value for name, value in values.items() if value is not None}


def _asset(row: DictRow, exceptions: list[DictRow]) -> dict[str, Any]:
    history: list[dict[str, Any]] = []
    if row["last_scan_id"] is not None:
        # That an agent's news have a scan's number too is a guess.
        kind = "AGENT-IMPORT" if row["credentials"] == -1 else "SCAN"
        history.append({"date": _when(row["scan_finished"]), "scanId": row["last_scan_id"], "type": kind})
    for one in exceptions:
        # That it is told a minute after the scan is a guess.
        entry = {"date": _when(one["date"] + timedelta(minutes=1)), "type": "VULNERABILITY_EXCEPTION_APPLIED"}
        history.append({**entry, "vulnerabilityExceptionId": one["vulnerability_exception_id"]})
    return _told(
        id=row["asset_id"],
        ip=row["ip"],
        mac=row["mac"],
        hostName=row["host_name"],
        os=row["os"],
        assessedForVulnerabilities=bool(history),
        assessedForPolicies=False,
        history=[{**entry, "version": version} for version, entry in enumerate(history, start=1)],
        riskScore=row["riskscore"] or 0.0,
        vulnerabilities={"total": row["vulnerabilities"] or 0},
    )


def _finding(row: DictRow) -> dict[str, Any]:
    since, exception = _when(row["first_discovered"]), row["exception"]
    status = "vulnerable" if exception is None else "vulnerable-with-exception-applied"
    excepted = {} if exception is None else {"exceptions": [exception]}
    return {
        "id": row["nexpose_id"],
        "instances": row["instances"] if exception is None else 0,
        "since": since,
        "status": "vulnerable" if exception is None else "invulnerable",
        "results": [
            {"port": port, "protocol": "tcp", "proof": "<p>Seen</p>", "since": since, "status": status, **excepted}
            for port in range(1, row["instances"] + 1)
        ],
    }


def _solution(row: DictRow) -> dict[str, Any]:
    return _told(
        id=row["nexpose_id"],
        type=SOLUTION_TYPES[row["solution_type"]],
        confidence="exact",
        estimate=None if row["minutes"] is None else f"PT{row['minutes']}M",
        summary={"html": row["summary"], "text": row["summary_text"]},
        steps={"html": row["fix"], "text": row["fix_text"]},
        matches=[],
    )


def _vulnerability(row: DictRow) -> dict[str, Any]:
    scores = {"v2": row["cvss_score"], "v3": row["cvss_v3_score"]}
    return _told(
        id=row["nexpose_id"],
        title=row["title"],
        description={"html": row["description"], "text": row["description_text"]} if row["description"] else None,
        severity=row["severity"],
        severityScore=row["severity_score"],
        riskScore=row["riskscore"],
        cvss={name: {"score": round(score, 1)} for name, score in scores.items() if score is not None},
        cves=row["cves"] or None,
        exploits=row["exploits"],
        malwareKits=row["malware_kits"],
    )
