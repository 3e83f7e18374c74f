"""JSON answers."""

import json
from typing import Any

from flask import Response

from .refusals import Refusal

_encode = json.JSONEncoder(separators=(",", ":")).encode


def answer(body: Any, status: int = 200) -> Response:
    """A JSON response. Everything beyond ASCII is escaped."""
    return Response(_encode(body), status, content_type="application/json; charset=utf-8")


def refused(refusal: Refusal) -> Response:
    """The response for a Refusal. An empty body has no content type."""
    if refusal.body is None:
        response = Response(b"", refusal.status)
        del response.headers["Content-Type"]
    else:
        response = answer(refusal.body, refusal.status)
    response.headers.extend(list(refusal.headers))
    return response


def page() -> Response:
    """The single page app that Halo's web server gives for any address it does not know (seen live)."""
    text = (
        "<!DOCTYPE html><html><head><title>HaloITSM (a stand-in)</title></head><body><div id=app></div></body></html>"
    )
    return Response(text, 200, content_type="text/html; charset=utf-8")
