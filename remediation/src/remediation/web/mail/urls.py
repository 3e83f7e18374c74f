"""The addresses of the page about mail."""

from django.urls import path

from .mail import mail

urlpatterns = [path("settings/mail", mail, name="mail")]
