"""The addresses of investigations."""

from django.urls import path

from .acting import ask, decide, dispose
from .investigations import all_investigations, investigation
from .sources import add_source, change_source

urlpatterns = [
    path("investigations/", all_investigations, name="investigations"),
    path("investigations/<int:number>/", investigation, name="investigation"),
    path("investigations/<int:number>/ticket", ask, name="ask-for-investigation"),
    path("investigations/<int:number>/decide", decide, name="decide-investigation"),
    path("investigations/<int:number>/disposition", dispose, name="dispose-investigation"),
    path("investigations/sources/new", add_source, name="add-investigation-source"),
    path("investigations/sources/<int:number>/", change_source, name="investigation-source"),
]
