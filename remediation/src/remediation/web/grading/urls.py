"""The addresses of the grading formula."""

from django.urls import path

from .grading import grading

urlpatterns = [path("settings/grading", grading, name="grading")]
