"""The addresses of tickets."""

from django.urls import path

from .opening import open_ticket
from .tickets import all_tickets, ticket

urlpatterns = [
    path("tickets/", all_tickets, name="tickets"),
    path("tickets/new", open_ticket, name="open-ticket"),
    path("tickets/<int:number>/", ticket, name="ticket"),
]
