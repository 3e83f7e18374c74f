"""The addresses of the access to Cisco's openVuln."""

from django.urls import path

from .cisco import cisco

urlpatterns = [path("settings/cisco", cisco, name="cisco")]
