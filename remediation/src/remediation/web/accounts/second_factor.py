"""The pages of the second factor: its code at signing in, setting one up, and taking it away."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_POST

from ...domain.one_time_code import app_address
from ...store import models, second_factors
from ...store.secrets import KeyTrouble, open_, seal
from ..roles import ANYBODY, VIEWER, needs
from .arriving import arriving, mark_passed, sign_in
from .signing_in import count_wrong, forget_wrong, require_no_pause

# The secret that is being set up, sealed, and the user whose it is: another one who signs in in the same browser gets
# another one.
_NEW = "second factor that is set up"
WRONG = "The code is wrong, or it was used before. The app shows another one every 30 seconds."


class CodeField(forms.CharField):
    """A code of the app, or a recovery code."""

    widget = forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True})

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=40, **more)


class CodeForm(forms.Form):
    """The code that is asked for after the first step. A valid form has used it up, and ``factor`` is whose it was."""

    code = CodeField(help_text="Of the app, or one of your recovery codes.")

    factor: models.SecondFactor | None = None

    def __init__(self, user: User, *args: Any) -> None:
        super().__init__(*args)
        self.user = user

    def clean_code(self) -> str:
        """Raises ValidationError."""
        code: str = self.cleaned_data["code"]
        with transaction.atomic():
            self.factor = second_factors.locked(self.user)  # so that guesses come one after the other
            require_no_pause(self.user.username, timezone.now())
            is_good = self.factor is not None and self._is_good(self.factor, code)
            if is_good:
                forget_wrong(self.user.username)
            else:
                count_wrong(self.user.username)
        if not is_good:
            raise ValidationError(WRONG)
        return code

    @staticmethod
    def _is_good(factor: models.SecondFactor, code: str) -> bool:
        try:
            return second_factors.use_up(factor, code, timezone.now())
        except KeyTrouble:
            raise ValidationError(
                "Codes of the app cannot be checked, because the service has lost the key of its secrets. Use a "
                "recovery code, or ask an administrator to remove your second factor."
            ) from None


class SetUpForm(forms.Form):
    """The first code of an app. A valid form has made the second factor, and ``recovery`` are its recovery codes."""

    code = CodeField(label="Code that the app shows")
    recovery: list[str]

    def __init__(self, user: User, secret: str, *args: Any) -> None:
        super().__init__(*args)
        self.user, self.secret = user, secret

    def clean_code(self) -> str:
        """Raises ValidationError."""
        code: str = self.cleaned_data["code"]
        self.recovery = second_factors.set_up(self.user, self.secret, code, timezone.now())
        if not self.recovery:
            raise ValidationError("The code is wrong. Is the clock of the device with the app right?")
        return code


@needs(ANYBODY)
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
def sign_in_code(request: HttpRequest) -> HttpResponse:
    """The code, from somebody who has done the first step; 410 where that was too long ago, or where an administrator
    has removed their second factor meanwhile."""
    who = arriving(request, timezone.now())
    if who is None or second_factors.of(who.user) is None:
        return _too_late(request)
    form = CodeForm(who.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        sign_in(request, who.user, form.factor)
        return redirect(who.target)
    return render(request, "accounts/sign_in_code.html", {"form": form})


@needs(ANYBODY)
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
def sign_in_set_up(request: HttpRequest) -> HttpResponse:
    """Setting up, by somebody who has done the first step and needs a second factor to come in."""
    who = arriving(request, timezone.now())
    if who is None:
        return _too_late(request)
    if second_factors.of(who.user):
        return redirect("sign-in-code")
    form = _set_up_form(request, who.user)
    if request.method == "POST" and form.is_valid():
        sign_in(request, who.user, second_factors.of(who.user))
        return _recovery_codes(request, form, who.target)
    return _set_up_page(request, form, is_required=True)


@needs(VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """What somebody who has signed in has; a form for setting up where they have none."""
    user = _user(request)
    factor = second_factors.of(user)
    if factor is not None:
        return render(
            request, "accounts/second_factor.html", {"factor": factor, "has_password": user.has_usable_password()}
        )
    form = _set_up_form(request, user)
    if request.method == "POST" and form.is_valid():
        mark_passed(request, second_factors.of(user))
        return _recovery_codes(request, form, "")
    return _set_up_page(request, form, is_required=False)


@needs(VIEWER)
@require_POST
def remove_second_factor(request: HttpRequest) -> HttpResponse:
    """Take one's own away, with the password. A wrong one counts as at signing in."""
    user = _user(request)
    try:
        require_no_pause(user.username, timezone.now())
    except ValidationError as error:
        messages.error(request, error.message)
        return redirect("second-factor")
    if not user.check_password(request.POST.get("password", "")):
        count_wrong(user.username)
        messages.error(request, "The password is wrong. Your second factor is as it was.")
        return redirect("second-factor")
    forget_wrong(user.username)
    second_factors.remove(user, user.username)
    messages.success(request, "Your second factor is removed.")
    return redirect("service")


def _user(request: HttpRequest) -> User:
    """Who has signed in, as a row and not as what stands for it in a request."""
    return User.objects.get(username=request.user.get_username())


def _set_up_form(request: HttpRequest, user: User) -> SetUpForm:
    """With the same secret, however often the page is loaded; with a new one where its key was forgotten meanwhile."""
    known = request.session.get(_NEW)
    secret = None
    if known is not None and known["user"] == user.pk:
        with suppress(KeyTrouble):
            secret = open_(known["sealed"])
    if secret is None:
        secret = second_factors.new_secret()
        request.session[_NEW] = {"user": user.pk, "sealed": seal(secret)}
    return SetUpForm(user, secret, request.POST or None)


def _set_up_page(request: HttpRequest, form: SetUpForm, *, is_required: bool) -> HttpResponse:
    known = {
        "form": form,
        "secret": " ".join(form.secret[place : place + 4] for place in range(0, len(form.secret), 4)),
        "picture": _picture(app_address(form.secret, form.user.username)),
        "is_required": is_required,
    }
    return render(request, "accounts/set_up.html", known, status=400 if form.errors else 200)


def _picture(text: str) -> SafeString:
    """A QR code as an SVG."""
    # The library draws; nothing of the text is in it as text.
    return mark_safe(segno.make(text, error="m").svg_inline(scale=5, light="white"))  # nosec B308 B703


def _recovery_codes(request: HttpRequest, form: SetUpForm, target: str) -> HttpResponse:
    """They are shown by the answer to the form, once: nothing keeps them."""
    request.session.pop(_NEW, None)
    return render(request, "accounts/recovery_codes.html", {"codes": form.recovery, "target": target})


def _too_late(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/too_late.html", status=410)
