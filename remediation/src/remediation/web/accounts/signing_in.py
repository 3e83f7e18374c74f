"""Signing in. Who guesses passwords has to wait longer and longer; nobody is kept out for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.utils import timezone

from ...store import models

# So many wrong passwords cost nothing; then each pause is twice as long as the one before, up to the longest. Seconds.
FREE, FIRST, LONGEST = 5, 15, 15 * 60
FORGOTTEN = timedelta(hours=24)
LONGEST_NAME = 150


def pause_after(failures: int) -> int:
    """How many seconds somebody has to wait after so many wrong passwords in a row."""
    return 0 if failures < FREE else min(FIRST * 2 ** min(failures - FREE, 20), LONGEST)


def seconds_left(name: str, now: datetime) -> int:
    """For how long nobody of that name may try, whether there is somebody of that name or not."""
    failed = models.WrongPassword.objects.filter(name=_kept(name), at__gt=now - FORGOTTEN).order_by("-at")
    newest = failed.first()
    if newest is None:
        return 0
    return max(0, ceil((newest.at + timedelta(seconds=pause_after(failed.count())) - now).total_seconds()))


class LimitedForm(AuthenticationForm):
    """The form of name and password, which asks for a pause where somebody guesses."""

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError."""
        name, now = self.cleaned_data.get("username") or "", timezone.now()
        left = seconds_left(name, now)
        if left > 0:
            raise ValidationError(f"Too many wrong passwords for this name. Try again in {left} seconds.")
        try:
            known = super().clean()
        except ValidationError:
            if name:
                models.WrongPassword.objects.create(name=_kept(name))
            raise
        models.WrongPassword.objects.filter(name=_kept(name)).delete()
        return known


class SignIn(LoginView):
    """The page."""

    template_name = "accounts/sign_in.html"
    authentication_form = LimitedForm
    redirect_authenticated_user = True


def _kept(name: str) -> str:
    return name.lower()[:LONGEST_NAME].replace("\0", "")
