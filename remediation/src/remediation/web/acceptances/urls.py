"""The addresses of accepted risks."""

from django.urls import path

from .acceptances import accept, all_acceptances, change

urlpatterns = [
    path("acceptances/", all_acceptances, name="acceptances"),
    path("acceptances/new", accept, name="accept"),
    path("acceptances/<int:number>/", change, name="change-acceptance"),
]
