"""The addresses of people and of signing in and out."""

from django.contrib.auth.views import LogoutView, PasswordChangeView, PasswordResetConfirmView
from django.urls import path, reverse_lazy

from ..roles import ANYBODY, VIEWER, needs
from .first import first
from .person import change_person, person
from .second_factor import remove_second_factor, second_factor, sign_in_code, sign_in_set_up
from .signing_in import SignIn
from .single_sign_on import single_sign_on, single_sign_on_done
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
    path("sign-in/code/", sign_in_code, name="sign-in-code"),
    path("sign-in/set-up/", sign_in_set_up, name="sign-in-set-up"),
    path("sign-in/provider/", single_sign_on, name="single-sign-on"),
    path("sign-in/provider/done/", single_sign_on_done, name="single-sign-on-done"),
    path("sign-out/", needs(ANYBODY)(LogoutView.as_view()), name="sign-out"),
    path("first/<str:token>/", first, name="first"),
    path("password/", needs(VIEWER)(_change), name="change-password"),
    path("password/<str:uidb64>/<str:token>/", needs(ANYBODY)(_set), name="set-password"),
    path("second-factor/", second_factor, name="second-factor"),
    path("second-factor/remove", remove_second_factor, name="remove-second-factor"),
    path("users/", users, name="users"),
    path("users/<int:number>/", change_user, name="change-user"),
    path("users/<int:number>/sign-in/", person, name="person"),
    path("users/<int:number>/sign-in/change", change_person, name="change-person"),
]
