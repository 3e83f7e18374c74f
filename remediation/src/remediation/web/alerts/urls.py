"""The addresses of alerts."""

from django.urls import path

from .acting import again, pause, remove
from .alerts import alert_rule, alerts
from .editing import add_rule, change_rule
from .sent import sent

urlpatterns = [
    path("alerts/", alerts, name="alerts"),
    path("alerts/sent", sent, name="alerts-sent"),
    path("alerts/new", add_rule, name="alert-rule-new"),
    path("alerts/<int:number>/", alert_rule, name="alert-rule"),
    path("alerts/<int:number>/edit", change_rule, name="change-alert-rule"),
    path("alerts/<int:number>/pause", pause, name="pause-alert-rule"),
    path("alerts/<int:number>/remove", remove, name="remove-alert-rule"),
    path("alerts/messages/<int:number>/again", again, name="send-alerts-again"),
]
