"""The address of the network view."""

from django.urls import path

from .network import network

urlpatterns = [path("network/", network, name="network")]
