"""Signing in. Who guesses passwords or codes has to wait longer and longer; nobody is kept out for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils import timezone

from ...store import models, second_factors
from .arriving import arrive

# So many wrong passwords or codes cost nothing; then each pause is twice as long as the one before, up to the longest.
# Seconds.
FREE, FIRST, LONGEST = 5, 15, 15 * 60
FORGOTTEN = timedelta(hours=24)
LONGEST_NAME = 150


def pause_after(failures: int) -> int:
    """How many seconds somebody has to wait after so many wrong passwords and codes in a row."""
    return 0 if failures < FREE else min(FIRST * 2 ** min(failures - FREE, 20), LONGEST)


def seconds_left(name: str, now: datetime) -> int:
    """For how long nobody of that name may try, whether there is somebody of that name or not."""
    failed = models.WrongPassword.objects.filter(name=_kept(name), at__gt=now - FORGOTTEN).order_by("-at")
    newest = failed.first()
    if newest is None:
        return 0
    return max(0, ceil((newest.at + timedelta(seconds=pause_after(failed.count())) - now).total_seconds()))


def require_no_pause(name: str, now: datetime) -> None:
    """Raises ValidationError where somebody of that name has to wait."""
    left = seconds_left(name, now)
    if left > 0:
        raise ValidationError(f"Too many wrong passwords or codes for this name. Try again in {left} seconds.")


def count_wrong(name: str) -> None:
    """Remember that a password or a code for that name was wrong."""
    models.WrongPassword.objects.create(name=_kept(name))


def forget_wrong(name: str) -> None:
    """Forget all that were: somebody of that name has shown everything."""
    models.WrongPassword.objects.filter(name=_kept(name)).delete()


class LimitedForm(AuthenticationForm):
    """The form of name and password, which asks for a pause where somebody guesses."""

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError."""
        name = self.cleaned_data.get("username") or ""
        require_no_pause(name, timezone.now())
        try:
            known = super().clean()
        except ValidationError:
            if name:
                count_wrong(name)
            raise
        # Where a code is still to come, who knows the password could else guess as many as they like.
        if second_factors.of(self.get_user()) is None:
            forget_wrong(name)
        return known


class SignIn(LoginView):
    """The page."""

    template_name = "accounts/sign_in.html"
    authentication_form = LimitedForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """The password is right."""
        return arrive(self.request, form.get_user(), self.get_success_url(), timezone.now())

    def get_context_data(self, **known: Any) -> dict[str, Any]:
        """With the provider, where there is one."""
        return super().get_context_data(provider=settings.OPEN_ID, **known)


def _kept(name: str) -> str:
    return name.lower()[:LONGEST_NAME].replace("\0", "")
