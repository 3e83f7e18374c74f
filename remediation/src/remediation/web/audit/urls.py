"""The address of the audit."""

from django.urls import path

from .audit import audit

urlpatterns = [path("audit/", audit, name="audit")]
