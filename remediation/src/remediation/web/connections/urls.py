"""The addresses of connections and of their wizard."""

from django.urls import path

from . import connections, finish, wizard

urlpatterns = [
    path("connections/", connections.all_connections, name="connections"),
    path("connections/<int:number>/", connections.connection, name="connection"),
    path("connections/<int:number>/names/", connections.look_up_names, name="connection-names"),
    path("connections/<int:number>/change/", wizard.change, name="connection-change"),
    path("connections/new/", wizard.new, name="connection-new"),
    path("connections/drafts/<int:number>/details/", wizard.details, name="draft-details"),
    path("connections/drafts/<int:number>/statuses/", wizard.statuses, name="draft-statuses"),
    path("connections/drafts/<int:number>/template/", wizard.template, name="draft-template"),
    path("connections/drafts/<int:number>/assignment/", wizard.assignment, name="draft-assignment"),
    path("connections/drafts/<int:number>/enable/", finish.enable, name="draft-enable"),
    path("connections/drafts/<int:number>/discard/", finish.discard, name="draft-discard"),
]
