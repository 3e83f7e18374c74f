"""What tickets of a project would say: the plan of findings that there are, of which nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from django.conf import settings as service

from ..domain.plan import Kind, Plan
from ..domain.planning import World, plan
from ..domain.project import Granularity, Settings
from ..domain.scope import Scope
from ..domain.snapshot import SEVERITIES
from ..domain.status import Status
from ..domain.ticket import Ticket
from ..domain.wording import Wording
from ..store import bulk, models
from ..store.grading import formula

# A ticket has more findings rarely; a page shall not wait for them.
MOST = 5000


@dataclass(frozen=True)
class Preview:
    """The bodies of the steps that would make the project's ticket and one child, and that would comment on the child
    when another finding comes up; ``why`` is the reason of the child's. ``findings`` is how many the child holds."""

    parent: Mapping[str, Any]
    child: Mapping[str, Any]
    comment: Mapping[str, Any]
    why: str
    findings: int

    @property
    def is_cut(self) -> bool:
        """Whether the ticket would have more findings."""
        return self.findings == MOST


def preview(vulnerability: models.Vulnerability, name: str, settings: Settings, today: date) -> Preview | None:
    """For the findings that one ticket of that vulnerability's solution has now; None where there are none.

    The project's ticket is as if the project had no others.
    """
    findings = bulk.read_findings_with(vulnerability.source_id, vulnerability.vulnerability, MOST)
    if findings.is_empty():
        return None
    taken = models.SnapshotRecord.objects.filter(source=vulnerability.source_id).order_by("-pk").only("taken").first()
    world = World(
        name=name,
        # What the project leaves out is no matter of its texts.
        settings=replace(
            settings,
            scope=Scope(),
            min_severity=SEVERITIES[-1],
            static=False,
            granularity=Granularity.SOLUTION,
            resolve_unreported=False,
        ),
        findings=findings,
        tickets=(),
        parent=None,
        today=today,
        formula=formula(),
        scanned=taken.taken if taken else None,
        slug="project",
        link=f"{service.PUBLIC_URL}/projects/project" if service.PUBLIC_URL else "",
    )
    made = plan(world)
    child = _step(made, Kind.CREATE)
    # A ticket that is there and has told of nothing yet.
    there = Ticket(child.ticket_key, halo_id=1, status=Status.IN_PROGRESS, agreed=Status.IN_PROGRESS)
    later = plan(replace(world, tickets=[there]))
    parent, comment = _step(made, Kind.CREATE_PARENT), _step(later, Kind.COMMENT)
    return Preview(parent.body, child.body, comment.body, child.reason, len(findings))


def worded(vulnerability: models.Vulnerability, wording: Wording, today: date) -> Mapping[str, Any] | None:
    """The body of a ticket of that vulnerability by a wording, where nothing else is chosen; None where it is on no
    asset."""
    findings = bulk.read_alive(vulnerability.source_id, "vulnerability", vulnerability.vulnerability, MOST)
    if findings.is_empty():
        return None
    taken = models.SnapshotRecord.objects.filter(source=vulnerability.source_id).order_by("-pk").only("taken").first()
    world = World(
        name="Single tickets",
        settings=Settings(min_severity=SEVERITIES[-1], parent=False, granularity=Granularity.VULNERABILITY),
        findings=findings,
        tickets=(),
        parent=None,
        today=today,
        scanned=taken.taken if taken else None,
        slug="single",
        link=f"{service.PUBLIC_URL}/projects/single" if service.PUBLIC_URL else "",
        wordings={vulnerability.vulnerability: wording},
    )
    return next((step.body for step in plan(world).steps if step.kind is Kind.CREATE), None)


def _step(made: Plan, kind: Kind) -> Any:
    return next(step for step in made.steps if step.kind is kind)
