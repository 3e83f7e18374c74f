"""The addresses of the register."""

from django.urls import path

from .bringing import bring, drafted, take_in_draft
from .mismatches import add_other_name, mismatches
from .register import register, unknown_devices

urlpatterns = [
    path("register/", register, name="register"),
    path("register/unknown/", unknown_devices, name="unknown-devices"),
    path("register/bring", bring, name="register-bring"),
    path("register/drafts/<int:number>/", drafted, name="register-draft"),
    path("register/drafts/<int:number>/take-in", take_in_draft, name="register-take-in"),
    path("register/mismatches/", mismatches, name="mismatches"),
    path("register/other-name", add_other_name, name="add-other-name"),
]
