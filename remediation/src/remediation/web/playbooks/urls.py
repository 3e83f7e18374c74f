"""The addresses of playbooks, below those of what they are for."""

from django.urls import path

from .playbook import attach, download_of_remedy, download_of_ticket, of_remedy, of_ticket

urlpatterns = [
    path("remedies/<int:number>/playbook", of_remedy, name="remedy-playbook"),
    path("remedies/<int:number>/playbook/<str:file>", download_of_remedy, name="remedy-playbook-file"),
    path("tickets/<int:number>/playbook", of_ticket, name="ticket-playbook"),
    path("tickets/<int:number>/playbook/attach", attach, name="attach-playbook"),
    path("tickets/<int:number>/playbook/<str:file>", download_of_ticket, name="ticket-playbook-file"),
]
