"""Single tickets: what a person asks for with one click, for a device, a vulnerability or a solution.

They are tickets of standing projects, one for each connection, source and kind, which hold exactly the findings that
people have picked. So scans settle them as they settle all others, and no finding gets a second ticket. These projects
come before all others: a person's word counts more than what a scope would take in. They have no ticket of their own,
and nothing of theirs waits for an approver, because a person has asked for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl
from django.conf import settings as service
from django.db import transaction
from django.db.models import Min

from ..domain.acceptance import excepted
from ..domain.ledger import ALIVE, KEY
from ..domain.membership import LISTED, pairs_frame
from ..domain.plan import Kind
from ..domain.planning import World, plan
from ..domain.project import Granularity, Settings
from ..domain.snapshot import SEVERITIES
from ..domain.ticket import Pair, pair_of, pair_text, still_its
from ..domain.wording import Wording
from ..store import audit, bulk, models
from ..store.acceptances import as_known, holding
from ..store.grading import formula
from ..store.projects import create_project, with_defaults
from .attention import DETACHED, FORGOTTEN, NotPossible, asked_again
from .chosen import choose, forget_refused
from .world import ticket_of

# More findings than a ticket ever has; what a page shows of it is made of as many at most.
MOST = 20_000
NAMES = {
    Granularity.ASSET: "Single tickets by device",
    Granularity.VULNERABILITY: "Single tickets by vulnerability",
    Granularity.SOLUTION: "Single tickets by solution",
}
_COLUMNS = {
    Granularity.ASSET: "asset",
    Granularity.VULNERABILITY: "vulnerability",
    Granularity.SOLUTION: "solution",
}
# A device has findings of many solutions, and a ticket of one vulnerability is called by it.
_TEXTS = {
    Granularity.ASSET: {
        "child_summary": "$DEVICE ($VULN_COUNT findings, $SEVERITY)",
        "child_details": "Device: $DEVICE\nAddress: $ASSET_IP_LIST\nSystem: $ASSET_OS_LIST\n\nSeverity: $SEVERITY. "
        "Risk: $RISK_SCORE. Due: $DUE_DATE.\n\nVulnerabilities ($VULN_COUNT): $VULN_LIST\n\nCVEs: $CVE_LIST",
    },
    Granularity.VULNERABILITY: {"child_summary": "$VULN_LIST ($ASSET_COUNT assets, $SEVERITY)"},
    Granularity.SOLUTION: {},
}
# A share of more than all is never resolved, and so many are never made.
_SETTINGS = {"picked": True, "parent": False, "min_severity": "none", "scope": {}, "static": False, "dynamic": False}
_SETTINGS |= {"mass_share": 1.0, "most_creates": 10**9, "reopen_linked": True, "resolve_unreported": False}


@dataclass(frozen=True)
class Subject:
    """What a ticket is asked for: an asset, a vulnerability or a solution of a source, by the source's own id."""

    source: models.Source
    granularity: Granularity
    key: str

    def findings(self, today: date) -> pl.DataFrame:
        """What of it is there now, as far as anybody has proved; the state of what is accepted today says so."""
        found = bulk.read_alive(self.source.pk, _COLUMNS[self.granularity], self.key, MOST)
        return excepted(found, [as_known(row) for row in holding([self.source.pk], today)], today)


@dataclass(frozen=True)
class Offer:
    """What a click would do for a subject that has so many ``findings``.

    ``body`` is that of a new ticket, or of the comment on the one that stands for the subject already (``joins``); None
    where no finding is left for it. ``why`` is its reason, ``devices`` are the names of those that it is about.
    ``covered``: how many of its findings each ticket tells of already. ``asked``: how many somebody has asked a ticket
    for that is not made yet. ``accepted``: of how many the risk is accepted.

    ``text`` is the body of a ticket for all that is there of it, whoever has it; None where nothing is. ``severity`` is
    the worst of it, ``team`` who would get a ticket of it, ``estimate`` how long the source says that it takes.
    ``waits``: how somebody wants the ticket that is on its way.
    """

    subject: Subject
    findings: int
    devices: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = None
    why: str = ""
    joins: models.Ticket | None = None
    covered: tuple[tuple[models.Ticket, int], ...] = ()
    asked: int = 0
    accepted: int = 0
    text: Mapping[str, Any] | None = None
    severity: str = ""
    team: str | None = None
    estimate: str = ""
    waits: Wording | None = None

    @property
    def is_new(self) -> bool:
        """Whether a click makes a ticket that nobody has asked for before, so that its texts can be chosen."""
        return self.body is not None and self.joins is None and self.waits is None


@dataclass(frozen=True)
class _Split:
    """The findings of a subject: those that are ``left`` for a new ticket, and why the others are not.

    ``alive`` are those that are there and not accepted, ``free`` those of them that no ticket tells of.
    """

    left: pl.DataFrame
    alive: pl.DataFrame
    free: pl.DataFrame
    all: int
    accepted: int
    covered: Mapping[int, int]
    tickets: Mapping[int, models.Ticket]
    asked: int


def offer(subject: Subject, connection: models.Connection, today: date, wording: Wording | None = None) -> Offer:
    """What ``pick`` would make, by the functions that make plans. Nothing is stored or sent."""
    split = _split(subject, connection, today)
    covered = tuple((split.tickets[number], count) for number, count in sorted(split.covered.items()))
    known = Offer(subject, split.all, covered=covered, asked=split.asked, accepted=split.accepted)
    if split.alive.is_empty():
        return known
    project = standing(subject, connection)
    world = _world(subject, connection, project, None, split.alive, today, wording)
    text = next((one.body for one in plan(world).steps if one.kind is Kind.CREATE), None)
    severity = min(split.alive["severity"].unique().to_list(), key=SEVERITIES.index)
    # As a plan has it, also where nothing is left for one.
    estimate = str(split.alive["solution_estimate"][0] or "")
    known = replace(known, text=text, severity=severity, team=text["team"] if text else None, estimate=estimate)
    if split.left.is_empty():
        return known
    there = _there(project, subject.key)
    waits = _waiting(project, subject, split)
    made = plan(_world(subject, connection, project, there, split.left, today, waits or wording))
    step = next((one for one in made.steps if one.kind is Kind.CREATE), None)
    joins = there if step is None else None
    step = step or next((one for one in made.steps if one.kind is Kind.COMMENT), None)
    devices = tuple(sorted(step.evidence["assets"])) if step else ()
    # A ticket that is left alone, or missing, gets nothing: the plan says why.
    why = step.reason if step else next((one.reason for one in made.not_done), "")
    return replace(known, body=step.body if step else None, why=why, joins=joins, devices=devices, waits=waits)


@transaction.atomic
def pick(
    subjects: Sequence[Subject],
    connection: models.Connection,
    today: date,
    by: str,
    *,
    wording: Wording | None = None,
    existing: int = 0,
) -> list[models.Project]:
    """Put what is left of the subjects for a new ticket into the standing projects.

    Returns those of them that are to be run, also where somebody else has asked for the same just before. What another
    ticket tells of stays there, and so does a risk that is accepted. ``wording``: how the tickets are to be; who was
    first has said so. ``existing``: Halo's number of the ticket that is to stand for it instead of a new one. Raises
    NotPossible where that one cannot.
    """
    # One at a time, so that two people who click at once do not make two projects, nor two tickets of one finding.
    models.Connection.objects.select_for_update().get(pk=connection.pk)
    projects: dict[int, models.Project] = {}
    for subject in subjects:
        split = _split(subject, connection, today)
        if split.left.is_empty() and not split.asked:
            continue
        project = standing(subject, connection) or _made(subject, connection)
        projects[project.pk] = project
        if split.left.is_empty():
            continue
        texts = {pair_text(pair) for pair in split.left.select(KEY).iter_rows()}
        detail: dict[str, Any] = {"project": project.name, "findings": split.left.height}
        forget_refused(project, subject.key)
        if existing:
            if _waiting(project, subject, split) is not None:
                raise NotPossible("Somebody has asked for a ticket of it before. Look at what becomes of that first.")
            choose(project, subject.key, existing, texts, by)
            detail["to"] = existing
        elif wording is not None and _keep(wording, project, subject, split, today):
            detail |= {"template": wording.chosen.name} if wording.chosen else {}
            detail |= {"edited": sorted(wording.typed)} if wording.typed else {}
        bulk.write_listed(project.pk, split.left)
        asked_again(project, texts)
        audit.record(by, "ticket asked for", subject.key, **detail)
    return list(projects.values())


def _waiting(project: models.Project | None, subject: Subject, split: _Split) -> Wording | None:
    """How somebody wants the ticket of a subject that is on its way; None where none is.

    What was wanted for findings that were gone before the ticket was made is not counted any more.
    """
    if project is None:
        return None
    mine = _listed_by(subject, project=project).join(split.free.select(KEY), on=KEY, how="semi")
    if mine.is_empty():
        return None
    row = models.TicketWording.objects.filter(project=project, key=subject.key).first()
    return Wording.from_table(row.wording) if row else Wording()


def on_its_way(subject: Subject, connection: models.Connection) -> Wording | None:
    """How somebody wants the ticket of a subject that is not made yet, None where nobody has said so."""
    project = standing(subject, connection)
    row = models.TicketWording.objects.filter(project=project, key=subject.key).first() if project else None
    return Wording.from_table(row.wording) if row else None


def _keep(wording: Wording, project: models.Project, subject: Subject, split: _Split, today: date) -> bool:
    """Keep how a ticket is to be until it is made; False where it is on its way already, or where there is one."""
    if _waiting(project, subject, split) is not None:
        return False
    there = _there(project, subject.key)
    made = plan(_world(subject, project.connection, project, there, split.left, today, wording))
    if not any(one.kind is Kind.CREATE for one in made.steps):
        return False
    models.TicketWording.objects.update_or_create(
        project=project, key=subject.key, defaults={"wording": wording.to_table()}
    )
    return True


def _split(subject: Subject, connection: models.Connection, today: date) -> _Split:
    findings = subject.findings(today)
    alive = findings.filter(pl.col("state").is_in(ALIVE))
    told, forgotten = _told(subject, connection)
    covered: dict[int, int] = {}
    for pair in alive.select(KEY).iter_rows():
        if pair in told:
            covered[told[pair].pk] = covered.get(told[pair].pk, 0) + 1
    free = alive.join(pairs_frame(told), on=KEY, how="anti")
    # What somebody has asked for is on its way, unless its ticket was detached since.
    asked = _listed(subject, connection).join(pairs_frame(forgotten), on=KEY, how="anti")
    left = free.join(asked, on=KEY, how="anti")
    tickets = {ticket.pk: ticket for ticket in told.values()}
    return _Split(
        *(left, alive, free, findings.height, findings.height - alive.height, covered, tickets),
        asked=free.height - left.height,
    )


def _told(subject: Subject, connection: models.Connection) -> tuple[dict[Pair, models.Ticket], set[Pair]]:
    """The findings of a subject of which tickets of the connection tell, with the newest of these; and those of which a
    detached ticket has told.

    One that a ticket has told to be settled and that is there again is its as well: it will be told so.
    """
    same = {"project__connection": connection, "project__source": subject.source}
    rows = models.Ticket.objects.filter(**same, halo_id__isnull=False, **_about(subject))
    told = {
        pair_of(text): row
        for row in rows.select_related("project__connection").order_by("halo_id")
        for text in still_its(row.note.get("told") or {})
    }
    detached = models.Ticket.objects.filter(**same, note__has_key=DETACHED)
    return told, {pair_of(text) for row in detached for text in row.note.get(FORGOTTEN) or ()}


def _about(subject: Subject) -> dict[str, list[str]]:
    """Which tickets may tell of a subject's findings."""
    if subject.granularity is Granularity.ASSET:
        return {"assets__contains": [subject.key]}
    return {"vulnerabilities__overlap": _vulnerabilities(subject)}


def _vulnerabilities(subject: Subject) -> list[str]:
    """Those that a vulnerability or a solution is about."""
    if subject.granularity is Granularity.VULNERABILITY:
        return [subject.key]
    return bulk.vulnerabilities_of(subject.source.pk, subject.key)


def _listed(subject: Subject, connection: models.Connection) -> pl.DataFrame:
    """The findings of a subject that people have picked, for tickets of any kind; of a solution perhaps more."""
    of_source = {"project__source": subject.source, "project__settings__picked": True}
    return _listed_by(subject, project__connection=connection, **of_source)


def _listed_by(subject: Subject, **of: Any) -> pl.DataFrame:
    """The same, of the projects that ``of`` selects."""
    is_asset = subject.granularity is Granularity.ASSET
    about = {"asset": subject.key} if is_asset else {"vulnerability__in": _vulnerabilities(subject)}
    rows = models.ListedFinding.objects.filter(**of, **about)
    return pairs_frame(set(rows.values_list("asset", "vulnerability")))


def standing(subject: Subject, connection: models.Connection) -> models.Project | None:
    """The standing project of a subject, None where there is none yet."""
    of = {"settings__picked": True, "settings__granularity": subject.granularity.value}
    return models.Project.objects.filter(connection=connection, source=subject.source, **of).first()


def _made(subject: Subject, connection: models.Connection) -> models.Project:
    name = f"{NAMES[subject.granularity]}: {subject.source.name}, {connection.name}"
    first = models.Project.objects.aggregate(first=Min("position"))["first"] or 0
    row = create_project(name, connection, subject.source, _settings(subject))
    row.position = first - 1
    row.save(update_fields=["position"])
    return row


def _settings(subject: Subject) -> dict[str, Any]:
    return {**_SETTINGS, **_TEXTS[subject.granularity], "granularity": subject.granularity.value}


def _settings_of(project: models.Project | None, subject: Subject, connection: models.Connection) -> Settings:
    return Settings.from_table(project.settings if project else with_defaults(connection, _settings(subject)))


def priorities(subject: Subject, connection: models.Connection) -> list[str]:
    """Halo's names of the priorities that tickets of a subject can have, the highest first."""
    chosen = _settings_of(standing(subject, connection), subject, connection).priorities
    return list(dict.fromkeys(filter(None, (chosen[severity] for severity in SEVERITIES))))


def _there(project: models.Project | None, key: str) -> models.Ticket | None:
    """The newest ticket that stands for a subject, None where there is none or it was detached."""
    if project is None:
        return None
    row = models.Ticket.objects.filter(project=project, key=key, halo_id__isnull=False).order_by("-generation").first()
    return None if row is None or row.note.get(DETACHED) else row


def _world(
    subject: Subject,
    connection: models.Connection,
    project: models.Project | None,
    there: models.Ticket | None,
    left: pl.DataFrame,
    today: date,
    wording: Wording | None = None,
) -> World:
    """As a run would see it, with what is left only: a ticket that is there has told of none of it."""
    taken = models.SnapshotRecord.objects.filter(source=subject.source).order_by("-pk").only("taken").first()
    name, slug = (project.name, project.slug) if project else (NAMES[subject.granularity], "single")
    return World(
        name=name,
        settings=_settings_of(project, subject, connection),
        findings=left.with_columns(pl.lit(True).alias(LISTED)),
        tickets=[replace(ticket_of(there), told={}, listed=True)] if there else [],
        parent=None,
        today=today,
        formula=formula(),
        scanned=taken.taken if taken else None,
        slug=slug,
        link=f"{service.PUBLIC_URL}/projects/{slug}" if service.PUBLIC_URL else "",
        wordings={subject.key: wording} if wording else {},
    )
