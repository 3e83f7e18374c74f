"""One click to a ticket: for a vulnerability, a device, a remedy, or for chosen vulnerabilities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ...domain.project import Granularity
from ...jobs.tasks import ask_to_run
from ...store import models
from ...store.remedies import called
from ...tickets.single import Subject, offer, pick
from ..numbers import number_in
from ..projects.steps import looks
from ..roles import ANALYST, needs
from .asked import address_of

# As many vulnerabilities can be chosen at once; of so many it is shown what their tickets will be.
MOST, SHOWN = 100, 5


@needs(ANALYST)
@require_http_methods(["GET", "HEAD", "POST"])
def open_ticket(request: HttpRequest) -> HttpResponse:
    """Shows what the ticket will be, and asks for it. ``vulnerability``, ``device``, one or several ``remedy`` or
    ``chosen`` say of what, ``connection`` where to, if there are several."""
    given = request.POST if request.method == "POST" else request.GET
    subjects, names = _subjects(given)
    connections = list(models.Connection.objects.order_by("name"))
    connection = next((one for one in connections if str(one.pk) == given.get("connection")), None)
    connection = connection or (connections[0] if len(connections) == 1 else None)
    today = timezone.localdate()
    if request.method == "POST" and connection and subjects:
        if projects := ask_for(subjects, connection, today, str(request.user)):
            by = {(one.source_id or 0, str(one.settings["granularity"])): one for one in projects}
            return redirect(address_of(by, subjects))
        messages.warning(request, "No ticket was asked for: nothing of it is left for a new one.")
    offers = [offer(one, connection, today) for one in subjects[:SHOWN]] if connection else []
    known = {
        "names": list(dict.fromkeys(names)),
        "subjects": subjects,
        "connections": connections,
        "connection": connection,
        "offers": [(name, one, looks(one.body) if one.body else []) for name, one in zip(names, offers)],
        "more": max(len(subjects) - SHOWN, 0),
        "asked": [
            (name, value) for name in ("vulnerability", "device", "remedy", "chosen") for value in given.getlist(name)
        ],
        "possible": bool(connection and (len(subjects) > SHOWN or any(one.body for one in offers))),
    }
    return render(request, "tickets/open.html", known)


@transaction.atomic
def ask_for(subjects: Sequence[Subject], connection: models.Connection, today: date, by: str) -> list[models.Project]:
    """Ask for tickets of subjects. Returns the projects whose next run makes them: none where nothing is left."""
    projects = pick(subjects, connection, today, by)
    for project in projects:
        # A paused one makes it when an approver lets it run again: the page says so.
        if not project.paused:
            ask_to_run(project)
    return projects


def of_device(device: models.Device) -> list[Subject]:
    """What a ticket for a device is asked for: each of its assets."""
    assets = device.assets.select_related("source").order_by("source__name", "asset")
    return [Subject(one.source, Granularity.ASSET, one.asset) for one in assets]


def of_vulnerability(row: models.Vulnerability) -> Subject:
    """What a ticket for a vulnerability is asked for."""
    return Subject(row.source, Granularity.VULNERABILITY, row.vulnerability)


def _subjects(given: QueryDict) -> tuple[list[Subject], list[str]]:
    """What is asked for, and what each is called."""
    if number := number_in(given.get("device")):
        device = get_object_or_404(models.Device, pk=number)
        found = of_device(device)
        return found, [device.name for _ in found]
    if remedies := [number for text in given.getlist("remedy")[:MOST] if (number := number_in(text))]:
        return _of_remedies(remedies)
    chosen = [number_in(text) for text in (*given.getlist("chosen")[:MOST], given.get("vulnerability"))]
    rows = models.Vulnerability.objects.filter(pk__in=chosen).select_related("source").order_by("-rank", "pk")
    return [of_vulnerability(row) for row in rows], [row.title or row.vulnerability for row in rows]


def _of_remedies(numbers: Sequence[int]) -> tuple[list[Subject], list[str]]:
    """Those of remedies, in their order. Raises Http404 where none is there."""
    rows = models.Remedy.objects.select_related("source").in_bulk(set(numbers))
    if not rows:
        raise Http404
    found = [_of_remedy(rows[number]) for number in dict.fromkeys(numbers) if number in rows]
    return [one for subjects, _ in found for one in subjects], [name for _, names in found for name in names]


def _of_remedy(remedy: models.Remedy) -> tuple[list[Subject], list[str]]:
    """A solution; where the source names none, the vulnerability that stands for it."""
    is_solution = models.Solution.objects.filter(source=remedy.source_id, solution=remedy.remedy).exists()
    of = Granularity.SOLUTION if is_solution else Granularity.VULNERABILITY
    return [Subject(remedy.source, of, remedy.remedy)], [called(remedy)]
