"""The addresses of accepted risks."""

from django.urls import path

from .acceptances import accept, acceptance, all_acceptances, send

urlpatterns = [
    path("acceptances/", all_acceptances, name="acceptances"),
    path("acceptances/new", accept, name="accept"),
    path("acceptances/<int:number>/", acceptance, name="acceptance"),
    path("acceptances/<int:number>/send", send, name="send-acceptance"),
]
