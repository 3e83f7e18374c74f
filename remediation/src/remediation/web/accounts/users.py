"""The page of people: who may sign in, and as what."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.http import require_http_methods, require_POST

from ...store import audit
from ...store.roles import LastAdministrator, give_role, role_of, set_active
from ..roles import ADMIN, NAMES, ROLES, VIEWER, needs

LINK = "link for a password"
TAKEN = "There is a user of that name already."


class UserForm(forms.Form):
    """Somebody new."""

    name = forms.CharField(max_length=150, validators=[UnicodeUsernameValidator()])
    role = forms.ChoiceField(choices=list(NAMES.items()), initial=VIEWER)

    def clean_name(self) -> str:
        """Raises ValidationError for a name that somebody has."""
        name: str = self.cleaned_data["name"]
        if User.objects.filter(username__iexact=name).exists():
            raise ValidationError(TAKEN)
        return name


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def users(request: HttpRequest) -> HttpResponse:
    """All people, and a form for one more, who gets a link to set a password with."""
    form = UserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = _added(str(request.user), form.cleaned_data["name"], form.cleaned_data["role"])
        except IntegrityError:
            form.add_error("name", TAKEN)
        else:
            _give_link(request, user)
            return redirect("users")
    everybody = User.objects.order_by("username").select_related("second_factor").prefetch_related("groups")
    known = {
        "form": form,
        "users": [(user, role_of(user)) for user in everybody],
        "roles": NAMES.items(),
        "link": request.session.pop(LINK, None),
    }
    return render(request, "accounts/users.html", known, status=400 if form.errors else 200)


@transaction.atomic
def _added(by: str, name: str, role: str) -> User:
    """Raises IntegrityError where somebody adds one of that name at the same moment, as by a second click."""
    user = User(username=name)
    user.set_unusable_password()
    user.save()
    give_role(user, role)
    audit.record(by, "user added", name, role=role)
    return user


@needs(ADMIN)
@require_POST
def change_user(request: HttpRequest, number: int) -> HttpResponse:
    """Another ``role``, ``active`` or not, or a new ``link`` for a password."""
    user = get_object_or_404(User, pk=number)
    who, role, active = str(request.user), request.POST.get("role"), request.POST.get("active")
    try:
        with transaction.atomic():
            if role in ROLES and role != role_of(user):
                before = role_of(user)
                give_role(user, role)
                audit.record(who, "role changed", user.username, role=[before, role])
                messages.success(request, f"{user.username} has the role {NAMES[role]} now.")
            elif active in ("yes", "no"):
                set_active(user, active == "yes")
                audit.record(who, "user let in" if active == "yes" else "user shut out", user.username)
                messages.success(
                    request, f"{user.username} {'can sign in again' if active == 'yes' else 'cannot sign in any more'}."
                )
            elif request.POST.get("link"):
                audit.record(who, "password link made", user.username)
                _give_link(request, user)
    except LastAdministrator as error:
        messages.error(request, str(error))
    return redirect("users")


def _give_link(request: HttpRequest, user: User) -> None:
    """A link that is shown once, and works once."""
    words = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": default_token_generator.make_token(user)}
    address = request.build_absolute_uri(reverse("set-password", kwargs=words))
    request.session[LINK] = {"name": user.username, "address": address}
