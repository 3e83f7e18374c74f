"""The addresses of projects."""

from django.urls import path

from .project import project

urlpatterns = [path("projects/<slug:slug>/", project, name="project")]
