"""The addresses of the overview."""

from django.urls import path

from .api import api_status
from .overview import overview

urlpatterns = [path("", overview, name="overview"), path("api/status", api_status, name="api-status")]
