"""The addresses of differences. The period is in the path, so that the list's own filters leave it as it is."""

from django.urls import path

from .chart import fix_chart
from .compared import of_days, of_snapshots
from .differences import differences

urlpatterns = [
    path("differences/", differences, name="differences"),
    path("differences/fixed.svg", fix_chart, name="fix-chart"),
    path("differences/days/<str:since>/<str:until>/", of_days, name="difference-of-days"),
    path("differences/days/<str:since>/<str:until>/print", of_days, {"printed": True}, name="print-days"),
    path("differences/snapshots/<int:before>/<int:after>/", of_snapshots, name="difference-of-snapshots"),
    path(
        "differences/snapshots/<int:before>/<int:after>/print", of_snapshots, {"printed": True}, name="print-snapshots"
    ),
]
