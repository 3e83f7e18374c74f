"""The addresses of scanners and of how a source names its machines."""

from django.urls import path

from .naming import change_names
from .scanners import add_scanner, change_scanner

urlpatterns = [
    path("settings/scanners/<str:kind>/", add_scanner, name="add-scanner"),
    path("settings/sources/<int:number>/", change_scanner, name="change-scanner"),
    path("settings/sources/<int:number>/names", change_names, name="source-names"),
]
