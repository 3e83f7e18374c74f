"""The Flask application: its routes, and which requests are authorised."""

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from .answers import page, refused
from .paths import below_api, starts_with
from .refusals import Refusal, message
from .routes_actions import action_routes
from .routes_attachments import attachment_routes
from .routes_auth import auth_routes
from .routes_lookups import lookup_routes
from .routes_tickets import ticket_routes
from .routes_webhooks import webhook_routes
from .store import Store
from .tokens import TokenIssuer, scope_allows
from .webhooks import Webhooks


def build_app(store: Store, issuer: TokenIssuer, webhooks: Webhooks) -> Flask:
    """Halo's web server, without sockets and faults."""
    app = Flask("halo_emulator", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    for routes in (
        auth_routes(store.settings, issuer),
        ticket_routes(store),
        action_routes(store),
        attachment_routes(store),
        lookup_routes(store),
        webhook_routes(store.settings, webhooks),
    ):
        app.register_blueprint(routes)

    @app.before_request
    def pass_only_who_may() -> None:
        below = below_api(request.path)
        if request.url_rule is not None and below not in (None, "authinfo"):
            check_access(store, issuer, below or "")

    app.register_error_handler(Refusal, refused)
    app.register_error_handler(HTTPException, _unknown_address)
    return app


def check_access(store: Store, issuer: TokenIssuer, below: str) -> None:
    """Without a valid token 401, without the right 403, both with an empty body (both seen live)."""
    grant = issuer.grant(request.headers.get("Authorization", ""))
    if grant is None:
        raise Refusal(401, headers=(("WWW-Authenticate", "Bearer"),))
    denied = any(method == request.method and starts_with(below, path) for method, path in store.settings.denied)
    if denied or not scope_allows(grant, request.method, below.partition("/")[0]):
        raise Refusal(403)


def _unknown_address(error: HTTPException) -> Response:
    """Errors are JSON below /api (shape seen live) and the single page app anywhere else (seen live)."""
    if error.code is None or error.code >= 500:
        return refused(message(500, "An error has occurred."))
    if not request.path.startswith("/api/"):
        return page()
    if isinstance(error, MethodNotAllowed):
        return refused(message(405, f"The requested resource does not support http method '{request.method}'."))
    return refused(message(error.code, f"No HTTP resource was found that matches the request URI '{request.path}'."))
