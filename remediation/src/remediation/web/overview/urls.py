"""The addresses of the overview."""

from django.urls import path

from .api import api_status
from .chart import chart
from .overview import overview

urlpatterns = [
    path("", overview, name="overview"),
    path("overview/open.svg", chart, name="open-chart"),
    path("api/status", api_status, name="api-status"),
]
