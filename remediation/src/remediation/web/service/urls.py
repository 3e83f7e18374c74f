"""The addresses of settings."""

from django.urls import path

from .keys import keys
from .service import (
    change_due_days,
    read_feeds_now,
    read_now,
    require_second_factor,
    schedule,
    service,
    stop_reading,
    token,
)

urlpatterns = [
    path("settings/", service, name="service"),
    path("settings/keys", keys, name="keys"),
    path("settings/due", change_due_days, name="due-days"),
    path("settings/second-factor", require_second_factor, name="require-second-factor"),
    path("settings/feeds/read", read_feeds_now, name="read-feeds"),
    path("settings/sources/<int:number>/read", read_now, name="read-now"),
    path("settings/sources/<int:number>/stop", stop_reading, name="stop-reading"),
    path("settings/sources/<int:number>/schedule", schedule, name="schedule"),
    path("settings/sources/<int:number>/token", token, name="source-token"),
]
