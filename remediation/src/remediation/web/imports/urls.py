"""The addresses of imports."""

from django.urls import path

from . import imports, sending

urlpatterns = [
    path("imports/", imports.all_imports, name="imports"),
    path("imports/begin", sending.begin, name="import-begin"),
    path("imports/<int:number>/", imports.one_import, name="import"),
    path("imports/<int:number>/part", sending.part, name="import-part"),
    path("imports/<int:number>/progress", imports.progress, name="import-progress"),
    path("imports/<int:number>/confirm", imports.confirm, name="import-confirm"),
    path("imports/<int:number>/cancel", imports.cancel, name="import-cancel"),
    path("imports/<int:number>/errors.csv", imports.errors, name="import-errors"),
]
