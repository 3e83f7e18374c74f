"""The page that compares a connection with HaloITSM: who may ask, what is asked for, and how what was found is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from remediation.store import models

from .test_connections import text_of

FOUND = [
    {
        "kind": "status",
        "number": 2107,
        "of": "Patch <DMZ>: s1/1",
        "found": "is Closed; kept is New",
        "remedy": "is read back",
        "is_applied": True,
    },
    {
        "kind": "left",
        "number": 9,
        "of": "",
        "found": "carries remediation:gone:s1:1, and is in no store",
        "remedy": "is left: its project does not exist any more",
        "is_applied": False,
    },
]


def compared(project: models.Project, **detail: Any) -> None:
    """The newest comparison, as the job leaves it."""
    about = {"connection": project.connection_id, "name": "halo", "applied": False, "text": "1 can be put right."}
    models.Run.objects.create(
        kind="reconcile", finished=timezone.now(), outcome="held", detail={**about, "found": FOUND, **detail}
    )


def asked() -> list[dict[str, int]]:
    jobs = ProcrastinateJob.objects.filter(task_name="reconcile").order_by("pk")
    return [dict(job.args) for job in jobs]


def test_an_approver_compares_and_applies(as_role: Callable[[str], Client], project: models.Project) -> None:
    approver, number = as_role("approver"), project.connection_id
    place = f"/connections/{number}/reconcile/"
    assert place in approver.get(f"/connections/{number}/").content.decode()
    assert place in approver.get("/settings/").content.decode()
    assert "It was not compared yet." in text_of(approver.get(place))
    assert "asked for" in text_of(approver.post(place, {"do": "compare"}, follow=True))
    assert "waits in the queue already" in text_of(approver.post(place, {"do": "compare"}, follow=True))
    compared(project)
    page = approver.get(place).content.decode()
    assert "is Closed; kept is New" in page and "is left: its project does not exist" in page and "&lt;DMZ&gt;" in page
    ticket = models.Ticket.objects.get(halo_id=2107)
    assert f'<a href="/tickets/{ticket.pk}/">2107</a>' in page and 'value="apply"' in page
    approver.post(place, {"do": "apply"})
    assert asked() == [{"connection_id": number, "apply": 0}, {"connection_id": number, "apply": 1}]
    assert models.AuditEntry.objects.get().what == "reconciliation applied"


@pytest.mark.parametrize("detail", [{"applied": True}, {"found": FOUND[1:]}, {"found": []}])
def test_what_is_put_right_or_left_is_not_offered(
    as_role: Callable[[str], Client], project: models.Project, detail: dict[str, Any]
) -> None:
    compared(project, **detail)
    assert (
        'value="apply"'
        not in as_role("approver").get(f"/connections/{project.connection_id}/reconcile/").content.decode()
    )


def test_an_analyst_may_not(as_role: Callable[[str], Client], project: models.Project) -> None:
    place = f"/connections/{project.connection_id}/reconcile/"
    assert as_role("analyst").get(place).status_code == as_role("analyst").post(place).status_code == 403
    assert place not in as_role("analyst").get(f"/connections/{project.connection_id}/").content.decode()


def test_a_comparison_that_failed_does_not_say_that_nothing_differs(
    as_role: Callable[[str], Client], project: models.Project
) -> None:
    compared(project)
    newest = models.Run.objects.latest("pk")
    newest.detail = {"connection": project.connection_id, "text": "HaloITSM cannot be reached."}
    newest.save()
    page = text_of(as_role("approver").get(f"/connections/{project.connection_id}/reconcile/"))
    assert "HaloITSM cannot be reached." in page and "Nothing differs" not in page
