"""The plan of a project: its findings into tickets, and a decision for each. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from . import asset_list, template
from .decide import SKEW, comment, decide
from .grading import Formula
from .ledger import ALIVE
from .membership import Membership, Row, Rows, believed
from .parent import agreement, create_parent, follow_children, summarise
from .plan import PARENT_KEY, Kind, NotDone, Plan, Step, digest
from .project import Settings
from .snapshot import SEVERITIES
from .status import ENDED, Status
from .ticket import OUT, SUPERSEDED, Counts, Finding, Pair, Ticket, evidence, gone, pair_text
from .variables import columns_of, values
from .wording import Wording

# Stands for the due date while a text is made, so that the same ticket is the same step on another day.
_DUE = "\N{SYMBOL FOR NULL}due\N{SYMBOL FOR NULL}"


@dataclass(frozen=True)
class World:
    """What a project sees. ``findings``: the ledger with the columns of asset, vulnerability and solution beside it.

    ``tickets`` are the project's children, newest generation each; ``parent`` its own ticket. ``taken`` are findings
    that a ticket of another project of the same connection has, with that ticket's name. ``generations`` are the
    highest that were ever used for a key, also by tickets that follow another key now. ``released`` names the tickets
    (key and generation) that an approver lets end though their findings were only withdrawn. ``skew`` is how far a scan
    has to begin after a person's word. ``made`` is when the project was made. ``slug`` and ``link`` are for texts.
    ``formula``: by which severities are graded, None where they are not.

    ``detached`` are findings of whose ticket a person wants nothing more to be heard, in any project, with who said so;
    ``forgotten`` the keys of such tickets of this project.

    ``wordings``: how people want tickets to be that are not made yet, by their keys.
    """

    name: str
    settings: Settings
    findings: pl.DataFrame
    tickets: Sequence[Ticket]
    parent: Ticket | None
    today: date
    scanned: datetime | None = None
    taken: Mapping[Pair, str] | None = None
    generations: Mapping[str, int] | None = None
    released: Collection[str] = ()
    skew: timedelta = SKEW
    made: datetime | None = None
    detached: Mapping[Pair, str] | None = None
    forgotten: Collection[str] = ()
    slug: str = ""
    link: str = ""
    formula: Formula | None = None
    wordings: Mapping[str, Wording] = field(default_factory=dict)


def plan(world: World) -> Plan:
    """The steps that would make Halo agree, parents first, and what is not done with its reason."""
    if not world.findings.columns:
        return Plan(not_done=(NotDone(PARENT_KEY, "the project has no source yet", needs_person=True),))
    if world.scanned is None and world.findings.is_empty() and not world.tickets:
        return Plan(not_done=(NotDone(PARENT_KEY, "its source has not been read yet", needs_person=True),))
    tickets = sorted(world.tickets, key=lambda ticket: (ticket.key, ticket.generation))
    by_key = {ticket.key: ticket for ticket in tickets}
    frame = believed(world.findings, world.settings)
    membership = Membership(world.settings, frame, tickets, world.taken or {}, world.made, world.detached or {})
    rows = membership.rows()
    follows = _follows(rows, by_key, world.forgotten)
    arriving = {new: old for old, new in follows.items()}
    steps: list[Step] = []
    not_done: list[NotDone] = []
    for key in sorted({*rows.keys, *by_key} - set(follows)):
        known = by_key[arriving[key]] if key in arriving else by_key.get(key)
        if known is None:
            generation = (world.generations or {}).get(key, 0) + 1
            _create(world, key, generation, rows, steps, not_done)
        elif known.left_alone:
            not_done.append(NotDone(known.name, known.left_alone))
        elif known.halo_id is None and known.tying:
            not_done.append(NotDone(known.name, known.tying))
        elif known.halo_id is None:
            _create(world, key, known.generation, rows, steps, not_done, known)
        else:
            _decide(world, known, key, rows, steps, not_done)
    not_done += membership.left_out()
    agrees = _parent(world, rows, tickets, steps, not_done) if world.settings.parent else None
    return Plan(tuple(steps), tuple(not_done), _held(world, steps), agrees)


def _parent(
    world: World, rows: Rows, tickets: Sequence[Ticket], steps: list[Step], not_done: list[NotDone]
) -> Status | None:
    """Steps for the project's own ticket; the status that both sides have come to by themselves, if any."""
    parent = world.parent
    if parent is None or parent.halo_id is None:
        if world.tickets or any(step.kind is Kind.CREATE for step in steps):
            steps.insert(0, create_parent(world, rows, tickets, steps))
        return None
    if parent.left_alone or parent.missing:
        left_alone = parent.left_alone
        not_done.append(NotDone(PARENT_KEY, left_alone or gone(parent.halo_id), needs_person=not left_alone))
        return None
    agrees = agreement(parent, tickets, steps)
    follow_children(world, parent, tickets, steps, not_done)
    steps += summarise(world, parent, rows, tickets, steps)
    return agrees


def _finding(row: Row) -> Finding:
    return Finding(
        row["asset"],
        row.get("host_name") or row.get("ip") or "",
        row["vulnerability"],
        row.get("title") or "",
        row["state"],
        row.get("scan"),
        row.get("scan_started"),
        row.get("since"),
        row.get("missed") or 0,
    )


def _findings_of(ticket: Ticket, key: str, rows: Rows) -> list[Finding]:
    """The findings of a ticket: those of its key, and all that it has told of, wherever they are now.

    What was settled before the ticket told of it is not the ticket's.
    """
    own = [row for row in rows.of(key) if row["state"] in ALIVE or _pair(row) in ticket.told]
    findings = [_finding(row) for row in own]
    held = {_pair(row) for row in own}
    for pair in sorted(ticket.told.keys() - held):
        found = rows.find(pair)
        findings.append(_elsewhere(pair, ticket.told[pair], found[1] if found else None))
    return findings


def _pair(row: Row) -> Pair:
    return row["asset"], row["vulnerability"]


def _elsewhere(pair: Pair, told: str, row: Row | None) -> Finding:
    """A finding that a ticket has told of and that is not under its key."""
    if row is None:
        return Finding(pair[0], "", pair[1], "", OUT if told in ALIVE else told, None, None)
    finding = _finding(row)
    if told in (SUPERSEDED, OUT) or (finding.is_alive and told not in ALIVE):
        return replace(finding, state=told)
    return replace(finding, state=SUPERSEDED) if finding.is_alive else finding


def _follows(rows: Rows, by_key: Mapping[str, Ticket], forgotten: Collection[str]) -> dict[str, str]:
    """Old and new key of each ticket whose living findings have all moved to one other key, which never had a ticket.

    Of several that moved to the same key the first follows, open ones first.
    """
    found: dict[str, str] = {}
    for key, ticket in sorted(by_key.items(), key=lambda item: (item[1].status in ENDED, item[0])):
        if ticket.halo_id is None or key in rows.alive:
            continue
        told = [rows.find(pair) for pair, state in ticket.told.items() if state in ALIVE]
        now = {found[0] for found in told if found and found[1]["state"] in ALIVE}
        if len(now) != 1:
            continue
        new = now.pop()
        if new not in by_key and new not in forgotten and new not in found.values():
            found[key] = new
    return found


def _decide(world: World, ticket: Ticket, key: str, rows: Rows, steps: list[Step], not_done: list[NotDone]) -> None:
    """Steps for a ticket that exists; its findings are now under ``key``."""
    if ticket.missing:
        not_done.append(NotDone(ticket.name, gone(ticket.halo_id), needs_person=True))
        return
    if ticket.retyped:
        not_done.append(NotDone(ticket.name, f"{ticket.retyped}: what that type does not have is refused"))
    moved = key if key != ticket.key else ""
    findings = _findings_of(ticket, key, rows)
    decision = decide(
        ticket,
        findings,
        skew=world.skew,
        linked=world.settings.reopen_linked,
        moved=moved,
        released=ticket.name in world.released,
        about=_about(world, key, rows) if ticket.tied else "",
    )
    if decision.linked:
        # The new ticket comes before the comment that tells of it: a run that ends between them loses no ticket.
        _create(world, key, ticket.generation + 1, rows, steps, not_done, follows=ticket)
    about = rows.living(key) or rows.of(key)
    steps += [_in_template(world, step, about) for step in _with_list(ticket, findings, decision.steps)]
    not_done += decision.not_done
    if moved:
        reason = f"its findings moved to {moved}"
        steps.append(Step(Kind.FOLLOW, ticket.key, ticket.generation, reason, {"key": moved}))


def _about(world: World, key: str, rows: Rows) -> str:
    """What a ticket that the findings of a key were tied to is told of them: as a new one would be."""
    living = rows.living(key)
    if not living:
        return ""
    severity = min({row["severity"] for row in living}, key=SEVERITIES.index)
    return template.fill(
        world.settings.child_details, values(world, rows.living_columns(key), severity, "as this ticket says")
    )


def _create(
    world: World,
    key: str,
    generation: int,
    rows: Rows,
    steps: list[Step],
    not_done: list[NotDone],
    known: Ticket | None = None,
    *,
    follows: Ticket | None = None,
) -> None:
    """A step for a new ticket. ``known``: it was planned before. ``follows``: the ticket that it is linked to."""
    living = rows.living(key)
    if not living:
        if known is not None:
            not_done.append(NotDone(known.name, "nothing of it is open any more"))
        return
    findings = [_finding(row) for row in living]
    severity = min({row["severity"] for row in living}, key=SEVERITIES.index)
    # What a person typed was about the first ticket only; the template's lines are for whatever comes of it.
    wording = world.wordings.get(key, Wording(follows.template if follows else None))
    settings = wording.over(world.settings)
    urgency, raised = settings.urgency(severity, living, world.formula)
    assets = list({row["asset"]: row for row in living}.values())
    agent, team, why = settings.assigned(assets)
    due = wording.due or settings.due_on(urgency, world.today, living)
    filled = wording.values(values(world, rows.living_columns(key), severity, _DUE))
    summary = wording.summary(template.fill(settings.child_summary, filled))
    details = template.fill(settings.child_details, filled)
    fields = {name: template.fill(text, filled) for name, text in settings.fields.items()}
    if follows is not None:
        details += (
            f"\n\nFollows ticket {follows.halo_id}, which was {follows.status.value if follows.status else 'open'}."
        )
    dated = {name: text.replace(_DUE, due.isoformat()) for name, text in filled.items()}
    body: dict[str, Any] = {
        "summary": template.summary(summary.replace(_DUE, due.isoformat())),
        "details": wording.details(details.replace(_DUE, due.isoformat()), dated),
        "priority": wording.priority(settings.priorities[urgency]),
        "due": due.isoformat(),
        "agent": agent,
        "team": team,
    }
    if fields:
        body["customfields"] = {name: text.replace(_DUE, due.isoformat()) for name, text in fields.items()}
    if follows is not None:
        body["follows"] = follows.halo_id
    counted = wording.due is None and due == world.today + timedelta(days=settings.due_days[urgency])
    days = settings.due_days[urgency] if counted else due.isoformat()
    texts = {"summary": summary, "details": wording.details(details, filled)}
    same = digest([{**body, **texts, "due": days, "customfields": fields}])
    how_bad = f"{severity}, as urgent as {urgency} because {raised}" if raised else severity
    reason = f"{Counts.of(findings).in_words()} on {len(assets)} assets; {how_bad}, due {due}; {why}"
    reason += f"; {wording.words}" if wording.words else ""
    told = {pair_text(finding.pair): finding.state for finding in findings}
    steps.append(Step(Kind.CREATE, key, generation, reason, body, evidence(findings), told, same))
    steps += [_in_template(world, step, living) for step in _with_list(Ticket(key, generation), findings, ())]


def _with_list(ticket: Ticket, findings: list[Finding], steps: Sequence[Step]) -> list[Step]:
    """The steps of a ticket, of which the comment brings the whole list where a text cannot name all assets: once for
    all of a living ticket's, and with each comment about many."""
    living = [finding for finding in findings if finding.is_alive]
    is_due = not ticket.listed and asset_list.is_long(living)
    done = []
    for step in steps:
        if step.kind is Kind.COMMENT and (is_due or len(step.evidence["assets"]) > template.LONGEST_LIST):
            step = _listing(step, findings)
            is_due = False
        done.append(step)
    if is_due:
        count = len({finding.asset for finding in living})
        step = comment(
            ticket, findings, f"All {count} assets are in the attached list.", f"a list of {count} assets", []
        )
        done.append(_listing(step, findings))
    return done


def _listing(step: Step, findings: list[Finding]) -> Step:
    """A comment that brings the whole list."""
    return replace(step, body={**step.body, "attachment": asset_list.attachment(findings), "listed": True})


def _in_template(world: World, step: Step, rows: Sequence[Row]) -> Step:
    """A step; if it is a comment, in the words of the project's template."""
    if step.kind is not Kind.COMMENT or world.settings.comment == template.COMMENT:
        return step
    severity = min((row["severity"] for row in rows), key=SEVERITIES.index, default=SEVERITIES[-1])
    news = {"NEWS": step.body["text"]}
    filled = {**values(world, columns_of(rows), severity, ""), **news}
    return replace(step, body={**step.body, "text": template.fill(world.settings.comment, filled)})


def _held(world: World, steps: Sequence[Step]) -> str:
    """Why a plan waits for an approver: mass changes."""
    live = sum(1 for ticket in world.tickets if ticket.halo_id and ticket.status not in ENDED)
    ends = {status.value for status in ENDED}
    children = [step for step in steps if step.ticket_key != PARENT_KEY]
    resolved = sum(1 for step in children if step.kind is Kind.SET_STATUS and step.body["status"] in ends)
    creates = sum(1 for step in children if step.kind is Kind.CREATE)
    settings = world.settings
    if resolved >= settings.mass_least and resolved > settings.mass_share * live:
        return f"it would resolve {resolved} of {live} live tickets"
    if creates > settings.most_creates:
        return f"it would create {creates} tickets"
    return ""
