"""The addresses of vulnerabilities."""

from django.urls import path

from .vulnerabilities import all_vulnerabilities, vulnerability

urlpatterns = [
    path("vulnerabilities/", all_vulnerabilities, name="vulnerabilities"),
    path("vulnerabilities/<int:number>/", vulnerability, name="vulnerability"),
]
