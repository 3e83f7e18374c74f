"""The addresses of saved views."""

from django.urls import path

from .views import remove, save

urlpatterns = [
    path("views/<str:listing>/", save, name="save-view"),
    path("views/<int:number>/remove/", remove, name="remove-view"),
]
