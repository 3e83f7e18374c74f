"""The addresses of API keys."""

from django.urls import path

from .keys import api_keys, end_api_key

urlpatterns = [
    path("settings/api-keys", api_keys, name="api-keys"),
    path("settings/api-keys/<int:number>/end", end_api_key, name="end-api-key"),
]
