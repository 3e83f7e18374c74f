"""The address of the page that compares a connection with HaloITSM."""

from django.urls import path

from .reconcile import reconcile

urlpatterns = [path("connections/<int:number>/reconcile/", reconcile, name="reconcile")]
