"""The addresses of the weekly report."""

from django.urls import path

from .settings import settings
from .weekly import weekly_report

urlpatterns = [
    path("weekly/", weekly_report, name="weekly"),
    path("weekly/print", weekly_report, {"printed": True}, name="print-weekly"),
    path("weekly/settings", settings, name="weekly-settings"),
]
