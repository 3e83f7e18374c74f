"""/auth/token and /api/authinfo."""

from flask import Blueprint, Response, request

from .answers import answer
from .settings import Settings
from .tokens import TokenIssuer


def auth_routes(settings: Settings, issuer: TokenIssuer) -> Blueprint:
    """The two addresses that need no token."""
    routes = Blueprint("auth", __name__)

    @routes.post("/auth/token")
    def token() -> Response:
        is_form = (request.content_type or "").lower().startswith("application/x-www-form-urlencoded")
        return answer(issuer.issue(request.environ["halo.body"], is_form, request.args.get("tenant")))

    @routes.get("/api/authinfo")
    def authinfo() -> Response:
        """Where to get tokens, for anybody (one client)."""
        info = {"auth_url": request.host_url + "auth", "tenant_id": settings.tenant}
        return answer({key: value for key, value in info.items() if value is not None})

    return routes
