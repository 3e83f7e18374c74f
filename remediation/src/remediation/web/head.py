"""HEAD is answered as GET is, without the text."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def head(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware. Content-Length stays what GET would have."""

    def without_text(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return without_text
