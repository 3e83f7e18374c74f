"""The service's API. Official unless said otherwise."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import sleep
from typing import Any

from flask import Flask, Response, abort, jsonify, request

from .estate import Estate, Machine, Seen
from .settings import Settings

API = "/vm/v4/integration"
MOST = 500


class Limit:
    """How many requests there were in the window that began with the first of them, by the service's clock."""

    def __init__(self, settings: Settings, estate: Estate) -> None:
        self._settings = settings
        self._estate = estate
        self._ends: datetime | None = None
        self._count = 0

    def seconds_left(self) -> int | None:
        """Count a request. Where it is one too many: the seconds until the next one is answered."""
        if self._settings.limit is None:
            return None
        now = self._estate.now
        if self._ends is None or now >= self._ends:
            self._ends, self._count = now + timedelta(seconds=self._settings.window), 0
        self._count += 1
        return int((self._ends - now).total_seconds()) if self._count > self._settings.limit else None


def build_app(settings: Settings, estate: Estate) -> Flask:
    """The routes, over settings and an estate that others may change."""
    app = Flask(__name__)
    limit = Limit(settings, estate)
    app.before_request(lambda: _refusal(settings, limit))
    for code in (400, 404, 405):
        app.register_error_handler(code, lambda error: _error(error.code, error.description))

    @app.get("/validate")
    def validate() -> Response:
        return jsonify(message="Authorized")

    @app.post(f"{API}/assets")
    def assets() -> Response:
        with estate.lock:
            since = _time("comparisonTime") or estate.now - settings.comparison
            same = request.args.get("includeSame") == "true" and settings.tells_same

            def told(key: str) -> dict[str, Any]:
                untold = settings.untold.get(key, ())
                return {name: value for name, value in _asset(key, estate, since, same).items() if name not in untold}

            response, size = _page(settings, sorted(estate.machines), told)
        return _faulty(settings, response, size)

    @app.post(f"{API}/vulnerabilities")
    def vulnerabilities() -> Response:
        with estate.lock:
            keys = sorted(set(estate.vulnerabilities) - settings.hidden)
            response, size = _page(settings, keys, lambda key: estate.vulnerabilities[key])
        return _faulty(settings, response, size)

    @app.after_request
    def answered(response: Response) -> Response:
        if settings.after_answer is not None:
            settings.after_answer(request.full_path.removeprefix(API))
        return response

    return app


def _refusal(settings: Settings, limit: Limit) -> Response | None:
    if request.headers.get("X-Api-Key") != settings.api_key:
        return _error(401, "Unauthorized")
    left = limit.seconds_left()
    if left is not None:
        response = _error(429, "Too many requests.")
        wait = str(left) if settings.retry_after is None else settings.retry_after
        if wait:
            response.headers["Retry-After"] = wait
        return response
    if settings.failing and request.path.endswith(settings.failing_at):
        return _error(settings.failing.pop(0), "Refused.")
    if settings.forbidden and request.path.startswith(API):
        return _error(403, "Forbidden")
    return None


def _error(status: int, message: str) -> Response:
    response = jsonify(status=status, message=message)
    response.status_code = status
    if 300 <= status < 400:
        response.headers["Location"] = "/elsewhere"
    return response


def _time(name: str) -> datetime | None:
    text = request.args.get(name)
    return None if text is None else datetime.fromisoformat(text)


def _page(settings: Settings, every: Sequence[str], told: Callable[[str], Any]) -> tuple[Response, int]:
    """A page and how many things it has.

    Seen live: a page with data has a cursor, ``number`` stays 0, and the end is an empty page whose cursor is null.
    Official: 500 things at most, and the look of a cursor. That more is refused is a guess.
    """
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or any(body.values()):
        abort(400, "An object is expected; the stand-in has no filters.")
    size = request.args.get("size", 10, int)
    if not 1 <= size <= MOST:
        abort(400, "The size is from 1 to 500.")
    cursor = request.args.get("cursor")
    after = cursor.rpartition(":::")[2] if cursor else ""
    place = bisect_right(every, after)
    again = settings.overlap if place < len(every) else 0
    keys = every[max(0, place - again) : place - again + size] if place else every[:size]
    if settings.ends_after is not None and place >= settings.ends_after:
        keys = []
    following = f"1764300000:::_S:::{keys[-1]}" if keys else None
    if settings.hollow and not keys:
        following = "1764300000:::_S:::zzzz"
    if settings.stuck and cursor and keys:
        settings.stuck -= 1
        following = cursor
    total = len(every) + settings.surplus.get(request.path.rpartition("/")[2], 0)
    data = [told(key) for key in keys]
    links = [{"href": request.url, "rel": "self"}]
    if following:
        links.append({"href": f"{request.base_url}?cursor={following}&size={size}", "rel": "next"})
    page = {"number": 0, "size": size, "totalResources": total, "totalPages": -(-total // size), "cursor": following}
    return jsonify(data=data, metadata=page, links=links), len(keys)


def _faulty(settings: Settings, response: Response, size: int) -> Response:
    """The page, late or damaged where that is set."""
    if settings.hanging > 0:
        settings.hanging -= 1
        sleep(settings.hang)
    elif settings.slow_above is not None and size > settings.slow_above:
        sleep(settings.hang)
    data = response.get_data()
    if settings.garbled > 0:
        settings.garbled -= 1
        response.set_data(data[: len(data) // 2])
    elif settings.cut_off > 0:
        settings.cut_off -= 1
        response.set_data(data[: len(data) // 2])
        # More is promised than comes.
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(len(data))
    return response


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _asset(key: str, estate: Estate, since: datetime, same: bool) -> dict[str, Any]:
    """An asset, and what has changed in it since then. Seen live: what is not known is absent and not null."""
    machine = estate.machines[key]
    open_ones = [one for one in machine.seen if one.gone is None]
    told: dict[str, Any] = {
        **{"id": key, "tags": [{"type": kind, "name": name} for kind, name in machine.tags]},
        **{"assessed_for_vulnerabilities": machine.scan is not None, "assessed_for_policies": False},
        **{"total_vulnerabilities": len({one.instance.vulnerability for one in open_ones}), "risk_score": 0.0},
        **{"unique_identifiers": [], "credential_assessments": []},
        **_scanned(machine),
        **machine.facts,
        "new": _findings(estate, [one for one in open_ones if one.first > since]),
        "remediated": _findings(estate, [one for one in machine.seen if one.gone and one.first <= since < one.gone]),
    }
    if same:
        told["same"] = _findings(estate, [one for one in open_ones if one.first <= since])
    return told


def _scanned(machine: Machine) -> dict[str, str]:
    if machine.scan is None:
        return {}
    begin, end = map(_when, machine.scan)
    return {"last_scan_start": begin, "last_scan_end": end, "last_assessed_for_vulnerabilities": end}


def _findings(estate: Estate, seen: list[Seen]) -> list[dict[str, Any]]:
    """An object for each instance and solution."""
    return [
        {
            **{"vulnerability_id": one.instance.vulnerability, "check_id": None, "key": "", "nic": None},
            **{"port": one.instance.port, "protocol": one.instance.protocol, "proof": "<p>Seen</p>"},
            **{"status": one.status if one.gone is None else "NOT_VULNERABLE"},
            **{"first_found": _when(one.first), "last_found": _when(one.last)},
            **({"reintroduced": _when(one.back)} if one.back else {}),
            **estate.solutions.get(solution, {}),
        }
        for one in seen
        for solution in one.solutions or ("",)
    ]
