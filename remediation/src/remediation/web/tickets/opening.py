"""One click to a ticket: for a vulnerability, a device, a remedy, or for chosen vulnerabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from ...domain.project import Granularity
from ...domain.wording import Wording
from ...jobs.tasks import ask_to_run, ask_to_tie
from ...jobs.telling import at_a_page
from ...service_day import service_day
from ...store import models
from ...store.remedies import called
from ...store.ticket_templates import all_templates
from ...tickets.attention import TYING, NotPossible
from ...tickets.chosen import require_there, to_be_tied
from ...tickets.single import Offer, Subject, offer, on_its_way, pick, priorities, standing
from ..numbers import number_in
from ..projects.steps import looks
from ..roles import ANALYST, needs
from .asked import address_of
from .wording import OWN, TicketForm, choices, unified, usual_of, wording_of

# As many vulnerabilities can be chosen at once; of so many it is shown what their tickets will be.
MOST, SHOWN = 100, 5
NOTHING_LEFT = "No ticket was asked for: nothing of it is left for a new one."


@needs(ANALYST)
@require_http_methods(["GET", "HEAD", "POST"])
def open_ticket(request: HttpRequest) -> HttpResponse:
    """Shows what the ticket will be, and asks for it. ``vulnerability``, ``device``, one or several ``remedy`` or
    ``chosen`` say of what, ``connection`` where to, if there are several, ``template`` by which template. A single new
    ticket has a form with what it says; ``existing`` is the number of a ticket of HaloITSM's that is taken instead.
    """
    given = request.POST if request.method == "POST" else request.GET
    subjects, names = _subjects(given)
    connections = list(models.Connection.objects.order_by("name"))
    connection = next((one for one in connections if str(one.pk) == given.get("connection")), None)
    connection = connection or (connections[0] if len(connections) == 1 else None)
    page = _Page(given, subjects, connection, service_day(), str(request.user))
    if request.method == "POST" and connection and subjects:
        if address := page.ask(connection):
            if page.is_late:
                messages.warning(request, "Somebody has asked for it before you: what you have typed is not used.")
            return redirect(address)
        if not page.errors:
            messages.warning(request, page.trouble or NOTHING_LEFT)
    offers = page.offers
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
        "form": page.form,
        "template": page.word,
        "templates": choices(page.templates),
        "compliance": page.wording.chosen.compliance if page.wording.chosen else (),
    }
    return render(request, "tickets/open.html", known, status=page.errors or 200)


class _Page:
    """What is asked for, by whom, and what would be made of it. ``errors`` is the status of an answer that refuses."""

    def __init__(
        self,
        given: QueryDict,
        subjects: Sequence[Subject],
        connection: models.Connection | None,
        today: date,
        by: str,
    ) -> None:
        self._given, self._subjects, self._today, self._by = given, subjects, today, by
        self.templates = all_templates()
        self.errors, self.trouble, self.is_late = 0, "", False
        self.word = given.get("template", "")
        self._is_known = self.word in self.templates or self.word == OWN
        self.offers: list[Offer] = []
        self.form: TicketForm | None = None
        if connection and not self._is_known:
            self.word = usual_of(self._offered(connection, Wording()))
        self.wording = wording_of(self.word, self.templates, by)
        if connection:
            self._fill(connection)

    def _fill(self, connection: models.Connection) -> None:
        self.offers = self._offered(connection, self.wording)
        if len(self._subjects) == 1 and self.offers[0].is_new:
            names = priorities(self._subjects[0], connection)
            data = self._given if "summary" in self._given else None
            self.form = TicketForm(data, self.offers[0], names, self._today)

    def _offered(self, connection: models.Connection, wording: Wording) -> list[Offer]:
        return [offer(one, connection, self._today, wording) for one in self._subjects[:SHOWN]]

    def ask(self, connection: models.Connection) -> str:
        """Ask for what is shown. The address of the page that tells what becomes of it, "" where nothing is asked for.

        Who sends no template, as a program does, gets what projects say.
        """
        if self._given.get("template") and not self._is_known:
            self.trouble = (
                "The template was removed meanwhile. Nothing was asked for: look at what the ticket says now."
            )
            return ""
        wording = self.wording if self._is_known else Wording(by=self._by)
        existing = 0
        if self.form is not None and self.form.is_bound:
            if not self.form.is_valid():
                self.errors = 400
                return ""
            wording = self._typed(connection, self.form, wording)
            existing = int(self.form.cleaned_data["existing"])
        elif "summary" in self._given and len(self.offers) == 1:
            if self.offers[0].body is not None:
                self.trouble = (
                    "A ticket of it has come up since this was shown to you. Nothing was asked for: look again."
                )
                return ""
            self.is_late = bool(self.offers[0].asked) and self._differs(connection)
        return self._asked(connection, wording, existing)

    def _asked(self, connection: models.Connection, wording: Wording, existing: int) -> str:
        """The address of the page that tells what becomes of what is asked for now, "" where nothing is."""
        try:
            if existing:
                require_there(connection, existing)
            projects = ask_for(self._subjects, connection, self._today, self._by, wording=wording, existing=existing)
        except NotPossible as error:
            self._refused(str(error), 400)
            return ""
        except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
            if not existing:
                raise
            self._refused(f"Ticket {existing} could not be read, so nothing was asked for. {at_a_page(error)}", 502)
            return ""
        by = {(one.source_id or 0, str(one.settings["granularity"])): one for one in projects}
        return address_of(by, list(self._subjects)) if projects else ""

    def _typed(self, connection: models.Connection, form: TicketForm, wording: Wording) -> Wording:
        """A wording with what was changed of what was filled in. A text that was not follows a date that was."""
        facts = replace(wording, typed=form.facts())
        now = self._offered(connection, facts)[0].body or {} if facts.typed else {}
        filled = [body for body in (self.offers[0].body, now) if body]
        return replace(facts, typed={**facts.typed, **form.texts(*filled)})

    def _differs(self, connection: models.Connection) -> bool:
        """Whether the ticket that is on its way is not to say what was sent here."""
        text, subject = self.offers[0].text or {}, self._subjects[0]
        if chosen := self._given.get("existing", "").strip().removeprefix("#"):
            project = standing(subject, connection)
            row = to_be_tied(project, subject.key) if project else None
            return row is None or str(row.note[TYING]["to"]) != chosen
        waits = on_its_way(subject, connection)
        for name in ("summary", "details"):
            sent = unified(self._given.get(name, ""))
            if sent != unified(str(waits.typed.get(name, text.get(name))) if waits else ""):
                return True
        return False

    def _refused(self, why: str, status: int) -> None:
        self.errors = status
        if self.form is not None:
            self.form.add_error("existing", why)


@transaction.atomic
def ask_for(
    subjects: Sequence[Subject],
    connection: models.Connection,
    today: date,
    by: str,
    *,
    wording: Wording | None = None,
    existing: int = 0,
) -> list[models.Project]:
    """Ask for tickets of subjects. Returns the projects whose next run makes them: none where nothing is left.

    ``wording`` and ``existing`` as in ``pick``, which says what is raised.
    """
    projects = pick(subjects, connection, today, by, wording=wording, existing=existing)
    for project in projects:
        if existing and (row := to_be_tied(project, subjects[0].key)) is not None:
            ask_to_tie(row)
        # A paused one makes it when an approver lets it run again: the page says so.
        elif not project.paused:
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
