"""Who has signed in: a session counts only if it has passed the second factor of its user, where one is needed."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from ...store import second_factors

# The number of the second factor that the session has passed.
PASSED = "second factor"


def admitted(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware. It comes after Django's own, and looks only when somebody asks who has signed in."""

    def with_user(request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(lambda: _admitted(request))  # type: ignore[assignment]  # as Django's own does
        return get_response(request)

    return with_user


def _admitted(request: HttpRequest) -> AbstractBaseUser | AnonymousUser:
    """The session's user. Nobody, where the session is older than the second factor, or where one has to be set up."""
    user = get_user(request)
    if not isinstance(user, User):
        return user
    factor = second_factors.of(user)
    is_enough = request.session.get(PASSED) == factor.pk if factor else not second_factors.is_required()
    return user if is_enough else AnonymousUser()
