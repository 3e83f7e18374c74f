"""The addresses of consolidation."""

from django.urls import path

from .consolidation import carry_out_suggestion, consolidation, reject_suggestion
from .plan import device_plan

urlpatterns = [
    path("consolidation/", consolidation, name="consolidation"),
    path("consolidation/carry-out", carry_out_suggestion, name="carry-out-consolidation"),
    path("consolidation/reject", reject_suggestion, name="reject-consolidation"),
    path("consolidation/devices", device_plan, name="device-plan"),
]
