"""The addresses of all pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from .accounts.first import first
from .health.health import health
from .overview.api import api_status
from .overview.overview import overview
from .projects.project import project
from .reports.api import api_report

urlpatterns = [
    path("", overview, name="overview"),
    path("projects/<slug:slug>/", project, name="project"),
    path("sign-in/", LoginView.as_view(template_name="accounts/sign_in.html"), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("first/<str:token>/", first, name="first"),
    path("healthz", health, name="health"),
    path("api/reports/<str:name>", api_report, name="api-report"),
    path("api/status", api_status, name="api-status"),
]
