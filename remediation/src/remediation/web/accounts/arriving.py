"""The way in: after the first step, a password or a provider's word, and before the last, the second factor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare

from ...store import models, second_factors
from .admitted import PASSED

LONGEST = timedelta(minutes=10)
_KEY = "arriving"


@dataclass(frozen=True)
class Arriving:
    """Somebody who has done the first step, and the address that they want to go to."""

    user: User
    target: str


def arrive(request: HttpRequest, user: User, target: str, now: datetime) -> HttpResponse:
    """Sign in somebody who has done the first step; or lead them to the code, or to setting up what shows codes."""
    factor = second_factors.of(user)
    if factor is None and not second_factors.is_required():
        sign_in(request, user, None)
        return redirect(target)
    # Whoever used this browser before, or has given it a session that they know, has no part in what comes.
    request.session.flush()
    request.session[_KEY] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "target": target,
        "until": (now + LONGEST).isoformat(),
    }
    return redirect("sign-in-code" if factor else "sign-in-set-up")


def arriving(request: HttpRequest, now: datetime) -> Arriving | None:
    """Who has done the first step in this browser, not too long ago and with the password that is theirs still."""
    known = request.session.get(_KEY)
    if known is None or datetime.fromisoformat(known["until"]) < now:
        return None
    user = User.objects.filter(pk=known["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), known["password"]):
        return None
    return Arriving(user, known["target"])


def sign_in(request: HttpRequest, user: User, factor: models.SecondFactor | None) -> None:
    """Sign somebody in who has done everything. ``factor`` is what they have passed."""
    request.session.pop(_KEY, None)
    login(request, user)
    mark_passed(request, factor)


def mark_passed(request: HttpRequest, factor: models.SecondFactor | None) -> None:
    """Let this browser's session count for somebody with this second factor."""
    request.session[PASSED] = factor and factor.pk
