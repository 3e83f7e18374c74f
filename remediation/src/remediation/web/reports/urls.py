"""Where programs send reports to."""

from django.urls import path

from .api import api_report

urlpatterns = [path("api/reports/<str:name>", api_report, name="api-report")]
