"""The addresses of remedies."""

from django.urls import path

from .remedies import all_remedies, remedy

urlpatterns = [
    path("remedies/", all_remedies, name="remedies"),
    path("remedies/<int:number>/", remedy, name="remedy"),
]
