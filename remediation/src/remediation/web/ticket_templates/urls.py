"""The addresses of templates of tickets."""

from django.urls import path

from .ticket_templates import all_ticket_templates, built_in, new, preview, remove, ticket_template

urlpatterns = [
    path("settings/ticket-templates/", all_ticket_templates, name="ticket-templates"),
    path("settings/ticket-templates/new", new, name="new-ticket-template"),
    path("settings/ticket-templates/preview", preview, name="preview-ticket-template"),
    path("settings/ticket-templates/built-in/<str:name>/", built_in, name="built-in-ticket-template"),
    path("settings/ticket-templates/<int:number>/", ticket_template, name="ticket-template"),
    path("settings/ticket-templates/<int:number>/remove", remove, name="remove-ticket-template"),
]
