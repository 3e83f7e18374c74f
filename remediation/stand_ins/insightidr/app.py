"""The API: refusals, investigations of version 2, comments of version 1. Official unless said otherwise."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from uuid import uuid4

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from .settings import Fault, Settings
from .world import PRIORITIES, Investigation, Refused, World, known

INVESTIGATIONS, COMMENTS = "/idr/v2/investigations", "/idr/v1/comments"
# What the header Accept-version has to say.
PREVIEWS = {INVESTIGATIONS: "investigations-preview", COMMENTS: "comments-preview"}
USUAL_SIZE, LARGEST_SIZE = 20, 100
# How far back a list goes where no time is given.
USUAL_TIME = timedelta(days=28)
# The fields by which a list can be sorted, as its query names them. The product knows more, which are not imitated.
SORTS: dict[str, Callable[[Investigation], Any]] = {
    "created_time": lambda one: one.created,
    "priority": lambda one: PRIORITIES.index(one.priority) if one.priority in PRIORITIES else -1,
    "rrn": lambda one: one.rrn,
    "responsibility": lambda one: one.responsibility or "",
    "alerts_most_recent_created_time": lambda one: max((alert.created.timestamp() for alert in one.alerts), default=0),
}
# A search knows other fields too. Which exactly is not known, so only these are imitated.
FIELDS = ("title", "status", "priority", "source", "disposition", "responsibility", "rrn")
Thing = TypeVar("Thing")


def build_app(settings: Settings, world: World) -> Flask:
    """The routes, over settings and a world that others may change."""
    app = Flask(__name__)
    app.before_request(lambda: _fault_before(settings) or _refusal(settings))
    app.after_request(lambda response: _fault_after(settings, response))
    app.register_error_handler(Refused, lambda error: _error(error.status, str(error)))
    app.register_error_handler(HTTPException, lambda error: _error(error.code or 500, error.name))

    @app.get("/validate")
    def validate() -> Response:
        return jsonify(message="Authorized")

    _serve_lists(app, settings, world)
    _serve_investigation(app, settings, world)
    _serve_fields(app, world)
    _serve_comments(app, settings, world)
    return app


def _serve_lists(app: Flask, settings: Settings, world: World) -> None:
    @app.get(INVESTIGATIONS)
    def listed() -> Response:
        with world.lock:
            found = [one for one in world.investigations.values() if _is_listed(one, world)]
            field, _, order = request.args.get("sort", "created_time,DESC").partition(",")
            return _page(settings, _sorted(found, field, order), world.told)

    @app.post(f"{INVESTIGATIONS}/_search")
    def searched() -> Response:
        body = _body()
        with world.lock:
            window = _window(body, world)
            found = [one for one in world.investigations.values() if _is_within(one, window)]
            for wanted in _objects(body, "search"):
                found = [one for one in found if _fits(one, wanted)]
            for by in reversed(_objects(body, "sort") or [{"field": "created_time", "order": "DESC"}]):
                found = _sorted(found, str(by.get("field")).lower().replace(" ", "_"), str(by.get("order", "ASC")))
            return _page(settings, found, world.told)


def _serve_investigation(app: Flask, settings: Settings, world: World) -> None:
    @app.post(INVESTIGATIONS)
    def create() -> Response:
        fields = _changes(_body())
        if not fields.get("title", "").strip():
            raise Refused(400, "The title is empty.")
        with world.lock:
            # That what a client makes has the source USER is a guess.
            return jsonify(world.told(world.investigation(world.investigate(source="USER", **fields))))

    @app.get(f"{INVESTIGATIONS}/<key>")
    def read(key: str) -> Response:
        with world.lock:
            return jsonify(world.told(world.investigation(key)))

    @app.patch(f"{INVESTIGATIONS}/<key>")
    def change(key: str) -> Response:
        return _changed(world, key, **_changes(_body()))

    @app.get(f"{INVESTIGATIONS}/<key>/alerts")
    def alerts(key: str) -> Response:
        with world.lock:
            # Seen live: the newest first.
            newest = sorted(world.investigation(key).alerts, key=lambda alert: alert.created, reverse=True)
            return _page(settings, newest, lambda alert: alert.told())


def _serve_fields(app: Flask, world: World) -> None:
    @app.put(f"{INVESTIGATIONS}/<key>/status/<word>")
    def status(key: str, word: str) -> Response:
        # A disposition may be in the body, which may be missing.
        body = request.get_json(silent=True) or {}
        given = {"disposition": str(body["disposition"])} if body.get("disposition") else {}
        return _changed(world, key, status=word, **given)

    @app.put(f"{INVESTIGATIONS}/<key>/priority/<word>")
    def priority(key: str, word: str) -> Response:
        return _changed(world, key, priority=word)

    @app.put(f"{INVESTIGATIONS}/<key>/disposition/<word>")
    def disposition(key: str, word: str) -> Response:
        return _changed(world, key, disposition=word)

    @app.put(f"{INVESTIGATIONS}/<key>/assignee")
    def assignee(key: str) -> Response:
        return _changed(world, key, assignee=str(_body().get("user_email_address") or ""))


def _serve_comments(app: Flask, settings: Settings, world: World) -> None:
    @app.post(COMMENTS)
    def comment() -> Response:
        body = _body()
        if not isinstance(body.get("target"), str) or not isinstance(body.get("body"), str) or not body["body"]:
            # That a comment without a text and an attachment is refused is a guess. Attachments are not imitated.
            raise Refused(400, "A comment needs a target and a body.")
        with world.lock:
            rrn = world.comment(body["target"], body["body"], (settings.key_kind, settings.key_name))
            return jsonify(world.written[rrn].told())

    @app.get(COMMENTS)
    def comments() -> Response:
        target = request.args.get("target")
        if not target:
            raise Refused(400, "A target is needed.")
        with world.lock:
            # That a target that does not exist has no comments, and is no error, is a guess.
            found = world.comments(target)
            return _page(settings, found[::-1] if settings.newest_comment_first else found, lambda one: one.told())

    @app.get(f"{COMMENTS}/<rrn>")
    def one_comment(rrn: str) -> Response:
        with world.lock:
            if rrn not in world.written:
                raise Refused(404, "The comment does not exist.")
            return jsonify(world.written[rrn].told())

    @app.delete(f"{COMMENTS}/<rrn>")
    def delete_comment(rrn: str) -> Response:
        world.delete_comment(rrn, (settings.key_kind, settings.key_name))
        return Response(status=204)


def _refusal(settings: Settings) -> Response | None:
    if request.headers.get("X-Api-Key") != settings.api_key:
        return _error(401, "Unauthorized")
    for path, version in PREVIEWS.items():
        # Both headers are what Rapid7's own client sends. That others are refused, and with 400, is a guess.
        if request.path.startswith(path) and request.headers.get("Accept-version") != version:
            return _error(400, "The header Accept-version does not name a version of this API.")
    if settings.forbidden or (settings.read_only and request.method != "GET"):
        return _error(403, "Insufficient Permissions")
    return None


def _error(status: int, message: str) -> Response:
    response = jsonify(message=message, correlation_id=str(uuid4()))
    response.status_code = status
    return response


def _fault_before(settings: Settings) -> Response | None:
    """Take the fault of this request, and what it answers where nothing is done."""
    is_due = settings.faults and re.fullmatch(settings.faulty, f"{request.method} {request.path}")
    g.fault = fault = settings.faults.pop(0) if is_due else None
    if fault in (Fault.BUSY, Fault.BUSY_UNTOLD):
        # That there is a limit, and its status, is a guess.
        response = _error(429, "Too Many Requests")
        if fault is Fault.BUSY:
            response.headers["Retry-After"] = settings.retry_after
        return response
    if fault is Fault.FAILS:
        return _error(500, "Internal Server Error")
    if fault is Fault.UNHEARD:
        return _broken()
    if fault is Fault.REDIRECT:
        return Response(status=302, headers={"Location": "/elsewhere"})
    return _html() if fault is Fault.HTML else None


def _fault_after(settings: Settings, response: Response) -> Response:
    fault = g.get("fault")
    if fault is Fault.FAILS_AFTER:
        response = _error(500, "Internal Server Error")
    elif fault is Fault.CUT_OFF:
        response = _broken()
    elif fault is Fault.CUT_SHORT:
        data = response.get_data()
        response.set_data(data[: len(data) // 2])
        # More is promised than comes.
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(len(data))
    elif fault is Fault.SLOW:
        settings.released.wait(settings.hang)
    elif fault is Fault.HTML_AFTER:
        response = _html()
    for path, content in settings.answers.items():
        if re.fullmatch(path, request.path):
            response = Response(content, mimetype="application/json")
    if settings.after_answer is not None:
        settings.after_answer(request.method, request.full_path)
    return response


def _html() -> Response:
    return Response("<html><title>Sign in to continue</title></html>", mimetype="text/html")


def _broken() -> Response:
    """Close the connection, so that this answer does not arrive."""
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response()


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refused(400, "An object is expected.")
    return body


def _objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused(400, f"A list of objects is expected: {name}.")
    return value


def _changes(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a new or changed investigation that are given."""
    fields = {name: str(body[name]) for name in ("title", "status", "priority", "disposition") if body.get(name)}
    assignee = body.get("assignee")
    if assignee is not None:
        if not isinstance(assignee, dict) or not assignee.get("email"):
            raise Refused(400, "An assignee has an email.")
        fields["assignee"] = str(assignee["email"])
    return fields


def _changed(world: World, key: str, **fields: str) -> Response:
    """Change an investigation and tell it. One that is so already stays, and is told all the same."""
    with world.lock:
        world.change(key, **fields)
        return jsonify(world.told(world.investigation(key)))


def _window(given: Any, world: World) -> tuple[datetime, datetime]:
    """From when to when investigations are listed, by the time of their creation."""
    start, end = given.get("start_time"), given.get("end_time")
    return (_time(start) if start else world.now - USUAL_TIME, _time(end) if end else world.now)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, "A time is expected as an ISO formatted timestamp.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _is_within(one: Investigation, window: tuple[datetime, datetime]) -> bool:
    """Official: created after the one and before the other. The plugin of Rapid7 takes both as exclusive."""
    return window[0] < one.created < window[1]


def _is_listed(one: Investigation, world: World) -> bool:
    """Whether it passes the filters of the query. That all tags have to be there is a guess."""
    if not _is_within(one, _window(request.args, world)):
        return False
    for name, value in (("statuses", one.status), ("priorities", one.priority), ("sources", one.source)):
        words = _words(name)
        if words and value not in [word.upper() for word in words]:
            return False
    email = request.args.get("assignee.email")
    return (not email or one.assignee == email.lower()) and set(_words("tags")) <= set(one.tags)


def _words(name: str) -> list[str]:
    return [word.strip() for word in request.args.get(name, "").split(",") if word.strip()]


def _fits(one: Investigation, wanted: dict[str, Any]) -> bool:
    field, operator = str(wanted.get("field")).lower(), str(wanted.get("operator")).upper()
    if field not in FIELDS or operator not in ("EQUALS", "CONTAINS"):
        # Others are not imitated, so they are refused.
        raise Refused(400, "The stand-in knows no such field or operator.")
    has, value = str(getattr(one, field) or ""), str(wanted.get("value", ""))
    return has == value if operator == "EQUALS" else value.lower() in has.lower()


def _sorted(found: list[Investigation], field: str, order: str) -> list[Investigation]:
    if field not in SORTS:
        raise Refused(400, "The stand-in knows no such order.")
    return sorted(found, key=SORTS[field], reverse=known(order or "ASC", ("ASC", "DESC")) == "DESC")


def _page(settings: Settings, every: Sequence[Thing], told: Callable[[Thing], dict[str, Any]]) -> Response:
    """A page, by its number. Seen live: ``size`` is how many things it has."""
    index, size = request.args.get("index", 0, int), request.args.get("size", USUAL_SIZE, int)
    if index < 0 or not 1 <= size <= LARGEST_SIZE:
        raise Refused(400, f"The index is 0 or more, the size from 1 to {LARGEST_SIZE}.")
    begin = index * size
    things = list(every[begin : begin + size])
    if settings.repeating and begin and things:
        settings.repeating -= 1
        things = [every[begin - 1], *things[:-1]]
    elif settings.leaving_out and things:
        settings.leaving_out -= 1
        things = things[:-1]
    total = len(every) + settings.surplus
    page = {"index": index, "size": len(things), "total_pages": -(-total // size), "total_data": total}
    return jsonify(data=[told(thing) for thing in things], metadata=page)
