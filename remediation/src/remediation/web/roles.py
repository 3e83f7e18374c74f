"""Which role a page is for: each view says so by ``needs``, and one that does not is refused to everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from ..store.roles import ADMIN, ANALYST, APPROVER, ROLES, VIEWER, is_at_least, role_of

__all__ = ["ADMIN", "ANALYST", "ANYBODY", "APPROVER", "NAMES", "ROLES", "VIEWER", "is_at_least", "needs", "role_of"]

# For views that who has not signed in may ask for.
ANYBODY = "anybody"
NAMES = {VIEWER: "Viewer", ANALYST: "Analyst", APPROVER: "Approver", ADMIN: "Administrator"}

View = TypeVar("View", bound=Callable[..., Any])


def needs(role: str, *, to_write: str = "") -> Callable[[View], View]:
    """Says which role a view is for. ``to_write``: another one for all that is not GET or HEAD."""

    def marked(view: View) -> View:
        view.needs = {"read": role, "write": to_write or role}  # type: ignore[attr-defined]  # read by ``roles``
        return view

    return marked


def roles(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware. It comes after the one that asks people to sign in, and gives each request ``role``."""

    def with_role(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, view: Any, *_: Any) -> None:
        wanted = getattr(view, "needs", None)
        if wanted is None:
            raise PermissionDenied("The program does not say for whom this page is. That is a mistake in it.")
        way = "read" if request.method in ("GET", "HEAD") else "write"
        if wanted[way] == ANYBODY:
            return
        request.role = role_of(request.user)  # type: ignore[attr-defined]  # for views and templates
        if not is_at_least(request.role, wanted[way]):  # type: ignore[attr-defined]  # as above
            raise PermissionDenied(
                f"This needs the role {NAMES[wanted[way]]}{'' if wanted[way] == ADMIN else ' or a higher one'}. "
                f"Yours is {NAMES[request.role]}. An administrator can give you another."  # type: ignore[attr-defined]
            )

    with_role.process_view = process_view  # type: ignore[attr-defined]  # Django asks a middleware for it
    return with_role


def may(request: HttpRequest) -> dict[str, Any]:
    """For templates: ``may.analyst`` and so on, whether the reader has at least that role."""
    held = getattr(request, "role", None)
    return {"may": {role: held is not None and is_at_least(held, role) for role in ROLES}}
