"""The addresses of all pages: each area has its own."""

from __future__ import annotations

from django.urls import include, path

from .health.health import health

AREAS = (
    "overview",
    "vulnerabilities",
    "devices",
    "differences",
    "weekly",
    "remedies",
    "playbooks",
    "network",
    "register",
    "tickets",
    "consolidation",
    "investigations",
    "acceptances",
    "projects",
    "imports",
    "connections",
    "webhooks",
    "reconcile",
    "service",
    "mail",
    "alerts",
    "cisco",
    "grading",
    "ticket_templates",
    "sources",
    "audit",
    "accounts",
    "reports",
    "api_keys",
    "api",
    "listing",
)
urlpatterns = [
    path("healthz", health, name="health"),
    *(path("", include(f"{__package__}.{area}.urls")) for area in AREAS),
]
