"""The addresses of signing in and out."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from ..roles import ANYBODY, needs
from .first import first

urlpatterns = [
    path("sign-in/", needs(ANYBODY)(LoginView.as_view(template_name="accounts/sign_in.html")), name="sign-in"),
    path("sign-out/", needs(ANYBODY)(LogoutView.as_view()), name="sign-out"),
    path("first/<str:token>/", first, name="first"),
]
