"""The addresses of tickets."""

from django.urls import path

from .acting import attach, detach, go_on, pause, tie
from .asked import asked_for
from .in_halo import in_halo
from .look_up import look_up
from .opening import open_ticket
from .tickets import all_tickets, ticket

urlpatterns = [
    path("tickets/", all_tickets, name="tickets"),
    path("tickets/new", open_ticket, name="open-ticket"),
    path("tickets/look-up", look_up, name="look-up-ticket"),
    path("tickets/asked", asked_for, name="asked-tickets"),
    path("tickets/<int:number>/", ticket, name="ticket"),
    path("tickets/<int:number>/in-halo", in_halo, name="ticket-in-halo"),
    path("tickets/<int:number>/pause", pause, name="pause-ticket"),
    path("tickets/<int:number>/resume", go_on, name="resume-ticket"),
    path("tickets/<int:number>/detach", detach, name="detach-ticket"),
    path("tickets/<int:number>/attach", attach, name="attach-ticket"),
    path("tickets/<int:number>/tie", tie, name="tie-ticket"),
]
