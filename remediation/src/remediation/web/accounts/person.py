"""The page of how somebody signs in, for administrators: e-mail address, tie to the provider, second factor."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from ...store import identities, second_factors
from ..roles import ADMIN, needs


class EmailForm(forms.Form):
    """An address, or none."""

    email = forms.EmailField(
        required=False,
        label="E-mail address",
        help_text="Who signs in by the provider for the first time is found by it, once the provider has verified it.",
    )


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def person(request: HttpRequest, number: int) -> HttpResponse:
    """The page; a form that is sent to it changes the e-mail address."""
    user = get_object_or_404(User, pk=number)
    form = EmailForm(request.POST or None, initial={"email": user.email})
    if request.method == "POST" and form.is_valid():
        try:
            identities.set_email(user, form.cleaned_data["email"], str(request.user))
        except identities.Taken as error:
            form.add_error("email", str(error))
        else:
            messages.success(request, "The address is stored.")
            return redirect("person", number)
    known = {
        "person": user,
        "form": form,
        "factor": second_factors.of(user),
        "provider": settings.OPEN_ID,
        "identities": user.identities.order_by("issuer"),
    }
    return render(request, "accounts/person.html", known, status=400 if form.errors else 200)


@needs(ADMIN)
@require_POST
def change_person(request: HttpRequest, number: int) -> HttpResponse:
    """Tie to a ``subject``, ``untie`` from an issuer, or remove the second ``factor``."""
    user, who = get_object_or_404(User, pk=number), str(request.user)
    issuer, subject = request.POST.get("untie"), request.POST.get("subject", "").strip()
    try:
        if issuer:
            identities.untie(user, issuer, who)
            messages.success(request, f"{user.username} is not tied any more.")
        elif request.POST.get("factor") == "remove":
            second_factors.remove(user, who)
            messages.success(request, f"The second factor of {user.username} is removed.")
        elif subject and settings.OPEN_ID is not None:
            identities.tie(user, settings.OPEN_ID.issuer, subject, who)
            messages.success(request, f"{user.username} is tied to {subject}.")
    except identities.Taken as error:
        messages.error(request, str(error))
    return redirect("person", number)
