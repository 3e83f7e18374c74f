"""The addresses of webhooks: where they come in, and the page that makes such an address."""

from django.urls import path

from .incoming import halo_webhook
from .setting_up import webhook

urlpatterns = [
    path("webhooks/halo/<str:token>", halo_webhook, name="halo-webhook"),
    path("connections/<int:number>/webhook/", webhook, name="webhook"),
]
