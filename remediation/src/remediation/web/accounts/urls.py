"""The addresses of people and of signing in and out."""

from django.contrib.auth.views import LogoutView, PasswordChangeView, PasswordResetConfirmView
from django.urls import path, reverse_lazy

from ..roles import ANYBODY, VIEWER, needs
from .first import first
from .signing_in import SignIn
from .users import change_user, users

_set = PasswordResetConfirmView.as_view(
    template_name="accounts/set_password.html", success_url=reverse_lazy("sign-in"), reset_url_token="now"  # nosec B106
)
_change = PasswordChangeView.as_view(
    template_name="accounts/change_password.html", success_url=reverse_lazy("overview")
)
_set.login_required = False  # type: ignore[attr-defined]  # the link is what lets somebody in

urlpatterns = [
    path("sign-in/", needs(ANYBODY)(SignIn.as_view()), name="sign-in"),
    path("sign-out/", needs(ANYBODY)(LogoutView.as_view()), name="sign-out"),
    path("first/<str:token>/", first, name="first"),
    path("password/", needs(VIEWER)(_change), name="change-password"),
    path("password/<str:uidb64>/<str:token>/", needs(ANYBODY)(_set), name="set-password"),
    path("users/", users, name="users"),
    path("users/<int:number>/", change_user, name="change-user"),
]
