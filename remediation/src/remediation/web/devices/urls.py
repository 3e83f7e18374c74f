"""The addresses of devices."""

from django.urls import path

from .devices import all_devices, device

urlpatterns = [
    path("devices/", all_devices, name="devices"),
    path("devices/<int:number>/", device, name="device"),
]
