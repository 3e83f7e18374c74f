"""/auth/token, or /token on a shared authorisation server, and /api/authinfo."""

from flask import Blueprint, Response, request

from .answers import answer, page
from .refusals import Refusal
from .settings import Settings
from .tokens import TokenIssuer


def auth_routes(settings: Settings, issuer: TokenIssuer) -> Blueprint:
    """The addresses that need no token."""
    routes = Blueprint("auth", __name__)

    @routes.post("/auth/token")
    def below_auth() -> Response:
        if settings.auth_at_root:
            raise Refusal(404)
        return _token(settings, issuer)

    @routes.post("/token")
    def at_root() -> Response:
        return _token(settings, issuer) if settings.auth_at_root else page()

    @routes.get("/api/authinfo")
    def authinfo() -> Response:
        """Where to get tokens, for anybody (one client)."""
        auth_url = request.host_url.rstrip("/") if settings.auth_at_root else request.host_url + "auth"
        info = {"auth_url": auth_url, "tenant_id": settings.tenant}
        return answer({key: value for key, value in info.items() if value is not None})

    return routes


def _token(settings: Settings, issuer: TokenIssuer) -> Response:
    if settings.token_status is not None:
        raise Refusal(settings.token_status)
    is_form = (request.content_type or "").lower().startswith("application/x-www-form-urlencoded")
    return answer(issuer.issue(request.environ["halo.body"], is_form, request.args.get("tenant")))
