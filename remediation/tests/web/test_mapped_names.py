"""What a connection names in HaloITSM and is gone, as the pages tell it."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from remediation.store import models
from remediation.tickets.mapped_names import LOOKED_UP

from .conftest import DAY
from .test_connections import text_of


def test_what_is_gone_is_said_on_the_connections_page_and_the_overview(
    as_role: Callable[[str], Client], project: models.Project
) -> None:
    analyst, place = as_role("analyst"), f"/connections/{project.connection_id}/"
    assert "It was not looked up yet." in text_of(analyst.get(place))
    assert "A look is asked for." in text_of(analyst.post(f"{place}names/", follow=True))
    (job,) = ProcrastinateJob.objects.filter(task_name="look_up")
    assert job.args == {"connection_id": project.connection_id}
    gone = {"kind": "agent", "name": "<Marcus>", "used_by": [], "count": 0, "now": "Marc"}
    kept = {"at": DAY.isoformat(), "numbers": {}, "vanished": [gone], "unread": {"team": "It is not permitted."}}
    row = models.Connection.objects.get()
    row.settings = {**row.settings, LOOKED_UP: kept, "closing_agent": "<Marcus>"}
    row.save()
    words = "no agent named '<Marcus>', but one that is named 'Marc' now"
    page = analyst.get(place)
    assert words in text_of(page) and "Team could not be read: It is not permitted." in text_of(page)
    assert words in text_of(analyst.get("/")) and b"<Marcus>" not in page.content
    # Another one was chosen since.
    models.Connection.objects.update(settings={**row.settings, "closing_agent": "Priya Raman"})
    assert words not in text_of(analyst.get(place)) and "has all that this connection" in text_of(analyst.get(place))
