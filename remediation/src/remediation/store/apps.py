"""The store as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """Its tables are named ``store_...``."""

    name = "remediation.store"
    label = "store"
