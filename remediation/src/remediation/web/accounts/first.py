"""The page of the link that ``serve`` prints while there is no user: it makes the first one."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ...store import first_user
from ..roles import ANYBODY, needs


@needs(ANYBODY)
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
def first(request: HttpRequest, token: str) -> HttpResponse:
    """A form for name and password; 410 for a link that was used or is too old."""
    form: BaseUserCreationForm[User] = BaseUserCreationForm(request.POST or None)
    try:
        first_user.require_valid(token)
        if request.method == "POST" and form.is_valid():
            user = form.save(commit=False)
            first_user.create(token, user)
            login(request, user)
            return redirect("overview")
    except first_user.NoLongerValid:
        return render(request, "accounts/no_longer_valid.html", status=410)
    return render(request, "accounts/first.html", {"form": form})
